"""Dropping what is no longer kept: whole rows by age, never before what stands above was made from them."""

from dataclasses import dataclass

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Broker
from ioc.model.windows import DAY, LEVELS, MINUTE, Keeping
from ioc.store import dead_letters, rolling, streams, writing
from ioc.store.engine import Store

ROWS_AT_ONCE = 50_000
COUNTS_KEPT = 8 * DAY
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
    """Drop one portion of everything that has outlived its keeping time; rows dropped by what they were."""
    dropped: dict[str, int] = {}
    for level in LEVELS[:-1]:
        with store.writing() as connection:
            start = rules.windows.first_kept(level, now, rules.day_offset)
            if start > rolling.load_kept_from(connection)[level.number]:
                rolling.move_kept_from(connection, level, start)
        with store.writing() as connection:
            dropped[f"windows_{level.id}"] = rolling.forget_windows(connection, level, ROWS_AT_ONCE)
    with store.writing() as connection:
        dropped["changes"] = writing.forget_changes(connection, now - CHANGES_KEPT)
        dropped["batches"] = streams.forget_batches(connection, now - rules.batches)
        dropped["requests"] = streams.forget_requests(connection, now - rules.batches)
        dropped["dead_letters"] = dead_letters.forget_dead_letters(connection, now - rules.dead_letters)
        dropped["source_counts"] = streams.forget_counts(connection, now - COUNTS_KEPT)
    if isinstance(broker, EmbeddedBroker):  # Kafka drops its own log by time
        dropped["log"] = broker.forget_before(now - rules.log)
    return {what: count for what, count in dropped.items() if count}
