"""Where ingest stands, what it has seen, and what it could not use: positions, gaps, batches, heartbeats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update

from ioc.store.schema import batches, gaps, idempotency, positions, source_counts, sources
from ioc.store.statements import execute_rows, insert_into, larger


@dataclass(frozen=True, slots=True)
class Position:
    """The next offset that ingest wants of a partition; `event_time` is the newest that it has seen there.

    `log` is the identity of the log that the offset is one of; empty: not known yet.
    """

    topic: str
    partition: int
    next_offset: int
    event_time: int
    log: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What one source sent in one minute of arrival.

    `late` of the accepted ones told of the past (a back-fill); `lag` is Σ (arrival − event time) of the others, in ms.
    """

    source: str
    feed: str
    origin: int
    minute: int
    accepted: int
    rejected: int
    duplicate: int
    lag: int
    last_message_at: int
    last_event_at: int
    late: int = 0


BatchKey = tuple[str, str, str, int]
"""(source, batch id, topic, partition)."""


def load_positions(
    connection: Connection, topic: str, partitions: Sequence[int], now: int, log: str = ""
) -> list[Position]:
    """The stored position of each partition; a partition that was never read begins at 0 of that log."""
    statement = insert_into(positions, connection.dialect.name).on_conflict_do_nothing()
    names = ("topic", "partition", "next_offset", "event_time", "updated_at", "log")
    execute_rows(connection, statement, names, [(topic, number, 0, 0, now, log) for number in partitions])
    rows = connection.execute(
        select(positions).where(positions.c.topic == topic).order_by(positions.c.partition)
    ).mappings()
    return [
        Position(topic, row["partition"], row["next_offset"], row["event_time"], row["log"])
        for row in rows
        if row["partition"] in partitions
    ]


def advance_position(connection: Connection, old: Position, next_offset: int, event_time: int, now: int) -> bool:
    """Move a partition's stored position; False if it no longer stands at `old`.

    False means that another program has applied these records: the caller must throw its batch away.
    """
    newest = larger(connection.dialect.name, positions.c.event_time, bindparam("newest", event_time))
    values = {"next_offset": next_offset, "event_time": newest, "updated_at": now}
    return _changed_if_at(connection, old, values)


def set_position(connection: Connection, old: Position, new: Position, now: int) -> bool:
    """Go on elsewhere, or in another log; False if the stored position no longer stands at `old`."""
    return _changed_if_at(connection, old, {"next_offset": new.next_offset, "log": new.log, "updated_at": now})


def _changed_if_at(connection: Connection, old: Position, values: dict[str, Any]) -> bool:
    changed = connection.execute(
        update(positions)
        .where(
            positions.c.topic == old.topic,
            positions.c.partition == old.partition,
            positions.c.next_offset == old.next_offset,
            positions.c.log == old.log,
        )
        .values(values)
    )
    return changed.rowcount == 1


def record_gap(connection: Connection, position: Position, to_offset: int, now: int) -> None:
    """Note that the offsets from the stored position to `to_offset` are lost."""
    connection.execute(
        insert(gaps).values(
            topic=position.topic,
            partition=position.partition,
            from_offset=position.next_offset,
            to_offset=to_offset,
            noticed_at=now,
        )
    )


def last_indexes(connection: Connection, keys: Iterable[BatchKey]) -> dict[BatchKey, int]:
    """The last index that was applied, of those batches that are known."""
    wanted = sorted(set(keys))
    known: dict[BatchKey, int] = {}
    for at in range(0, len(wanted), 200):
        rows = connection.execute(
            select(batches).where(
                tuple_(batches.c.source, batches.c.batch, batches.c.topic, batches.c.partition).in_(
                    wanted[at : at + 200]
                )
            )
        ).mappings()
        for row in rows:
            known[row["source"], row["batch"], row["topic"], row["partition"]] = row["last_index"]
    return known


@lru_cache
def _remembering(dialect: str) -> Any:
    statement = insert_into(batches, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(batches.primary_key),
        set_={
            "last_index": larger(dialect, batches.c.last_index, new.last_index),
            "seen_at": larger(dialect, batches.c.seen_at, new.seen_at),
        },
    )


def remember_indexes(connection: Connection, indexes: dict[BatchKey, int], now: int) -> None:
    names = ("source", "batch", "topic", "partition", "last_index", "seen_at")
    rows = [(*key, index, now) for key, index in sorted(indexes.items())]
    execute_rows(connection, _remembering(connection.dialect.name), names, rows)


def forget_batches(connection: Connection, topic: str, partition: int, before: int) -> int:
    """Drop the batches of a partition that were last heard of before that; how many."""
    old = (batches.c.topic == topic, batches.c.partition == partition, batches.c.seen_at < before)
    return connection.execute(delete(batches).where(*old)).rowcount


@lru_cache
def _beating(dialect: str) -> Any:
    statement = insert_into(sources, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(sources.primary_key),
        set_={name: larger(dialect, sources.c[name], new[name]) for name in ("last_message_at", "last_event_at")},
    )


@lru_cache
def _counting(dialect: str) -> Any:
    statement = insert_into(source_counts, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(source_counts.primary_key),
        set_={name: source_counts.c[name] + new[name] for name in ("accepted", "rejected", "duplicate", "lag", "late")},
    )


def add_heartbeats(connection: Connection, heartbeats: Iterable[Heartbeat]) -> None:
    """Count what sources sent, and when they were last heard."""
    beats = sorted(heartbeats, key=lambda beat: (beat.source, beat.feed, beat.origin, beat.minute))
    dialect = connection.dialect.name
    execute_rows(
        connection,
        _beating(dialect),
        ("source", "feed", "origin", "last_message_at", "last_event_at"),
        [(b.source, b.feed, b.origin, b.last_message_at, b.last_event_at) for b in beats],
    )
    execute_rows(
        connection,
        _counting(dialect),
        ("source", "feed", "origin", "minute", "accepted", "rejected", "duplicate", "lag", "late"),
        [(b.source, b.feed, b.origin, b.minute, b.accepted, b.rejected, b.duplicate, b.lag, b.late) for b in beats],
    )


def forget_counts(connection: Connection, before: int) -> int:
    return connection.execute(delete(source_counts).where(source_counts.c.minute < before)).rowcount


def forget_requests(connection: Connection, before: int) -> int:
    return connection.execute(delete(idempotency).where(idempotency.c.seen_at < before)).rowcount
