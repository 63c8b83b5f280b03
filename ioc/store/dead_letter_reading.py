"""Reading dead letters, and marking what became of them: sent again, published.

Marks stand in the rows themselves: under several writers of PostgreSQL a lower id may become visible after a higher
one, so a cursor over ids would miss letters.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from ioc.store.schema import dead_letter_counts, dead_letters

_AT_ONCE: Final = 500
"""Ids in one statement."""


@dataclass(frozen=True, slots=True)
class LetterRow:
    """All about one dead letter but its bytes; times are UTC ms.

    Without topic, partition and offset the intake refused it. `element` is its place, from 0, in the array that the
    record of the log is; None where that is the message itself. `size` is the length of the whole message (None: not
    known), `kept` how much of it is kept. `replay_begun_at` without `replayed_at`: a replay was broken off, and may
    have reached the log.
    """

    id: int
    feed: str
    source: str
    origin: int
    topic: str | None
    partition: int | None
    offset: int | None
    at: int
    kind: str
    reason: str
    size: int | None
    kept: int
    replay_begun_at: int | None
    replayed_at: int | None
    element: int | None

    @property
    def is_whole(self) -> bool:
        """Whether all of the message is kept."""
        return self.size is not None and self.kept == self.size


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter with what is kept of the message, and its key in the log (None: not known)."""

    row: LetterRow
    key: bytes | None
    body: bytes


@dataclass(frozen=True, slots=True)
class CountRow:
    """The dead letters of one source and kind in one hour; the offsets are of whichever partition."""

    feed: str
    source: str
    kind: str
    hour: int
    count: int
    kept: int
    first_offset: int | None
    last_offset: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are asked for; None leaves a column open."""

    feed: str | None = None
    source: str | None = None
    kind: str | None = None
    since: int | None = None

    def conditions(self, table: Any, time: ColumnElement[int]) -> list[ColumnElement[bool]]:
        stated = {"feed": self.feed, "source": self.source, "kind": self.kind}
        found = [table.c[name] == value for name, value in stated.items() if value is not None]
        return found if self.since is None else [*found, time >= self.since]


_ABOUT: Final = (
    *(dead_letters.c[name] for name in ("id", "feed", "source", "origin", "topic", "partition", "offset", "at")),
    *(dead_letters.c[name] for name in ("kind", "reason", "size")),
    func.coalesce(func.length(dead_letters.c.body), 0).label("kept"),
    dead_letters.c.replay_begun_at,
    dead_letters.c.replayed_at,
    dead_letters.c.element,
)


_COUNTED: Final = tuple(
    dead_letter_counts.c[name]
    for name in ("feed", "source", "kind", "hour", "count", "kept", "first_offset", "last_offset")
)


def newest_letters(connection: Connection, wanted: Wanted, limit: int) -> list[LetterRow]:
    """The newest first."""
    statement = select(*_ABOUT).where(*wanted.conditions(dead_letters, dead_letters.c.at))
    rows = connection.execute(statement.order_by(dead_letters.c.at.desc(), dead_letters.c.id.desc()).limit(limit))
    return [LetterRow(*row) for row in rows]


def waiting_letters(connection: Connection, wanted: Wanted) -> list[int]:
    """The ids of those that were not sent again, in the order in which they came."""
    statement = select(dead_letters.c.id).where(
        dead_letters.c.replayed_at.is_(None), *wanted.conditions(dead_letters, dead_letters.c.at)
    )
    return list(connection.scalars(statement.order_by(dead_letters.c.at, dead_letters.c.id)))


def read_letters(connection: Connection, ids: Sequence[int]) -> dict[int, KeptLetter]:
    """Letters by id, with their bytes; those that do not exist (any more) are left out."""
    statement = select(*_ABOUT, dead_letters.c.key, dead_letters.c.body).where(dead_letters.c.id.in_(ids))
    return {row.id: KeptLetter(LetterRow(*row[:-2]), row[-2], row[-1] or b"") for row in connection.execute(statement)}


def crowded_hours(connection: Connection, wanted: Wanted, limit: int) -> list[CountRow]:
    """The hours of which more letters came than are kept, newest first."""
    table = dead_letter_counts
    statement = select(*_COUNTED).where(table.c["count"] > table.c.kept, *wanted.conditions(table, table.c.hour))
    rows = connection.execute(
        statement.order_by(table.c.hour.desc(), table.c.feed, table.c.source, table.c.kind).limit(limit)
    )
    return [CountRow(*row) for row in rows]


# --- sending again ---------------------------------------------------------------------------------------------


def begin_replay(connection: Connection, ids: Iterable[int], now: int, *, anew: bool = False) -> None:
    """Note that these are about to be sent; the first time stays, unless `anew`."""
    begun = dead_letters.c.replay_begun_at
    _mark(connection, ids, {"replay_begun_at": now if anew else func.coalesce(begun, now)})


def mark_replayed(connection: Connection, ids: Iterable[int], now: int) -> None:
    """Note that these stand in the log again."""
    _mark(connection, ids, {"replayed_at": now})


# --- publishing ------------------------------------------------------------------------------------------------


def unpublished_letters(connection: Connection, feed: str, limit: int) -> list[KeptLetter]:
    """The first letters of a feed that were not published yet, in order of their ids."""
    statement = select(*_ABOUT, dead_letters.c.body).where(
        dead_letters.c.published_at.is_(None), dead_letters.c.feed == feed
    )
    rows = connection.execute(statement.order_by(dead_letters.c.id).limit(limit))
    return [KeptLetter(LetterRow(*row[:-1]), None, row[-1] or b"") for row in rows]


def mark_published(connection: Connection, ids: Iterable[int], now: int) -> None:
    _mark(connection, ids, {"published_at": now})


def unpublished_hours(connection: Connection, feed: str, *, since: int, before: int, limit: int) -> list[CountRow]:
    """The hours from `since` to `before` whose counts were not published yet, or have grown since."""
    table = dead_letter_counts
    statement = select(*_COUNTED).where(
        table.c.feed == feed,
        table.c.hour >= since,
        table.c.hour < before,
        or_(table.c.published.is_(None), table.c.published != table.c["count"]),
    )
    rows = connection.execute(statement.order_by(table.c.hour, table.c.source, table.c.kind).limit(limit))
    return [CountRow(*row) for row in rows]


def mark_hours_published(connection: Connection, hours: Collection[CountRow]) -> None:
    """Note what was published; what was counted meanwhile is published again."""
    table = dead_letter_counts
    # In the order in which letters are counted: two writers never wait for each other.
    for one in sorted(hours, key=lambda hour: (hour.feed, hour.source, hour.kind, hour.hour)):
        this = (table.c[name] == getattr(one, name) for name in ("feed", "source", "kind", "hour"))
        connection.execute(update(table).where(*this).values(published=one.count))


def _mark(connection: Connection, ids: Iterable[int], values: dict[str, Any]) -> None:
    ordered = sorted(ids)
    for at in range(0, len(ordered), _AT_ONCE):
        connection.execute(
            update(dead_letters).where(dead_letters.c.id.in_(ordered[at : at + _AT_ONCE])).values(**values)
        )
