"""Opening the store, and the two kinds of transaction: one that reads, one that writes.

On SQLite a transaction that writes takes the write lock at its start (BEGIN IMMEDIATE): taking it half-way is what
gives "database is locked" under several writers. A transaction that reads stays deferred, so that readers, which
see one snapshot in WAL mode, never wait for a writer.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from ioc.errors import StoreError

__all__ = ["Connection", "Store"]

BUSY_TIMEOUT_MS: Final = 30_000
"""How long a writer waits for another writer; the longest transactions are of one chunk of roll-ups (0.1 s)."""

CACHE_KIB: Final = 64 * 1024


class Store:
    """One database, opened by URL. Holds the connection pool; everything else is functions over a connection."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> "Store":
        """The store at an SQLAlchemy URL; StoreError if the URL cannot be used. Does not look at its version."""
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise StoreError(
                "IOC_STORE is not a database URL: write it as sqlite:////path/to/ioc.sqlite or postgresql+psycopg://…"
            ) from error
        if parsed.get_backend_name() == "sqlite":
            return cls(_sqlite_engine(parsed))
        return cls(create_engine(parsed, hide_parameters=True, pool_pre_ping=True))

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent snapshot."""
        with _as_store_error(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back on any error."""
        with _as_store_error(), self.engine.connect() as connection:
            connection = connection.execution_options(ioc_writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the store did not do what was asked: {error.orig}") from error


def _sqlite_engine(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        folder = Path(url.database).parent
        if not folder.is_dir():
            raise StoreError(
                f"the folder {folder} of the store does not exist: make it, or set IOC_DATA to one that does"
            )
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        for pragma in (
            "journal_mode=WAL",
            # Losing the last commits of a power cut is safe: the stored position goes with them, and the log,
            # which is written with synchronous=FULL, has the messages still.
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            f"cache_size=-{CACHE_KIB}",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ioc_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
