"""Reading what was measured: windows, sums over spans, newest observations.

All numbers stay the scaled integers of the store and all times UTC milliseconds; places and series go by their
short numbers. Nothing here decides who may see a row: operations do, before they ask.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, and_, func, select, union_all

from ioc.model.columns import COLUMNS, Integers, table_of
from ioc.model.windows import COARSEST, LEVELS, Level, bucket_start
from ioc.store.schema import latest, positions, windows

# --- spans -----------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """The buckets of `level` that begin in [start, end)."""

    level: Level
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Clock:
    """What decides which level answers for a time: now, how far roll-ups may trail, what is kept, the local day.

    `kept_from` says from when each level but the coarsest is kept, from fine to coarse.
    """

    now: int
    rollup_lag: int
    kept_from: tuple[int, ...]
    day_offset: int

    def settled_until(self, level: Level) -> int:
        """End of the newest bucket of `level` that roll-ups must have reached; later ones are asked of finer levels."""
        if level.number == 0:
            return 1 << 62
        return bucket_start(self.now - self.rollup_lag, level, self.day_offset)

    def level_for(self, at: int) -> Level:
        """The finest level that still keeps `at`."""
        for level, start in zip(LEVELS, self.kept_from, strict=False):
            if at >= start:
                return level
        return LEVELS[0] if not self.kept_from else COARSEST

    def floor(self, at: int) -> int:
        """`at` down to the start of the finest bucket that still exists there."""
        return bucket_start(at, self.level_for(at), self.day_offset)


def pieces_by_step(step: Level, start: int, end: int, clock: Clock) -> list[Piece]:
    """Whole buckets of `step` over [start, end): settled ones from their own level, the open end from finer ones."""
    found: list[Piece] = []
    at = bucket_start(start, step, clock.day_offset)
    for level in reversed(LEVELS[: step.number + 1]):
        until = min(end, clock.settled_until(level))
        if until > at:
            found.append(Piece(level, at, until))
            at = until
    return found


def pieces_of_span(start: int, end: int, clock: Clock) -> list[Piece]:
    """[start, end) in as few buckets as there are: coarse ones inside, finer ones at both edges.

    Both ends are taken down to the finest bucket that is kept there (10 s for recent times).
    """
    return list(_cover(COARSEST, clock.floor(start), clock.floor(end), clock))


def _cover(level: Level, start: int, end: int, clock: Clock) -> Iterator[Piece]:
    if start >= end:
        return
    if level.number == 0:
        yield Piece(level, start, end)
        return
    finer = LEVELS[level.number - 1]
    first = bucket_start(start + level.width - 1, level, clock.day_offset)
    last = min(bucket_start(end, level, clock.day_offset), clock.settled_until(level))
    if first >= last:
        yield from _cover(finer, start, end, clock)
        return
    yield from _cover(finer, start, first, clock)
    yield Piece(level, first, last)
    yield from _cover(finer, last, end, clock)


# --- windows ---------------------------------------------------------------------------------------------------


class Key(NamedTuple):
    """Whose numbers: series, place and origin, as their short numbers."""

    series: int
    place: int
    origin: int


def read_windows(
    connection: Connection,
    pieces: Sequence[Piece],
    series_numbers: Collection[int],
    place_numbers: Collection[int],
    origins: Collection[int],
) -> Integers:
    """The windows of all pieces as one table of columns (`ioc.model.columns`), in no order."""
    if not (pieces and series_numbers and place_numbers and origins):
        return table_of([])
    parts: list[Select[Any]] = []
    for piece in pieces:
        table = windows[piece.level.number]
        columns = select(*(table.c[name] for name in COLUMNS))
        parts.append(_where(columns, table, piece, series_numbers, place_numbers, origins))
    found = connection.execute(union_all(*parts) if len(parts) > 1 else parts[0])
    # Plain tuples: numpy would ask each Row for its buffer first.
    return table_of([tuple(row) for row in found])


@dataclass(frozen=True, slots=True)
class Total:
    """One span of one key in one sum; `last_at` is the newest event time in it."""

    count: int
    weight: int
    sum: int
    min: int
    max: int
    last_at: int


def read_totals(
    connection: Connection,
    pieces: Sequence[Piece],
    series_numbers: Collection[int],
    place_numbers: Collection[int],
    origins: Collection[int],
) -> dict[Key, Total]:
    """All pieces summed for each key. For series that combine by `last`, `read_latest` has the answer."""
    if not (pieces and series_numbers and place_numbers and origins):
        return {}
    parts: list[Select[Any]] = []
    for piece in pieces:
        table = windows[piece.level.number]
        columns = select(
            table.c.series,
            table.c.place,
            table.c.origin,
            func.sum(table.c.count).label("count"),
            func.sum(table.c.weight).label("weight"),
            func.sum(table.c.sum).label("sum"),
            func.min(table.c.min).label("min"),
            func.max(table.c.max).label("max"),
            func.max(table.c.last_at).label("last_at"),
        ).group_by(table.c.series, table.c.place, table.c.origin)
        parts.append(_where(columns, table, piece, series_numbers, place_numbers, origins))
    totals: dict[Key, Total] = {}
    for row in connection.execute(union_all(*parts) if len(parts) > 1 else parts[0]):
        key = Key(row[0], row[1], row[2])
        # PostgreSQL sums BIGINT as NUMERIC
        total = Total(int(row[3]), int(row[4]), int(row[5]), row[6], row[7], row[8])
        totals[key] = _added(totals[key], total) if key in totals else total
    return totals


def _added(one: Total, other: Total) -> Total:
    return Total(
        one.count + other.count,
        one.weight + other.weight,
        one.sum + other.sum,
        min(one.min, other.min),
        max(one.max, other.max),
        max(one.last_at, other.last_at),
    )


def _where(
    statement: Select[Any],
    table: Table,
    piece: Piece,
    series_numbers: Collection[int],
    place_numbers: Collection[int],
    origins: Collection[int],
) -> Select[Any]:
    return statement.where(
        table.c.series.in_(series_numbers),
        table.c.place.in_(place_numbers),
        table.c.origin.in_(origins),
        table.c.start >= piece.start,
        table.c.start < piece.end,
    )


# --- now -------------------------------------------------------------------------------------------------------


class Newest(NamedTuple):
    """The newest observation of a key: its event time, the end of its interval, its value."""

    at: int
    as_of: int
    value: int


def read_latest(
    connection: Connection, series_numbers: Collection[int], place_numbers: Collection[int]
) -> dict[Key, Newest]:
    """The newest observation of each series at each place, of every origin that spoke of it."""
    if not (series_numbers and place_numbers):
        return {}
    found = connection.execute(
        select(latest.c.series, latest.c.place, latest.c.origin, latest.c.at, latest.c.as_of, latest.c.value).where(
            latest.c.series.in_(series_numbers), latest.c.place.in_(place_numbers)
        )
    )
    return {Key(row[0], row[1], row[2]): Newest(row[3], row[4], row[5]) for row in found}


def read_current(
    connection: Connection,
    level: Level,
    series_number: int,
    place_numbers: Collection[int],
    *,
    span: int,
) -> dict[Key, Total]:
    """One series at many places over the `span` that ends at each place's own newest observation.

    `level` must be one that is still kept where these spans begin.
    """
    if not place_numbers:
        return {}
    table = windows[level.number]
    newest = latest.c
    statement = (
        select(
            newest.series,
            newest.place,
            newest.origin,
            func.sum(table.c.count),
            func.sum(table.c.weight),
            func.sum(table.c.sum),
            func.min(table.c.min),
            func.max(table.c.max),
            func.max(table.c.last_at),
        )
        # An outer join, so that SQLite goes from the newest rows to their few windows, and not the other way round.
        .select_from(
            latest.outerjoin(
                table,
                and_(
                    table.c.series == newest.series,
                    table.c.place == newest.place,
                    table.c.origin == newest.origin,
                    table.c.start > newest.as_of - (span + level.width),
                    table.c.start <= newest.at,
                ),
            )
        )
        .where(newest.series == series_number, newest.place.in_(place_numbers))
        .group_by(newest.series, newest.place, newest.origin)
    )
    return {
        Key(row[0], row[1], row[2]): Total(int(row[3]), int(row[4]), int(row[5]), row[6], row[7], row[8])
        for row in connection.execute(statement)
        if row[3] is not None
    }


def count_reporting(
    connection: Connection, series_numbers: Collection[int], place_numbers: Collection[int], *, since: int
) -> dict[tuple[int, int], int]:
    """How many of the places were heard of since then, by (series, origin)."""
    if not (series_numbers and place_numbers):
        return {}
    found = connection.execute(
        select(latest.c.series, latest.c.origin, func.count())
        .where(latest.c.series.in_(series_numbers), latest.c.place.in_(place_numbers), latest.c.as_of >= since)
        .group_by(latest.c.series, latest.c.origin)
    )
    return {(row[0], row[1]): row[2] for row in found}


def read_watermarks(connection: Connection, topics: Collection[str], *, idle_before: int) -> dict[str, int]:
    """How far event time has come in each topic: the least of its partitions that are not idle.

    A partition is idle when nothing moved it since `idle_before`. Where all are idle, nothing more is on its way,
    and the newest event time stands. A topic of which nothing was read has no entry.
    """
    rows = connection.execute(
        select(positions.c.topic, positions.c.event_time, positions.c.updated_at).where(
            positions.c.topic.in_(topics), positions.c.event_time > 0
        )
    ).all()
    marks: dict[str, int] = {}
    for topic in {row[0] for row in rows}:
        of_topic = [row for row in rows if row[0] == topic]
        busy = [row[1] for row in of_topic if row[2] >= idle_before]
        marks[topic] = min(busy) if busy else max(row[1] for row in of_topic)
    return marks
