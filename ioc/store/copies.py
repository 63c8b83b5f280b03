"""The whole store in one file, as it stands at one moment, while others read and write; and back again.

A copy says which version its tables have and where ingest stood: what the log holds beyond those positions can be
applied to it. It is never a copy of a live database's file, which would be torn.

Refused: a store without tables. What is specific to PostgreSQL stands in `postgres_copies.py`.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, make_url, select, text
from sqlalchemy.exc import DatabaseError

from ioc.errors import StoreError
from ioc.store import migrations, postgres_copies
from ioc.store.engine import Store
from ioc.store.schema import positions

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_VERSION: Final = "SELECT version_num FROM alembic_version"


@dataclass(frozen=True, slots=True, order=True)
class NextOffset:
    """Where ingest stood in one partition."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """What a copy holds; `database` is the version of SQLite or of PostgreSQL's server."""

    kind: str
    database: str
    version: str
    positions: tuple[NextOffset, ...]


def kind_of(url: str) -> str:
    """`sqlite` or `postgresql`."""
    return make_url(url).get_backend_name()


def copy_out(store: Store, file: Path) -> StoreCopy:
    """Write the store into an empty file; what the copy holds. StoreError if that cannot be done."""
    if migrations.version_of(store) is None:
        raise StoreError(
            "there is nothing to back up: the store has no tables; see that IOC_STORE or IOC_DATA is right"
        )
    if store.dialect == SQLITE:
        return _copy_sqlite(store, file)
    with store.reading() as connection:
        copy = StoreCopy(POSTGRESQL, postgres_copies.server_version(connection), *_described(connection))
        postgres_copies.dump(store, connection, file)
    return copy


def _copy_sqlite(store: Store, file: Path) -> StoreCopy:
    """VACUUM INTO: one snapshot, which holds up no writer, and without the remains of rows that were deleted."""
    try:
        with closing(store.engine.raw_connection()) as pooled:
            connection = pooled.driver_connection
            assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - what the SQLite dialect opens
            connection.execute("VACUUM INTO ?", (str(file),))
        return described_file(file)
    except sqlite3.Error as error:
        raise StoreError(f"the store could not be copied to {file}: {error}; check the disk of both") from error


def described_file(file: Path) -> StoreCopy:
    """What a copy of an SQLite store holds; nothing is written, not even a journal beside it."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as connection:
        (version,) = connection.execute(_VERSION).fetchone()
        rows = connection.execute("SELECT topic, partition, next_offset FROM positions ORDER BY 1, 2").fetchall()
    return StoreCopy(SQLITE, sqlite3.sqlite_version, version, tuple(NextOffset(*row) for row in rows))


def _described(connection: Connection) -> tuple[str, tuple[NextOffset, ...]]:
    version = str(connection.execute(text(_VERSION)).scalar_one())
    rows = connection.execute(
        select(positions.c.topic, positions.c.partition, positions.c.next_offset).order_by(
            positions.c.topic, positions.c.partition
        )
    )
    return version, tuple(NextOffset(*row) for row in rows)


def positions_of(store: Store) -> tuple[NextOffset, ...] | None:
    """Where ingest stands; None where there are no tables, or what is there cannot be read."""
    try:
        if migrations.version_of(store) is None:
            return None
        with store.reading() as connection:
            return _described(connection)[1]
    except (StoreError, DatabaseError):
        return None
