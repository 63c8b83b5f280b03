"""`python -m ioc jobs`: roll-ups, stocks, newest values above assets, forgetting, the audit's head, the ballast file.

A change of the territory is taken in without a restart.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from ioc import logs
from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.feeds import FEEDS, SERIES
from ioc.jobs import audit
from ioc.jobs.dead_letters import publish_dead_letters
from ioc.jobs.forgetting import KeepingRules, forget
from ioc.jobs.newest import keep_newest_above
from ioc.jobs.rollups import RollupRules, roll_up
from ioc.jobs.schedule import Job, run_jobs
from ioc.jobs.stocks import StockRules, StockWatch
from ioc.model.access import system_principal
from ioc.model.columns import Integers
from ioc.model.windows import DAY, HOUR, SECOND
from ioc.operations import access
from ioc.operations.disk import Disk
from ioc.processes.clock import milliseconds_now
from ioc.processes.keeping import keeping
from ioc.processes.loaded import KeptCurrent, Loaded
from ioc.processes.opening import wait_for_store
from ioc.processes.stopping import stop_on_signals
from ioc.settings import Settings
from ioc.store.engine import Store

log = logs.get_logger("ioc.jobs")

NEWEST_EVERY_S = 0.5  # what screens wait for at most, besides ingest's own linger
STOCKS_EVERY_S = 2.0
DEAD_LETTERS_EVERY_S = 5.0
FORGET_EVERY_S = 300.0
BALLAST_EVERY_S = 1.0
AUDIT_EVERY_S = 600.0
"""To see whether the head of this day was exported, and what of the audit is old enough to go."""


def main(settings: Settings) -> int:
    stop = stop_on_signals()
    store = Store.open(settings.store)
    try:
        if wait_for_store(store, stop):
            with closing(open_broker(settings)) as broker:
                run_jobs(jobs_of(settings, store, broker, milliseconds_now), stop)
    finally:
        store.close()
    return 0


@dataclass(frozen=True, slots=True)
class _Work:
    """What the jobs work by, made of the territory."""

    rules: RollupRules
    watches: tuple[StockWatch, ...]


def _work_of(store: Store, loaded: Loaded, _now: int) -> _Work:
    numbers, places = loaded.registry.series, loaded.places
    rules = RollupRules({numbers[one.id]: one for one in SERIES.values()}, places.ancestry, places.day_offset)
    stocks = (_stock_rules(feed, loaded) for feed in FEEDS)
    return _Work(rules, tuple(StockWatch(store, stock, rules) for stock in stocks if stock is not None))


def _stock_rules(feed_id: str, loaded: Loaded) -> StockRules | None:
    feed = FEEDS[feed_id]
    kinds = loaded.places.ids.kinds
    offices = [number for asset, number in loaded.places.assets.items() if kinds[asset] == feed.asset_kind]
    return StockRules.of(feed, loaded.registry.series, offices)


def jobs_of(settings: Settings, store: Store, broker: Broker, clock: Callable[[], int]) -> list[Job]:
    """What runs, and how often; `clock` tells UTC milliseconds. StoreError where the store cannot be worked by."""
    current = KeptCurrent(store, partial(_work_of, store))
    day_offset = current.at(clock()).rules.day_offset

    def _roll_up() -> None:
        work = current.at(clock())

        def _days_changed(keys: Integers) -> None:
            for watch in work.watches:
                watch.count_days(keys, clock())

        roll_up(store, work.rules, _days_changed)

    def _newest() -> None:
        now = clock()
        keep_newest_above(store, current.at(now).rules, now)

    def _stocks() -> None:
        now = clock()
        for watch in current.at(now).watches:
            watch.count(now)

    kept = KeepingRules(
        keeping(settings),
        settings.idempotency_horizon * SECOND,
        settings.dead_letter_keep * DAY,
        settings.keep_log * HOUR,
        day_offset,
    )

    disk = Disk(settings, store, broker)

    def _ballast() -> None:
        disk.keep_ballast()

    def _dead_letters() -> None:
        publish_dead_letters(store, broker, kept.dead_letters, clock())

    def _forget() -> None:
        dropped = forget(store, broker, kept, clock())
        if ended := access.forget_ended(system_principal("jobs"), store, settings, datetime.now(UTC)):
            dropped["sessions"] = ended
        if dropped:
            log.info("forgotten", **dropped)

    def _audit() -> None:
        now = datetime.fromtimestamp(clock() / 1000, UTC)
        audit.export_daily(store, settings.data, now)
        if count := audit.forget_old(store, settings, now):
            log.info("forgotten", audit_entries=count)

    return [
        Job("roll-up", settings.rollup_every, _roll_up),
        Job("newest", NEWEST_EVERY_S, _newest),
        Job("stocks", STOCKS_EVERY_S, _stocks),
        Job("dead-letters", DEAD_LETTERS_EVERY_S, _dead_letters),
        Job("forget", FORGET_EVERY_S, _forget),
        Job("ballast", BALLAST_EVERY_S, _ballast),
        Job("audit", AUDIT_EVERY_S, _audit),
    ]
