"""Reading what is known of the sending systems: heartbeats, counts by minute, dead letters. Never contents."""

import zlib
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from ioc.store.schema import changes, dead_letter_counts, gaps, marks, positions, source_counts, sources, writers


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One system, feed and origin: its newest message (arrival, event time) and what came since some minute.

    What told of the past (`late`, among `accepted`) is left out of the last two: `recent` counts the other messages
    of the last few minutes, `lag` is the mean of (arrival − event time), in milliseconds, in the newest of these
    minutes that has any.
    """

    source: str
    feed: str
    origin: int
    last_message_at: int
    last_event_at: int
    accepted: int
    rejected: int
    duplicate: int
    late: int
    recent: int
    lag: float | None


def read_sources(connection: Connection, *, since: int, recent_since: int) -> list[SourceRow]:
    """All sources in the order of their ids, with what they sent in the minutes from `since` on."""
    counted = (
        select(
            source_counts.c.source,
            source_counts.c.feed,
            source_counts.c.origin,
            func.sum(source_counts.c.accepted).label("accepted"),
            func.sum(source_counts.c.rejected).label("rejected"),
            func.sum(source_counts.c.duplicate).label("duplicate"),
            func.sum(source_counts.c.late).label("late"),
        )
        .where(source_counts.c.minute >= since)
        .group_by(source_counts.c.source, source_counts.c.feed, source_counts.c.origin)
        .subquery()
    )
    found = connection.execute(
        select(
            sources.c.source,
            sources.c.feed,
            sources.c.origin,
            sources.c.last_message_at,
            sources.c.last_event_at,
            counted.c.accepted,
            counted.c.rejected,
            counted.c.duplicate,
            counted.c.late,
        )
        .select_from(
            sources.outerjoin(
                counted,
                (counted.c.source == sources.c.source)
                & (counted.c.feed == sources.c.feed)
                & (counted.c.origin == sources.c.origin),
            )
        )
        .order_by(sources.c.source, sources.c.feed, sources.c.origin)
    )
    recent = _recent(connection, recent_since)
    rows = []
    for row in found:
        accepted, rejected, duplicate, late = (int(count or 0) for count in row[5:])
        in_time, lag = recent.get((row.source, row.feed, row.origin), (0, None))
        rows.append(SourceRow(*row[:5], accepted, rejected, duplicate, late, in_time, lag))
    return rows


def _recent(connection: Connection, since: int) -> dict[tuple[str, str, int], tuple[int, float | None]]:
    """Of each (source, feed, origin): messages that told of now in the minutes from `since` on, and their mean lag."""
    table = source_counts
    in_time = table.c.accepted - table.c.late
    rows = connection.execute(
        select(table.c.source, table.c.feed, table.c.origin, in_time, table.c.lag)
        .where(table.c.minute >= since, in_time > 0)
        .order_by(table.c.minute)
    )
    found: dict[tuple[str, str, int], tuple[int, float | None]] = {}
    for source, feed, origin, count, lag in rows:
        before, _ = found.get((source, feed, origin), (0, None))
        found[source, feed, origin] = (before + count, lag / count)
    return found


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    source: str
    feed: str
    kind: str
    count: int


def read_dead_letter_counts(connection: Connection, *, since: int) -> list[DeadLetterCount]:
    """How many messages of each source could not be used, by kind of reason, in the hours from `since` on."""
    table = dead_letter_counts
    found = connection.execute(
        select(table.c.source, table.c.feed, table.c.kind, func.sum(table.c.count))
        .where(table.c.hour >= since)
        .group_by(table.c.source, table.c.feed, table.c.kind)
        .order_by(table.c.source, table.c.feed, table.c.kind)
    )
    return [DeadLetterCount(row[0], row[1], row[2], int(row[3])) for row in found]


class GapRow(NamedTuple):
    """Ingest found its position gone from the log, or the log another one, and read on at `to_offset`."""

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    noticed_at: int


def read_gaps(connection: Connection, *, since: int, limit: int) -> list[GapRow]:
    """The newest gaps that were noticed from `since` on, newest first."""
    table = gaps
    found = connection.execute(
        select(table.c.topic, table.c.partition, table.c.from_offset, table.c.to_offset, table.c.noticed_at)
        .where(table.c.noticed_at >= since)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return [GapRow(*row) for row in found]


# --- what changed ----------------------------------------------------------------------------------------------


def read_writers(connection: Connection) -> dict[str, int]:
    """The newest change of each writer: the vector that a reader starts from."""
    return {row.writer: row.n for row in connection.execute(select(writers.c.writer, writers.c.n))}


def read_changes(connection: Connection, writer: str, *, after: int) -> list[tuple[int, bytes]]:
    """(n, touched) of the writer's changes after `after`, in order."""
    found = connection.execute(
        select(changes.c.n, changes.c.touched)
        .where(changes.c.writer == writer, changes.c.n > after)
        .order_by(changes.c.n)
    )
    return [(n, touched) for n, touched in found]


# --- how the centre itself is doing ----------------------------------------------------------------------------


class PositionRow(NamedTuple):
    topic: str
    partition: int
    next_offset: int
    event_time: int
    updated_at: int


def read_positions(connection: Connection) -> list[PositionRow]:
    """Where ingest stands in each partition."""
    table = positions
    found = connection.execute(
        select(table.c.topic, table.c.partition, table.c.next_offset, table.c.event_time, table.c.updated_at).order_by(
            table.c.topic, table.c.partition
        )
    )
    return [PositionRow(*row) for row in found]


@dataclass(frozen=True, slots=True)
class WaitingMarks:
    """Batches of changed windows that wait for their roll-up: how many, and which is the oldest (None: none waits).

    SQLite gives the number of a row that is gone to another, so the oldest is known by its contents too.
    """

    total: int
    oldest: tuple[int, int, int] | None


def read_waiting_marks(connection: Connection) -> WaitingMarks:
    total = connection.execute(select(func.count()).select_from(marks)).scalar_one()
    row = connection.execute(select(marks.c.id, marks.c.level, marks.c["keys"]).order_by(marks.c.id).limit(1)).first()
    return WaitingMarks(total, None if row is None else (row[0], row[1], zlib.crc32(row[2])))
