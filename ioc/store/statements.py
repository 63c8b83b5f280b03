"""Statements over many rows, made once per dialect and run with plain tuples or columns.

SQLAlchemy writes the SQL of both databases. For SQLite the text goes straight to the driver's executemany,
because turning every row into a dictionary costs more than the insert itself. PostgreSQL gets rows of integers as
one array per column, which `unnest` makes into rows again: one statement and one answer, however many rows.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Executable,
    FromClause,
    Table,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.elements import ColumnElement

from ioc.model.columns import Integers

Row = tuple[Any, ...]

_INSERTS: Final = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_DIALECTS: Final = {"sqlite": sqlite.dialect, "postgresql": psycopg.dialect}


def insert_into(table: Table, dialect: str) -> Any:
    """An INSERT that knows ON CONFLICT, for the dialect."""
    return _INSERTS[dialect](table)


def rows_of_arrays(names: tuple[str, ...]) -> FromClause:
    """PostgreSQL: rows from parameters of the same names, each an array of integers."""
    arrays = (bindparam(name, type_=ARRAY(BigInteger)) for name in names)
    return func.unnest(*arrays).table_valued(*(column(name, BigInteger) for name in names)).render_derived("given")


def insert_integers(table: Table, names: tuple[str, ...], dialect: str) -> Any:
    """An INSERT of integer columns that knows ON CONFLICT, to be run by `execute_integers`."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    given = rows_of_arrays(names)
    columns = (cast(given.c[name], table.c[name].type) for name in names)
    return postgresql.insert(table).from_select(list(names), select(*columns))


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


def execute_integers(connection: Connection, statement: Executable, names: tuple[str, ...], columns: Integers) -> None:
    """Run a statement over rows of integers, shape (len(names), n), one row of `columns` for each name."""
    if len(columns) != len(names):
        raise ValueError(f"there are {len(names)} names for {len(columns)} columns")
    if not columns.size:
        return
    if connection.dialect.name == "sqlite":
        # Drivers take Python's integers.
        connection.exec_driver_sql(_text(statement, names), list(zip(*columns.tolist(), strict=True)))
    else:
        connection.exec_driver_sql(_array_text(statement, names), dict(zip(names, columns, strict=True)))


@lru_cache(maxsize=256)
def _array_text(statement: Any, names: tuple[str, ...]) -> str:
    compiled = statement.compile(dialect=_DIALECTS["postgresql"]())
    if set(compiled.params) != set(names):
        raise ValueError(f"the statement takes {sorted(compiled.params)}, not {names}")
    return str(compiled)


@lru_cache(maxsize=256)
def _text(statement: Any, names: tuple[str, ...]) -> str:
    compiled = statement.compile(dialect=_DIALECTS["sqlite"](), column_keys=list(names))
    if tuple(compiled.positiontup or ()) != names:
        raise ValueError(f"the statement takes {compiled.positiontup}, not {names}")
    return str(compiled)


def integer_rows(
    connection: Connection, statement: Executable, arrays: dict[str, Integers] | None = None
) -> list[tuple[int, ...]]:
    """All rows of a SELECT of integer columns, as the driver gives them; `arrays` are what `rows_of_arrays` takes.

    Making SQLAlchemy's row objects first, and arrays from those, takes ten times as long, and integers need no
    conversion.
    """
    if arrays is None:
        cursor = connection.execute(statement).cursor
    else:
        cursor = connection.exec_driver_sql(_array_text(statement, tuple(arrays)), arrays).cursor
    assert cursor is not None  # noqa: S101 - a SELECT always has one
    return list(cursor.fetchall())
