"""Statements over many rows, made once per dialect and run with plain tuples.

SQLAlchemy writes the SQL of both databases. For SQLite the text goes straight to the driver's executemany,
because turning every row into a dictionary costs more than the insert itself.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Executable, Table, and_, case, func, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

Row = tuple[Any, ...]

_INSERTS: Final = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_DIALECTS: Final = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


def insert_into(table: Table, dialect: str) -> Any:
    """An INSERT that knows ON CONFLICT, for the dialect."""
    return _INSERTS[dialect](table)


def smaller(dialect: str, a: ColumnElement[Any], b: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.min(a, b) if dialect == "sqlite" else func.least(a, b)


def larger(dialect: str, a: ColumnElement[Any], b: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.max(a, b) if dialect == "sqlite" else func.greatest(a, b)


def is_newer(excluded: Any, table: Table, time: str, value: str) -> ColumnElement[bool]:
    """Whether the new row's (time, value) comes after the stored one's."""
    return or_(excluded[time] > table.c[time], and_(excluded[time] == table.c[time], excluded[value] > table.c[value]))


def newer_of(excluded: Any, table: Table, time: str, value: str) -> ColumnElement[Any]:
    return case((is_newer(excluded, table, time, value), excluded[value]), else_=table.c[value])


def execute_rows(connection: Connection, statement: Executable, names: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Run `statement` once per row; `names` are the statement's parameters in the order of a row's values."""
    given = list(rows)
    if not given:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_text(statement, names), given)
    else:
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in given])


@lru_cache(maxsize=256)
def _text(statement: Any, names: tuple[str, ...]) -> str:
    compiled = statement.compile(dialect=_DIALECTS["sqlite"](), column_keys=list(names))
    if tuple(compiled.positiontup or ()) != names:
        raise ValueError(f"the statement takes {compiled.positiontup}, not {names}")
    return str(compiled)


def integer_rows(connection: Connection, statement: Executable) -> list[tuple[int, ...]]:
    """All rows of a SELECT of integer columns, as the driver gives them.

    Making SQLAlchemy's row objects first, and arrays from those, takes ten times as long, and integers need no
    conversion.
    """
    cursor = connection.execute(statement).cursor
    assert cursor is not None  # noqa: S101 - a SELECT always has one
    return list(cursor.fetchall())
