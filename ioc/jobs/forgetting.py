"""Dropping what is no longer kept: whole rows by age, never before what stands above was made from them."""

from collections.abc import Mapping
from dataclasses import dataclass

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Broker, Partition
from ioc.feeds import FEEDS
from ioc.model.windows import DAY, LEVELS, MINUTE, Keeping, Level
from ioc.store import days, dead_letters, rolling, senders, streams, writing
from ioc.store.engine import Store
from ioc.store.source_reading import read_positions

OWNERS_AT_ONCE = 100
"""(series, place, origin) whose windows one transaction drops: others wait for it."""

COUNTS_KEPT = 8 * DAY
LETTER_COUNTS_KEPT = 366 * DAY
"""By source, kind and hour: a year tells whether a source has become better."""

CHANGES_KEPT = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class KeepingRules:
    """Keeping times in milliseconds; windows by their level."""

    windows: Keeping
    batches: int
    dead_letters: int
    log: int
    day_offset: int


def forget(store: Store, broker: Broker, rules: KeepingRules, now: int) -> dict[str, int]:
    """Drop what has outlived its keeping time; rows (or days) by what they were. Of the log a portion at a time."""
    dropped: dict[str, int] = {}
    for level in LEVELS[:-1]:
        moved = _moved(store, level, rules.windows.first_kept(level, now, rules.day_offset))
        if level.daily and store.dialect == "postgresql":
            dropped[f"days_{level.id}"] = _forget_days(store, level)
        elif moved:
            dropped[f"windows_{level.id}"] = _forget_windows(store, level)
    with store.writing() as connection:
        dropped["changes"] = writing.forget_changes(connection, now - CHANGES_KEPT)
        dropped["requests"] = streams.forget_requests(connection, now - rules.batches)
        dropped["dead_letters"] = dead_letters.forget_dead_letters(connection, now - rules.dead_letters)
        dropped["source_counts"] = streams.forget_counts(connection, now - COUNTS_KEPT)
        dropped["dead_letter_counts"] = dead_letters.forget_counts(connection, now - LETTER_COUNTS_KEPT)
        dropped["sources"] = senders.forget_silent(connection, now - COUNTS_KEPT)
    # Last, what the broker is asked for: while it is away, the bytes of dead letters must go all the same.
    applied = _applied(store, broker)
    dropped["batches"] = _forget_batches(store, broker, applied, now, rules.batches)
    if isinstance(broker, EmbeddedBroker):  # Kafka drops its own log by time
        by_topic = {feed.dead_letter_topic: now - rules.dead_letters for feed in FEEDS.values()}
        dropped["log"] = broker.forget_before(now - rules.log, by_topic=by_topic, applied=applied)
    return {what: count for what, count in dropped.items() if count}


def _forget_batches(store: Store, broker: Broker, applied: Mapping[Partition, int], now: int, horizon: int) -> int:
    """Drop the batches that nothing can repeat any more: what waits in the log counts by the time of its append.

    By the clock alone, ingest that stood still for longer than the horizon would find a batch twice in the log and
    know nothing of the first.
    """
    waiting_since = {}
    for partition, position in applied.items():
        waiting = broker.read(partition, position, 1)
        waiting_since[partition] = min(now, waiting[0].time) if waiting else now
    with store.writing() as connection:
        return sum(
            streams.forget_batches(connection, partition.topic, partition.number, since - horizon)
            for partition, since in waiting_since.items()
        )


def _applied(store: Store, broker: Broker) -> dict[Partition, int]:
    """Where ingest stands: what it has not applied yet stays in the log, however long it had to wait."""
    waiting = {partition: 0 for feed in FEEDS.values() for partition in broker.partitions(feed.topic)}
    with store.reading() as connection:
        rows = read_positions(connection)
    return waiting | {Partition(row.topic, row.partition): row.next_offset for row in rows}


def _moved(store: Store, level: Level, start: int) -> bool:
    """Whether the level is kept from a later time on now than before."""
    with store.writing() as connection:
        return start > rolling.load_kept_from(connection)[level.number] and rolling.move_kept_from(
            connection, level, start
        )


def _forget_days(store: Store, level: Level) -> int:
    """Drop the days that the level no longer keeps, also those that an earlier run could not drop."""
    with store.writing() as connection:
        return days.drop_days(connection, level, rolling.load_kept_from(connection)[level.number])


def _forget_windows(store: Store, level: Level) -> int:
    with store.reading() as connection:
        owners = rolling.window_owners(connection, level)
    dropped = 0
    for at in range(0, len(owners), OWNERS_AT_ONCE):
        with store.writing() as connection:
            dropped += rolling.forget_windows(connection, level, owners[at : at + OWNERS_AT_ONCE])
    return dropped
