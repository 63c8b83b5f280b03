"""Databases for tests: new ones and copies, as a file of SQLite or in a server of PostgreSQL.

A test that takes the fixture `database` runs once on each. Where a database is, is told by its URL alone.
"""

import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import MetaData, make_url, text
from sqlalchemy.engine import URL

from ioc.store.engine import Store

FILE: Final = "ioc.db"
_numbers: Final = itertools.count()
_made: Final[set[str]] = set()


def new_database(folder: Path, server: str | None) -> str:
    """The URL of an empty database: a file in `folder`, or where `server` is a URL, one of that server."""
    return f"sqlite:///{folder / FILE}" if server is None else _create(make_url(server), "template0")


def copy_database(url: str, folder: Path, name: str = FILE) -> str:
    """The URL of a copy of a database that nobody is connected to; a file gets the name."""
    given = make_url(url)
    if given.database is None or given.get_backend_name() == "postgresql":
        return _create(given, str(given.database))
    _checkpoint(Path(given.database))
    shutil.copyfile(given.database, folder / name)
    return f"sqlite:///{folder / name}"


def drop_database(url: str) -> None:
    """Take a database of a server away, whoever is connected; files go with their folder."""
    if url in _made:
        _made.discard(url)
        given = make_url(url)
        _administer(given, f'DROP DATABASE IF EXISTS "{given.database}" WITH (FORCE)')


def drop_all() -> None:
    """Take away every database that this run made and left in a server."""
    for url in sorted(_made):
        drop_database(url)


def everything(store: Store, *, but: Iterable[str] = ()) -> list[str]:
    """All tables and rows of a store, as text, in one order."""
    found = []
    with store.reading() as connection:
        known = MetaData()
        known.reflect(connection)
        for name, table in sorted(known.tables.items()):
            if name in but:
                continue
            found.append(f"{name}: {', '.join(f'{one.name} {one.type}' for one in table.columns)}")
            found += sorted(f"{name}: {tuple(row)}" for row in connection.execute(table.select()))
    return found


def scalar(store: Store, sql: str) -> int:
    """The one number that a SELECT gives."""
    with store.reading() as connection:
        return int(connection.execute(text(sql)).scalar_one())


def _create(server: URL, template: str) -> str:
    name = f"ioc_test_{os.getpid()}_{next(_numbers)}"
    _administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    url = server.set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    _made.add(url)
    return url


def _administer(server: URL, statement: str) -> None:
    url = server.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _checkpoint(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
