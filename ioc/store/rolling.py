"""Reading windows for roll-ups, and dropping what is no longer kept."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    FromClause,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    and_,
    delete,
    insert,
    literal_column,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from ioc.model.columns import COLUMNS, Integers, table_of
from ioc.model.windows import LEVELS, Level
from ioc.store.packing import unpack_keys
from ioc.store.schema import kept_from, latest, marks, turns, windows
from ioc.store.statements import execute_integers, execute_rows, insert_into, integer_rows, rows_of_arrays

_CHUNK: Final = 500
_OWNER: Final = ("series", "place", "origin")
_KEY: Final = COLUMNS[:4]
_ROLL_UP: Final = "roll-up"

# SQLite: keys to look for, joined instead of sent one by one. It lives as long as the connection.
_wanted: Final = Table(
    "wanted",
    MetaData(),
    Column("series", SmallInteger),
    Column("place", Integer),
    Column("origin", SmallInteger),
    Column("start", BigInteger),
    prefixes=["TEMPORARY"],
)


def windows_below(connection: Connection, level: Level, keys: Integers) -> Integers:
    """All windows of the next finer level inside the buckets `keys` (n, 4) of `level`, as a table."""
    if connection.dialect.name == "sqlite":
        _wanted.create(connection, checkfirst=True)
        connection.execute(delete(_wanted))
        execute_integers(connection, insert(_wanted), _KEY, keys.T)
        return table_of(integer_rows(connection, _below(level.number, _wanted)))
    statement = _below_each(level.number, rows_of_arrays(_KEY))
    return table_of(integer_rows(connection, statement, dict(zip(_KEY, keys.T, strict=True))))


def _inside(level: int, wanted: FromClause) -> list[ColumnElement[bool]]:
    """The windows below that lie in the wanted buckets of `level`."""
    finer = windows[level - 1].c
    same_owner = [finer[name] == wanted.c[name] for name in _OWNER]
    width: ColumnElement[int] = literal_column(str(LEVELS[level].width))
    return [*same_owner, finer.start >= wanted.c.start, finer.start < wanted.c.start + width]


def _below(level: int, wanted: FromClause) -> Any:
    finer = windows[level - 1]
    columns = (finer.c[name] for name in COLUMNS)
    return select(*columns).select_from(wanted).join(finer, and_(*_inside(level, wanted)))


def _below_each(level: int, wanted: FromClause) -> Any:
    """The same, looked up key by key. Of a plain join PostgreSQL thinks that reading every partition costs less."""
    columns = (windows[level - 1].c[name] for name in COLUMNS)
    fence: ColumnElement[int] = literal_column("0")  # an OFFSET keeps it from being made into a plain join again
    of_one = select(*columns).where(*_inside(level, wanted)).offset(fence).lateral("found")
    return select(*(of_one.c[name] for name in COLUMNS)).select_from(wanted).join(of_one, true())


def windows_between(
    connection: Connection, level: Level, series: int, origin: int, places: Sequence[int], start: int, end: int
) -> Integers:
    """The windows of one series and origin at these places that begin in [start, end), as a table."""
    table = windows[level.number]
    found: list[Any] = []
    for at in range(0, len(places), _CHUNK):
        found += integer_rows(
            connection,
            select(*(table.c[name] for name in COLUMNS)).where(
                table.c.series == series,
                table.c.place.in_(places[at : at + _CHUNK]),
                table.c.origin == origin,
                table.c.start >= start,
                table.c.start < end,
            ),
        )
    return table_of(found)


def read_turn(connection: Connection) -> int:
    """How often roll-ups have been written: what `take_turn` must find unchanged."""
    return connection.execute(select(turns.c.n).where(turns.c.job == _ROLL_UP)).scalar() or 0


def take_turn(connection: Connection, seen: int) -> bool:
    """Begin to write what was computed at that turn; False if somebody has written roll-ups since."""
    statement = insert_into(turns, connection.dialect.name).values(job=_ROLL_UP, n=seen + 1)
    statement = statement.on_conflict_do_update(
        index_elements=[turns.c.job], set_={"n": seen + 1}, where=turns.c.n == seen
    )
    return connection.execute(statement.returning(turns.c.n)).first() is not None


def load_kept_from(connection: Connection) -> tuple[int, ...]:
    """From when each level but the coarsest is kept, from fine to coarse; empty where everything still is."""
    return tuple(connection.execute(select(kept_from.c.start).order_by(kept_from.c.level)).scalars())


def hold_kept_from(connection: Connection) -> tuple[int, ...]:
    """As `load_kept_from`, and it does not move until this transaction, which writes, is over."""
    rows = connection.execute(select(kept_from.c.start).order_by(kept_from.c.level).with_for_update(read=True))
    return tuple(rows.scalars())


def begin_keeping(connection: Connection, starts: Sequence[int]) -> None:
    """Set from when each level of a new store is kept; a store that has it keeps its own."""
    statement = insert_into(kept_from, connection.dialect.name).on_conflict_do_nothing()
    execute_rows(connection, statement, ("level", "start"), list(enumerate(starts)))


def move_kept_from(connection: Connection, level: Level, start: int) -> bool:
    """Keep a level only from `start` on; False while its rows before that, or what is made of them, are still awaited.

    What comes later for an older time is added to the level above, which is then never made anew from here. False
    too while a finer level keeps older times: what comes for those must still pass through this level. Marks of
    newer buckets do not matter: where data flows, some always wait.
    """
    # Locked, because a batch that is under way may still add below it.
    starts = connection.execute(select(kept_from.c.start).order_by(kept_from.c.level).with_for_update()).scalars().all()
    if level.number and starts[level.number - 1] < start:
        return False
    waiting = select(marks.c["keys"]).where(marks.c.level <= level.number + 1)
    if any((unpack_keys(packed)[:, 3] < start).any() for packed in connection.execute(waiting).scalars()):
        return False
    connection.execute(update(kept_from).where(kept_from.c.level == level.number).values(start=start))
    return True


def window_owners(connection: Connection, level: Level) -> list[tuple[int, int, int]]:
    """The (series, place, origin) that have windows of a level: one step of the primary key for each."""
    table = windows[level.number]
    key = tuple_(*(table.c[name] for name in _OWNER))
    following = select(*(table.c[name] for name in _OWNER)).order_by(*(table.c[name] for name in _OWNER)).limit(1)
    found: list[tuple[int, int, int]] = []
    last = (-1, -1, -1)
    while row := connection.execute(following.where(key > last)).first():
        last = (row[0], row[1], row[2])
        found.append(last)
    return found


def forget_windows(connection: Connection, level: Level, owners: Sequence[tuple[int, int, int]]) -> int:
    """SQLite: drop the windows of these (series, place, origin) that their level no longer keeps; how many."""
    before = load_kept_from(connection)[level.number]
    table = windows[level.number]
    dropped = 0
    for owner in owners:
        own = (table.c[name] == value for name, value in zip(_OWNER, owner, strict=True))
        dropped += connection.execute(delete(table).where(*own, table.c.start < before)).rowcount
    return dropped


def latest_rows(connection: Connection, series: int) -> Integers:
    """Rows (series, place, origin, at, as_of, value) of the newest values of one series, shape (n, 6)."""
    rows = integer_rows(connection, select(latest).where(latest.c.series == series))
    return np.array(rows, np.int64).reshape(-1, 6)
