"""`python -m ioc jobs`: roll-ups, stocks, newest values above assets, forgetting and the ballast file."""

from datetime import UTC, datetime

from ioc import logs
from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.feeds import FEEDS, SERIES
from ioc.jobs.forgetting import KeepingRules, forget
from ioc.jobs.newest import keep_newest_above
from ioc.jobs.rollups import RollupRules, roll_up
from ioc.jobs.schedule import Job, run_jobs
from ioc.jobs.stocks import StockRules, StockWatch
from ioc.model.access import system_principal
from ioc.model.columns import Integers
from ioc.model.known_places import KnownPlaces
from ioc.model.territory import Territory
from ioc.model.windows import DAY, HOUR, SECOND
from ioc.operations import access
from ioc.operations.disk import Disk
from ioc.processes.clock import milliseconds_now
from ioc.processes.keeping import keeping
from ioc.processes.stopping import stop_on_signals
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.engine import Store
from ioc.store.registry import Registry, load_registry
from ioc.store.territory import load_territory, local_offset

log = logs.get_logger("ioc.jobs")

NEWEST_EVERY_S = 0.5  # what screens wait for at most, besides ingest's own linger
STOCKS_EVERY_S = 2.0
FORGET_EVERY_S = 300.0
BALLAST_EVERY_S = 1.0


def main(settings: Settings) -> int:
    stop = stop_on_signals()
    store = Store.open(settings.store)
    migrations.require_current(store)
    broker = open_broker(settings)
    try:
        run_jobs(jobs_of(settings, store, broker), stop)
    finally:
        broker.close()
        store.close()
    return 0


def jobs_of(settings: Settings, store: Store, broker: Broker) -> list[Job]:
    """What runs, and how often."""
    now = milliseconds_now()
    with store.reading() as connection:
        registry, territory = load_registry(connection), load_territory(connection)
        registry.require_series(SERIES)
        day_offset = local_offset(connection, now)
    ancestry = KnownPlaces.of(territory, registry.places, day_offset).ancestry
    rules = RollupRules({registry.series[one.id]: one for one in SERIES.values()}, ancestry, day_offset)
    watches = [
        StockWatch(store, stock, rules)
        for stock in (_stock_rules(feed.id, registry, territory) for feed in FEEDS.values())
        if stock is not None
    ]

    def _days_changed(keys: Integers) -> None:
        for watch in watches:
            watch.count_days(keys, milliseconds_now())

    def _roll_up() -> None:
        roll_up(store, rules, _days_changed)

    def _newest() -> None:
        keep_newest_above(store, rules, milliseconds_now())

    def _stocks() -> None:
        for watch in watches:
            watch.count(milliseconds_now())

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

    def _forget() -> None:
        dropped = forget(store, broker, kept, milliseconds_now())
        if ended := access.forget_ended(system_principal("jobs"), store, settings, datetime.now(UTC)):
            dropped["sessions"] = ended
        if dropped:
            log.info("forgotten", **dropped)

    return [
        Job("roll-up", settings.rollup_every, _roll_up),
        Job("newest", NEWEST_EVERY_S, _newest),
        Job("stocks", STOCKS_EVERY_S, _stocks),
        Job("forget", FORGET_EVERY_S, _forget),
        Job("ballast", BALLAST_EVERY_S, _ballast),
    ]


def _stock_rules(feed_id: str, registry: Registry, territory: Territory) -> StockRules | None:
    feed = FEEDS[feed_id]
    offices = [registry.places[asset.id] for asset in territory.assets if asset.kind == feed.asset_kind]
    return StockRules.of(feed, registry.series, offices)
