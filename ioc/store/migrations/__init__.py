"""Making and migrating the tables of the store (Alembic's only home).

A store that a newer program has migrated is refused, and nothing of it is touched. On PostgreSQL the rights of the
tables are laid down anew each time (`ioc.store.rights`).
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ioc.errors import StoreVersionError
from ioc.store import rights
from ioc.store.engine import Store

FOLDER: Final = Path(__file__).parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def newest_version() -> str:
    """The version that this program's tables have."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101 - the folder holds the first migration
    return head


def version_of(store: Store) -> str | None:
    """The version of the store's tables; None where there are none."""
    with store.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(store: Store) -> None:
    """Make the tables, or bring older ones to this program's version."""
    require_known(version_of(store))
    config = _config()
    with store.changing_tables() as connection:
        config.attributes["connection"] = connection
        rights.prepare(connection)
        command.upgrade(config, "head")
        rights.lay_down(connection)
    store.engine.dispose()  # connections take their role when they are made


def require_current(store: Store) -> None:
    """StoreVersionError unless the store's tables are those of this program, and their rights laid down."""
    version = version_of(store)
    require_known(version)
    if version != newest_version():
        found = "has no tables yet" if version is None else f"is of version {version}, older than this program"
        raise StoreVersionError(f"the store {found}: run `python -m ioc setup`")
    with store.reading() as connection:
        if not rights.are_laid_down(connection):
            raise StoreVersionError("the store's tables are not protected by their rights: run `python -m ioc setup`")


def require_known(version: str | None) -> None:
    """StoreVersionError for tables that a newer program made."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if version is not None and version not in known:
        raise StoreVersionError(
            f"the store is of version {version}, which this program does not know: start the newer program, "
            "or set IOC_DATA or IOC_STORE to another store"
        )
