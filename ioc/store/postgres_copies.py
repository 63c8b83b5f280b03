"""Copying a PostgreSQL store with PostgreSQL's own programs, pg_dump and pg_restore.

Only the schema that the store stands in is copied, without owners and rights: those belong to the server, and a
restore lays them down anew. The copy is put in one transaction. What stood there before is moved to another schema,
never dropped.

Refused: programs older than the server. No password is ever an argument of a program.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, text

from ioc.errors import StoreError
from ioc.store import rights
from ioc.store.bounds import act_as_signed_in
from ioc.store.engine import Store

LOCK_WAIT: Final = "30s"
"""How long pg_dump waits for a table that somebody is changing."""

APPLICATION: Final = "ioc copy"
"""As what the programs show themselves to the server."""

_WHERE: Final = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
"""Where Debian and Red Hat put the programs of each version; only one version is in PATH."""


def server_version(connection: Connection) -> str:
    return str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]


def dump(store: Store, connection: Connection, file: Path) -> None:
    """Write the store as this transaction sees it, which must be REPEATABLE READ, into a file."""
    program = find_program("pg_dump", _major(server_version(connection)), program_folders())
    # It waits while pg_dump works, and must last until the end: pg_dump takes its snapshot from it.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    _run(
        store,
        *(str(program), "--format=custom", f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_WAIT}"),
        *("--no-owner", "--no-privileges", f"--schema={_schema(connection)}", f"--file={file}"),
        # Policies hold for it too; those of the role that owns the tables let all rows pass.
        *(f"--role={_role(connection)}", "--enable-row-security"),
    )


def require_restorable(store: Store, written_by: str) -> Path:
    """The program that restores a dump of a server of version `written_by`. StoreError if it cannot be done here."""
    with store.changing_tables() as connection:
        rights.make_roles(connection)  # the policies in the dump name them
        server = server_version(connection)
    if _major(server) < _major(written_by):
        raise StoreError(
            f"the backup is of PostgreSQL {written_by}, but the server of IOC_STORE is {server}: restore it into"
            f" PostgreSQL {_major(written_by)} or newer"
        )
    return find_program("pg_restore", _major(server), program_folders())


def restore(store: Store, file: Path, written_by: str) -> None:
    """Put a dump into the store's schema, which must be empty: all of it or nothing."""
    program = require_restorable(store, written_by)
    with store.reading() as connection:
        schema = _schema(connection)
    _run(
        store,
        *(str(program), "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
        *(f"--schema={schema}", str(file)),
    )
    with store.changing_tables() as connection:
        rights.prepare(connection)
        rights.lay_down(connection)
        connection.execute(text("ANALYZE"))  # a dump holds no statistics
    store.engine.dispose()


def holds_anything(store: Store) -> bool:
    """Whether there is any table in the store's schema."""
    with store.reading() as connection:
        found = connection.execute(
            text("SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace(:schema))"),
            {"schema": _quoted(_schema(connection))},
        )
        return bool(found.scalar_one())


def set_aside(store: Store, name: str) -> None:
    """Move all that is in the store's schema to one of the given name."""
    with store.changing_tables() as connection:
        act_as_signed_in(connection)  # the schema is not the role's
        schema = _quoted(_schema(connection))
        connection.execute(text(f"ALTER SCHEMA {schema} RENAME TO {_quoted(name)}"))
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    store.engine.dispose()  # in the new one nobody has a role yet


def others_connected(store: Store) -> int:
    """How many programs of a centre are connected to the database besides this one."""
    with store.reading() as connection:
        act_as_signed_in(connection)  # who sees what the user's other sessions are
        found = connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name IN (current_setting('application_name'), :ours) AND pid <> pg_backend_pid()"
            ),
            {"ours": APPLICATION},
        )
        return int(found.scalar_one())


def program_folders() -> list[Path]:
    """Where PostgreSQL's programs may be, the folders that hold one version only first."""
    by_version = [folder for pattern in _WHERE for folder in sorted(Path("/").glob(pattern.lstrip("/")))]
    return [*by_version, *(Path(one) for one in os.environ.get("PATH", "").split(os.pathsep) if one)]


def find_program(name: str, server: int, folders: Iterable[Path]) -> Path:
    """The program of the server's major version, else of the next newer one. StoreError if there is none."""
    found: dict[int, Path] = {}
    for folder in folders:
        path = folder / name
        if os.access(path, os.X_OK) and path.is_file():
            answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            if number := re.search(r"\(PostgreSQL\) (\d+)", answer.stdout):
                found.setdefault(int(number[1]), path)
    fitting = [version for version in found if version >= server]
    if not fitting:
        there = f"only those of version {max(found)} are" if found else "they are not"
        raise StoreError(
            f"{name} of PostgreSQL {server} is needed: {there} on this machine;"
            f" install PostgreSQL's client programs (Debian: postgresql-client-{server})"
        )
    return found[min(fitting)]


def _run(store: Store, *command: str) -> None:
    """Run one of PostgreSQL's programs on the store's database; the password goes through the environment."""
    _, parameters = store.engine.dialect.create_connect_args(store.engine.url)
    secret = parameters.pop("password", None)
    parameters.pop("context", None)  # of psycopg, not of libpq
    environ = os.environ | {"PGAPPNAME": APPLICATION, "PGCONNECT_TIMEOUT": "5"}
    if secret is not None:
        environ["PGPASSWORD"] = str(secret)
    database = f"--dbname={make_conninfo('', **parameters)}"
    answer = subprocess.run([*command, database], env=environ, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise StoreError(f"{Path(command[0]).name} failed: {_last(answer.stderr.splitlines())}")


def _last(lines: Sequence[str]) -> str:
    return " ".join(line.strip() for line in lines[-3:]) or "it said nothing"


def _role(connection: Connection) -> str:
    return str(connection.execute(text("SELECT current_user")).scalar_one())


def _schema(connection: Connection) -> str:
    schema = connection.execute(text("SELECT current_schema()")).scalar_one()
    if schema is None:
        raise StoreError("the database has no schema to work in: create `public`, or set search_path in IOC_STORE")
    return str(schema)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _major(version: str) -> int:
    return int(version.split(".")[0])
