"""The daily partitions of the finest windows on PostgreSQL: made when a day is first written, dropped as one.

Dropping a day's table takes no longer however much it holds, and leaves nothing to be vacuumed; deleting its rows
would cost as much as writing them did. SQLite has no partitions and deletes.
"""

from datetime import date, timedelta
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Connection, Engine, text

from ioc.model.columns import Integers
from ioc.model.windows import DAY, Level
from ioc.store.schema import windows

_FIRST: Final = date(1970, 1, 1)

_LOCK: Final = 0x10C_DA75
"""Of the advisory lock under which partitions are made."""

_known: Final[WeakKeyDictionary[Engine, set[tuple[int, int]]]] = WeakKeyDictionary()
"""The partitions (level, day) that this process has seen. One that is dropped is not written to any more."""


def make_days(connection: Connection, level: Level, starts: Integers) -> None:
    """See to it that windows of `level` that begin at these times have a table to go to.

    A new partition is made in a transaction of its own, so that it stays when the caller's fails, and is attached,
    which lets others go on reading and writing meanwhile.
    """
    if connection.dialect.name == "sqlite" or not level.daily or not len(starts):
        return
    known = _known.setdefault(connection.engine, set())
    wanted = {(level.number, day) for day in np.unique(starts // DAY).tolist()} - known
    if wanted:
        with connection.engine.begin() as own:
            own.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            present = set(days_of(own, level))
            for _, day in sorted(wanted):
                if day not in present:
                    _make(own, level, day)
        known |= wanted


def drop_days(connection: Connection, level: Level, before: int) -> int:
    """Drop the tables of all days that end at `before` or earlier; how many days.

    Readers hold it up, and it would hold up those that come after: it gives up soon, to be tried again.
    """
    gone = [_name(level, day) for day in days_of(connection, level) if (day + 1) * DAY <= before]
    if gone:
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        connection.execute(text(f"DROP TABLE {', '.join(gone)}"))
    return len(gone)


def days_of(connection: Connection, level: Level) -> list[int]:
    """The days (UTC, counted from 1970) that have a table of their own, in order."""
    names = connection.execute(
        text("SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = to_regclass(:parent)"),
        {"parent": windows[level.number].name},
    ).scalars()
    return sorted((date.fromisoformat(name.rsplit("_", 1)[1]) - _FIRST).days for name in names)


def _name(level: Level, day: int) -> str:
    return f"{windows[level.number].name}_{_FIRST + timedelta(days=day):%Y%m%d}"


def _make(connection: Connection, level: Level, day: int) -> None:
    parent, name = windows[level.number].name, _name(level, day)
    connection.execute(text(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)"))
    connection.execute(
        text(f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({day * DAY}) TO ({(day + 1) * DAY})")
    )
