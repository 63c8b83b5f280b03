"""Opening the store, and the two kinds of transaction: one that reads, one that writes.

On both databases a transaction that reads sees one moment and waits for no writer.

On SQLite a transaction that writes takes the write lock at its start (BEGIN IMMEDIATE): taking it half-way is what
gives "database is locked" under several writers. A transaction that reads stays deferred, as WAL mode wants it.

On PostgreSQL one that reads is REPEATABLE READ and read-only, which is never refused; one that writes is READ
COMMITTED: its statements look at rows as they are once they have their locks, which is what the compare-and-set of
a position and the additive upserts of windows need.

On PostgreSQL each program acts as a role of its own, and what is read for somebody is read within their bounds
(`ioc.store.bounds`). SQLite has neither: there the operations alone decide who sees what.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ioc.errors import StoreAway, StoreError
from ioc.store.arrays import IntegersDumper
from ioc.store.bounds import Bounds, DatabaseRole, bind, take_role

__all__ = ["Connection", "Store", "password_in"]

BUSY_TIMEOUT_MS: Final = 30_000
"""How long a writer waits for another writer; the longest transactions are of one chunk of roll-ups (0.1 s)."""

CACHE_KIB: Final = 64 * 1024

POSTGRES_OPTIONS: Final = {
    # No statement of ours takes a second where all is well; what hangs must not hold its locks for ever. Migrations
    # and copies set their own.
    "statement_timeout": "60s",
    "lock_timeout": "30s",
    # A program that is frozen in the middle of a transaction would block every other writer of the same rows.
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    # Short statements over many partitions: compiling them took 1.8 s of a roll-up's 1.9.
    "jit": "off",
}
"""Settings of every session; `options` in the URL takes their place."""

POSTGRES_CONNECTING: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",  # ms without an answer after which a connection counts as lost
    "application_name": "ioc",
}
"""libpq's parameters; those in the URL take their place."""


AWAY: Final = ("08", "57")
"""Classes of SQLSTATE: no connection; ended by an administrator, shut down or starting up."""

REFUSED: Final = re.compile("does not exist|authentication failed|pg_hba")
"""What the server says of a connection that will never come about. The driver gives no SQLSTATE of it; a server that
speaks another language is asked again in vain, and the log says so."""

TABLES_LOCK: Final = 0x10C_7AB1
"""Of PostgreSQL's advisory lock under which tables are made."""


class Store:
    """One database, opened by URL. Holds the connection pool; everything else is functions over a connection."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, role: DatabaseRole = DatabaseRole.WRITER) -> "Store":
        """The store at an SQLAlchemy URL; StoreError if the URL cannot be used. Does not look at its version.

        `role` is what the program acts as in PostgreSQL.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise StoreError(
                "IOC_STORE is not a database URL: write it as sqlite:////path/to/ioc.sqlite or postgresql+psycopg://…"
            ) from error
        if parsed.get_backend_name() == "sqlite":
            return cls(_sqlite_engine(parsed))
        return cls(_postgres_engine(parsed, role))

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent snapshot."""
        with _as_store_error(), self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextmanager
    def reading_for(self, bounds: Bounds) -> Iterator[Connection]:
        """As `reading`, for somebody: on PostgreSQL no row of a place is seen that lies outside their bounds."""
        with self.reading() as connection:
            bind(connection, bounds)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back on any error."""
        with _as_store_error(), self.engine.connect() as connection:
            connection = connection.execution_options(ioc_writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def changing_tables(self) -> Iterator[Connection]:
        """As `writing`, for making tables or loading a territory: one program at a time, however long it takes."""
        with self.writing() as connection:
            if self.dialect == "postgresql":
                for setting in ("statement_timeout", "lock_timeout"):
                    connection.exec_driver_sql(f"SET LOCAL {setting} = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TABLES_LOCK})")
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def password_in(url: str) -> tuple[str, str]:
    """The password in a database URL and the user whose it is; empty where it has none, or is no URL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "", ""
    return str(parsed.password or ""), parsed.username or ""


@contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise _of_postgres(error.orig) from error
        raise StoreError(f"the store did not do what was asked: {error.orig}") from error
    except psycopg.Error as error:  # of what is done with a new connection
        raise _of_postgres(error) from error
    except PoolTimeout as error:
        raise StoreError("all connections to the database are in use: try again in a moment") from error


def _of_postgres(error: psycopg.Error) -> StoreError:
    """Without the details that PostgreSQL gives, which quote rows."""
    said = (error.diag.message_primary or str(error).strip() or type(error).__name__).splitlines()[0]
    is_away = isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08")[:2] in AWAY
    if is_away and not REFUSED.search(said):
        return StoreAway(f"the database does not answer: start PostgreSQL, or correct IOC_STORE ({said})")
    return StoreError(f"the database did not do what was asked: {said}")


def _postgres_engine(url: URL, role: DatabaseRole) -> Engine:
    options = " ".join(f"-c {name}={value}" for name, value in POSTGRES_OPTIONS.items())
    defaults = POSTGRES_CONNECTING | {"options": options}
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: psycopg.Connection, _record: Any) -> None:
        connection.adapters.register_dumper(np.ndarray, IntegersDumper)
        take_role(connection, role)

    return engine


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
