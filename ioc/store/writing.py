"""Writing windows, newest values, marks and changes: what ingest and the roll-ups do to the store.

Rows come in one global key order (the fold gives it), because writers that meet in different orders block each
other on PostgreSQL.
"""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, literal_column, select

from ioc.model.columns import COLUMNS, COUNT, KEY, START, Integers, unique_rows
from ioc.model.windows import Level
from ioc.store.days import make_days
from ioc.store.packing import pack_keys, pack_triples
from ioc.store.schema import changes, latest, marks, windows, writers
from ioc.store.statements import (
    execute_integers,
    execute_rows,
    insert_integers,
    insert_into,
    is_newer,
    larger,
    newer_of,
    smaller,
)

KEYS_PER_MARK: Final = 4_000
"""One mark is the smallest piece of work of a roll-up: about 0.1 s of a write lock."""

_KEY_NAMES: Final = COLUMNS[:4]
_LATEST_NAMES: Final = ("series", "place", "origin", "at", "as_of", "value")


@lru_cache
def _adding(level: int, dialect: str) -> Any:
    table = windows[level]
    statement = insert_integers(table, COLUMNS, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={
            **{name: table.c[name] + new[name] for name in ("count", "weight", "sum")},
            "min": smaller(dialect, table.c["min"], new["min"]),
            "max": larger(dialect, table.c["max"], new["max"]),
            "last": newer_of(new, table, "last_at", "last"),
            "last_at": larger(dialect, table.c.last_at, new.last_at),
        },
    )


@lru_cache
def _replacing(level: int, dialect: str) -> Any:
    table = windows[level]
    statement = insert_integers(table, COLUMNS, dialect)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: statement.excluded[name] for name in COLUMNS[4:]},
    )


@lru_cache
def _emptied(level: int) -> Any:
    table = windows[level]
    is_empty = table.c["count"] == literal_column("0")  # not a parameter: rows give only the key
    return delete(table).where(is_empty, *(table.c[name] == bindparam(name) for name in _KEY_NAMES))


@lru_cache
def _removing(level: int) -> Any:
    table = windows[level]
    return delete(table).where(*(table.c[name] == bindparam(name) for name in _KEY_NAMES))


@lru_cache
def _newest(dialect: str) -> Any:
    statement = insert_integers(latest, _LATEST_NAMES, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(latest.primary_key),
        set_={
            "value": newer_of(new, latest, "at", "value"),
            "at": larger(dialect, latest.c.at, new.at),
            "as_of": larger(dialect, latest.c.as_of, new.as_of),
        },
        where=is_newer(new, latest, "at", "value") | (new.as_of > latest.c.as_of),
    )


@lru_cache
def _stated(dialect: str) -> Any:
    statement = insert_integers(latest, _LATEST_NAMES, dialect)
    return statement.on_conflict_do_update(
        index_elements=list(latest.primary_key),
        set_={name: statement.excluded[name] for name in _LATEST_NAMES[3:]},
    )


def add_windows(connection: Connection, level: Level, table: Integers) -> None:
    """Add a folded table to the windows of a level. Rows whose count comes back to zero are taken away."""
    dialect = connection.dialect.name
    make_days(connection, level, table[START])
    execute_integers(connection, _adding(level.number, dialect), COLUMNS, table)
    # Few rows, one by one: PostgreSQL could take a join with many keys for a reason to read the whole table.
    taken_back = table[KEY, table[COUNT] <= 0].T.tolist()
    execute_rows(connection, _emptied(level.number), _KEY_NAMES, (tuple(key) for key in taken_back))


def replace_windows(connection: Connection, level: Level, table: Integers) -> None:
    """Put a folded table in place of what these windows held."""
    make_days(connection, level, table[START])
    execute_integers(connection, _replacing(level.number, connection.dialect.name), COLUMNS, table)


def remove_windows(connection: Connection, level: Level, keys: Integers) -> None:
    """Take away the windows of these keys, shape (n, 4)."""
    execute_rows(connection, _removing(level.number), _KEY_NAMES, (tuple(key) for key in keys.tolist()))


def upsert_latest(connection: Connection, rows: Integers) -> None:
    """Rows (series, place, origin, at, as_of, value): the newest by time, then value, stands."""
    execute_integers(connection, _newest(connection.dialect.name), _LATEST_NAMES, rows.T)


def replace_latest(connection: Connection, rows: Integers) -> None:
    """Rows (series, place, origin, at, as_of, value) in place of what was known, newer or not."""
    execute_integers(connection, _stated(connection.dialect.name), _LATEST_NAMES, rows.T)


def append_marks(connection: Connection, level: Level, keys: Integers) -> None:
    """Say that these buckets (series, place, origin, start) of `level` must be made anew from the level below."""
    distinct = unique_rows(keys)
    pieces = [distinct[at : at + KEYS_PER_MARK] for at in range(0, len(distinct), KEYS_PER_MARK)]
    if pieces:
        connection.execute(insert(marks), [{"level": level.number, "keys": pack_keys(piece)} for piece in pieces])


def append_change(connection: Connection, writer: str, now: int, touched: Integers) -> None:
    """Tell readers what this transaction changed: (series, place, origin) rows.

    The number comes from the writer's own row in the same transaction, so a reader that saw n of a writer has
    seen all before n, whatever order other writers commit in.
    """
    if not len(touched):
        return
    statement = insert_into(writers, connection.dialect.name).values(writer=writer, n=1)
    statement = statement.on_conflict_do_update(
        index_elements=[writers.c.writer], set_={"n": writers.c.n + 1}
    ).returning(writers.c.n)
    n = connection.execute(statement).scalar_one()
    connection.execute(insert(changes).values(writer=writer, n=n, at=now, touched=pack_triples(unique_rows(touched))))


def forget_changes(connection: Connection, before: int) -> int:
    """Drop change rows older than `before`; a reader that is farther behind takes a snapshot."""
    return connection.execute(delete(changes).where(changes.c.at < before)).rowcount


def read_marks(connection: Connection, level: Level, limit: int) -> list[tuple[int, bytes]]:
    """The oldest marks of a level: (id, packed keys)."""
    rows = connection.execute(
        select(marks.c.id, marks.c["keys"]).where(marks.c.level == level.number).order_by(marks.c.id).limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def delete_marks(connection: Connection, ids: list[int]) -> None:
    """Drop exactly these marks: what was marked anew meanwhile has other ids and stays."""
    execute_rows(connection, delete(marks).where(marks.c.id == bindparam("mark")), ("mark",), [(one,) for one in ids])
