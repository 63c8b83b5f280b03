"""Migrations: they build what the schema says, and a store of another version is refused and left as it is."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from ioc.errors import StoreError, StoreVersionError
from ioc.store import migrations
from ioc.store.dead_letter_reading import Wanted, newest_letters, unpublished_hours, unpublished_letters
from ioc.store.engine import Store
from ioc.store.schema import metadata
from tests.databases import drop_database, everything, new_database

NEXT = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "next", "{last}", None, None


def upgrade() -> None:
    op.execute("CREATE TABLE something_new (id INTEGER PRIMARY KEY)")
    op.execute("UPDATE writers SET n = n + 1")
    {more}
"""


def _words(index: Any) -> dict[str, str]:
    return {name: str(value) for name, value in index.get("dialect_options", {}).items()}


def _plan(store: Store) -> dict[str, tuple[object, ...]]:
    """Per table: its columns, keys, indexes, and how the database stores it."""
    found: dict[str, tuple[object, ...]] = {}
    with store.reading() as connection:
        seen = inspect(connection)
        sqlite = store.dialect == "sqlite"
        kinds = "SELECT name, sql FROM sqlite_master" if sqlite else "SELECT relname, relkind FROM pg_class"
        how = dict(tuple(row) for row in connection.execute(text(kinds)))
        for name in seen.get_table_names():
            columns = [{**one, "type": str(one["type"])} for one in seen.get_columns(name)]
            indexes = sorted(str({**one, "dialect_options": _words(one)}) for one in seen.get_indexes(name))
            checks, uniques = seen.get_check_constraints(name), seen.get_unique_constraints(name)
            keys = sorted(map(str, [seen.get_pk_constraint(name), *seen.get_foreign_keys(name), *checks, *uniques]))
            kind = "WITHOUT ROWID" in how[name] if sqlite else how[name]
            found[name] = (columns, keys, indexes, kind)
    found.pop("alembic_version", None)
    return found


@pytest.fixture
def with_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the program know one more migration, as a newer one would."""

    def _add(more: str = "") -> None:
        folder = tmp_path / "migrations"
        last = migrations.newest_version()
        shutil.copytree(migrations.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "9999_next.py").write_text(NEXT.format(last=last, more=more))
        monkeypatch.setattr(migrations, "FOLDER", folder)

    return _add


def test_migrations_build_exactly_the_schema(store: Store) -> None:
    migrations.upgrade(store)
    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_they_build_the_same_tables_as_the_schema_does(store: Store, database: str | None, tmp_path: Path) -> None:
    migrations.upgrade(store)
    (tmp_path / "other").mkdir()
    url = new_database(tmp_path / "other", database)
    other = Store.open(url)
    with other.writing() as connection:
        metadata.create_all(connection)
    assert _plan(store) == _plan(other)
    other.close()
    drop_database(url)


def test_doing_it_again_changes_nothing(store: Store) -> None:
    migrations.upgrade(store)
    before = everything(store)
    migrations.upgrade(store)
    migrations.require_current(store)
    assert everything(store) == before


def test_two_programs_may_do_it_at_once(store: Store, url: str) -> None:
    failed: list[BaseException] = []

    def _upgrade() -> None:
        own = Store.open(url)
        try:
            migrations.upgrade(own)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)
        own.close()

    threads = [threading.Thread(target=_upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    migrations.require_current(store)


def test_a_store_without_tables_is_refused_in_one_sentence(store: Store) -> None:
    with pytest.raises(StoreVersionError, match=r"^the store has no tables yet: run `python -m ioc setup`$"):
        migrations.require_current(store)


def test_a_store_of_a_newer_version_is_refused_and_untouched(store: Store) -> None:
    migrations.upgrade(store)
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = everything(store)
    for refusing in (migrations.upgrade, migrations.require_current):
        with pytest.raises(StoreVersionError, match=r"version 9999, which this program does not know.*IOC_STORE"):
            refusing(store)
    assert everything(store) == before


def test_an_older_store_is_refused_until_it_is_brought_up(store: Store, with_next: Callable[[str], None]) -> None:
    migrations.upgrade(store)
    with store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO writers VALUES ('jobs', 41)")
    with_next("")
    with pytest.raises(StoreVersionError, match=r"older than this program: run `python -m ioc setup`$"):
        migrations.require_current(store)
    migrations.upgrade(store)
    migrations.require_current(store)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT n FROM writers").scalar_one() == 42


def test_a_migration_that_fails_on_the_way_leaves_the_store_as_it_was(
    store: Store, with_next: Callable[[str], None]
) -> None:
    migrations.upgrade(store)
    before = everything(store)
    with_next('op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(StoreError):
        migrations.upgrade(store)
    assert everything(store) == before


def test_letters_of_before_0003_count_as_told_and_their_length_is_not_known(store: Store) -> None:
    """Their reasons may quote messages, and must not go out."""
    config = migrations._config()
    with store.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(
            "INSERT INTO dead_letters (feed, source, origin, at, kind, reason)"
            " VALUES ('traffic', 's', 0, 41, 'future', 'N. V. A.')"
        )
        connection.exec_driver_sql("INSERT INTO dead_letter_counts VALUES ('traffic', 's', 'future', 0, 7, 1, 1, 1)")
    migrations.upgrade(store)
    with store.reading() as connection:
        (letter,) = newest_letters(connection, Wanted(), 9)
        assert (letter.size, letter.is_whole, letter.replayed_at) == (None, False, None)
        assert unpublished_letters(connection, "traffic", 9) == []
        assert unpublished_hours(connection, "traffic", since=0, before=9, limit=9) == []
