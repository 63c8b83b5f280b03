"""A small centre for tests: a territory that is divided anew at one midnight, two real feeds and two feeds of the test.

The same facts stand in `oracle.ABOVE` as a plain table, written by hand, so that neither is made from the other.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from sqlalchemy import update

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Broker
from ioc.feeds import FEEDS
from ioc.feeds.feed import Feed, milliseconds
from ioc.feeds.judging import Limits
from ioc.jobs.rollups import RollupRules
from ioc.jobs.stocks import StockRules, StockWatch
from ioc.model.facts import Fact, Figure, Measurement
from ioc.model.known_places import KnownPlaces
from ioc.model.places import Asset, Centre, Coverage, Level, Membership, Succession, Unit
from ioc.model.series import Combine, Series, Text
from ioc.model.territory import Territory
from ioc.model.windows import HOUR, MINUTE
from ioc.store import migrations
from ioc.store.engine import Store
from ioc.store.registry import Registry, load_registry, register_series
from ioc.store.rolling import begin_keeping
from ioc.store.schema import kept_from as kept
from ioc.store.territory import ProvinceRow, load_territory, save_territory
from ioc.streams.ingest import Ingest, IngestSettings
from tests.databases import copy_database, drop_database, new_database
from tests.streams.own_topics import drop_log, new_log, open_log

REFORM: Final = date(2025, 7, 1)
MIDNIGHT: Final = 1_751_302_800_000
"""The reform in UTC milliseconds: 2025-06-30T17:00:00Z, midnight in Viet Nam."""

DAY_OFFSET: Final = 7 * HOUR
CAP: Final = 3
PARTITIONS: Final = 2
STORE_URL: Final = "store.url"
"""The file of a centre's folder that says where its store is."""

LOG_ADDRESS: Final = "log.address"
"""The same of its log, where that is in a Kafka; else it is embedded, in the folder."""

ALL_KEPT: Final = (0, 0, 0, 0)


def _unit(id_: str, level: str, parent: str | None, since: date | None = None, until: date | None = None) -> Unit:
    return Unit(id_, id_.removeprefix("u-"), id_, level, parent, since, until, 11.0, 106.6, 10.0)


def territory() -> Territory:
    """Before the reform: top → two middle units → low ones. After it the low ones stand directly below the top."""
    everything = (None, None)
    before, after = (None, REFORM), (REFORM, None)
    roads = ("a1", "a2", "a3", "a4", "a5", "a6")
    offices = ("o1", "o2", "o3")
    memberships = [
        ("a1", "u-l1", *before), ("a1", "u-m1", *after),
        ("a2", "u-l2", *before), ("a2", "u-m2", *after),
        ("a3", "u-l3", *before), ("a3", "u-m2", *after),
        ("a4", "u-same", *everything),
        ("a6", "u-same", date(2025, 6, 30), date(2025, 7, 2)),
        ("o1", "u-l1", *before), ("o1", "u-m1", *after),
        ("o2", "u-l3", *before), ("o2", "u-m2", *after),
        ("o3", "u-same", *everything),
    ]  # fmt: skip
    return Territory(
        levels=[Level("top", "Đỉnh", "Top", 0), Level("middle", "Giữa", "Middle", 1), Level("low", "Thấp", "Low", 2)],
        units=[
            _unit("u-top", "top", None),
            _unit("u-d1", "middle", "u-top", *before),
            _unit("u-d2", "middle", "u-top", *before),
            _unit("u-l1", "low", "u-d1", *before),
            _unit("u-l2", "low", "u-d1", *before),
            _unit("u-l3", "low", "u-d2", *before),
            _unit("u-m1", "low", "u-top", *after),
            _unit("u-m2", "low", "u-top", *after),
            _unit("u-same", "low", "u-top"),
        ],
        successions=[
            Succession("u-l1", "u-m1", "whole", 1.0, "stated", True),
            Succession("u-l2", "u-m1", "divided", 0.25, "stated", False),
            Succession("u-l2", "u-m2", "divided", 0.75, "stated", True),
            Succession("u-l3", "u-m2", "whole", 1.0, "stated", True),
        ],
        centres=[Centre("c-all", "Cả", "All"), Centre("c-d1", "Một", "One", "c-all"), Centre("c-d2", "Hai", "Two")],
        coverage=[
            Coverage("c-all", "u-top", *everything),
            Coverage("c-d1", "u-d1", *before),
            Coverage("c-d1", "u-m1", *after),
            Coverage("c-d2", "u-d2", *before),
        ],
        assets=[
            *(Asset(id_, "road_segment", id_, id_, 11.0, 106.6, "Road") for id_ in roads),
            *(Asset(id_, "office", id_, id_, 11.0, 106.6) for id_ in offices),
        ],
        memberships=[Membership(*one) for one in memberships],
    )


# --- two feeds that exist in tests only ------------------------------------------------------------------------

_NOTHING: Final = Text("", "")


def _series(id_: str, over_time: Combine, over_territory: Combine, scale: int) -> Series:
    return Series(id_, Text(id_, id_), "u", over_time, over_territory, scale, 0, 1_000_000, 60, 30, 300)


DUST: Final = _series("air.dust", Combine.MEAN, Combine.MAX, 10)
"""A mean over time, the worst place over territory: neither rule may add partials upward."""

LOUDEST: Final = _series("air.loudest", Combine.MAX, Combine.MAX, 1)
ONLINE: Final = _series("statements.online", Combine.LAST, Combine.SUM, 1)


class AirObserved(msgspec.Struct):
    id: str
    at: str
    dust: float | None = None
    noise: float | None = None


Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Statement(msgspec.Struct, rename="camel"):
    unit: str
    as_of: str
    value: int
    numerator: Count | None = None
    denominator: Count | None = None
    qualifier: str = ""
    source: str = ""


def _read_air(message: AirObserved) -> Measurement:
    at = milliseconds(message.at)
    readings = []
    if message.dust is not None:
        readings.append((DUST, DUST.scaled(message.dust), 1))
    if message.noise is not None:
        readings.append((LOUDEST, LOUDEST.scaled(message.noise), 1))
    return Measurement(message.id, at, at + 5_000, tuple(readings))


def _read_statement(message: Statement) -> Figure:
    return Figure(
        ONLINE,
        message.unit,
        milliseconds(message.as_of),
        ONLINE.scaled(message.value),
        message.numerator,
        message.denominator,
        message.qualifier,
        message.source,
    )


def _asset_of(fact: Fact) -> str:
    assert isinstance(fact, Measurement)
    return fact.asset


def _unit_of(fact: Fact) -> str:
    assert isinstance(fact, Figure)
    return f"{fact.series.id}:{fact.unit}"


AIR: Final = Feed("air", _NOTHING, "test.air", "road_segment", AirObserved, _read_air, _asset_of, (DUST, LOUDEST), ())
STATEMENTS: Final = Feed(
    "statements", _NOTHING, "test.statements", "", Statement, _read_statement, _unit_of, (ONLINE,), ()
)
ALL_FEEDS: Final[Mapping[str, Feed]] = {**FEEDS, AIR.id: AIR, STATEMENTS.id: STATEMENTS}
ALL_SERIES: Final = {series.id: series for feed in ALL_FEEDS.values() for series in feed.series}

SETTINGS: Final = IngestSettings(
    batch=1_000, limits=Limits(262_144, 5 * MINUTE), dead_letter_cap=CAP, dead_letter_bytes=1_000
)


# --- the centre ------------------------------------------------------------------------------------------------


@dataclass
class SmallCentre:
    """A store and a log in one folder, or in servers that it names, and what the programs would make of them."""

    folder: Path
    store: Store
    broker: EmbeddedBroker
    in_kafka: Broker | None = None

    @property
    def log(self) -> Broker:
        """What its programs read."""
        return self.in_kafka or self.broker

    @cached_property
    def registry(self) -> Registry:
        with self.store.reading() as connection:
            return load_registry(connection)

    @cached_property
    def places(self) -> KnownPlaces:
        with self.store.reading() as connection:
            return KnownPlaces.of(load_territory(connection), self.registry.places, DAY_OFFSET)

    @cached_property
    def rules(self) -> RollupRules:
        numbered = {self.registry.series[one.id]: one for one in ALL_SERIES.values()}
        return RollupRules(numbered, self.places.ancestry, DAY_OFFSET)

    def ingest(
        self,
        settings: IngestSettings = SETTINGS,
        *,
        broker: Broker | None = None,
        start: int = 0,
        writer: Executor | None = None,
    ) -> Ingest:
        """An ingest that has taken the stored positions."""
        made = Ingest(broker or self.log, self.store, ALL_FEEDS, self.places, self.registry, settings, writer)
        made.start(start)
        return made

    def watch(self) -> StockWatch:
        offices = [self.registry.places[office] for office in ("o1", "o2", "o3")]
        stock = StockRules.of(ALL_FEEDS["dossiers"], self.registry.series, offices)
        assert stock is not None
        return StockWatch(self.store, stock, self.rules)

    def close(self) -> None:
        self.store.close()
        self.broker.close()
        if self.in_kafka is not None:
            self.in_kafka.close()

    def drop(self) -> None:
        """Close it, and take away what it has in servers."""
        self.close()
        drop_database((self.folder / STORE_URL).read_text())
        if (address := _log_address(self.folder)) is not None:
            drop_log(address)


def build_template(folder: Path, server: str | None = None) -> None:
    """A store with the small territory and a log with all topics, as `setup` would leave them.

    The store is a file of the folder, or a database of the server with that URL.
    """
    url = new_database(folder, server)
    store, broker = Store.open(url), EmbeddedBroker(folder / "log.db")
    migrations.upgrade(store)
    with store.writing() as connection:
        register_series(connection, ALL_SERIES)
        province = ProvinceRow("small", "Nhỏ", "Small", "Asia/Ho_Chi_Minh", "digest", 0)
        save_territory(connection, province, territory())
        begin_keeping(connection, ALL_KEPT)
    for feed in ALL_FEEDS.values():
        broker.ensure_topic(feed.topic, PARTITIONS)
    store.close()
    broker.close()
    (folder / STORE_URL).write_text(url)


def open_centre(folder: Path) -> SmallCentre:
    url, address = (folder / STORE_URL).read_text(), _log_address(folder)
    in_kafka = None if address is None else open_log(address, folder)
    return SmallCentre(folder, Store.open(url), EmbeddedBroker(folder / "log.db"), in_kafka)


def _log_address(folder: Path) -> str | None:
    noted = folder / LOG_ADDRESS
    return noted.read_text() if noted.exists() else None


def copy_centre(
    template: Path, folder: Path, kept_from: Sequence[int] = ALL_KEPT, *, kafka: str | None = None
) -> SmallCentre:
    """A new centre like the template; `kept_from` says from when each level is kept.

    Its log is in the Kafka at `kafka` (host:port), where that is stated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy_database(f"sqlite:///{template / 'log.db'}", folder, "log.db")
    (folder / STORE_URL).write_text(copy_database((template / STORE_URL).read_text(), folder))
    if kafka is not None:
        (folder / LOG_ADDRESS).write_text(new_log(kafka))
    centre = open_centre(folder)
    if centre.in_kafka is not None:
        for feed in ALL_FEEDS.values():
            centre.in_kafka.ensure_topic(feed.topic, PARTITIONS)
    if tuple(kept_from) != ALL_KEPT:
        with centre.store.writing() as connection:
            for level, start in enumerate(kept_from):
                connection.execute(update(kept).where(kept.c.level == level).values(start=start))
    return centre


def rebuilt_above(centre: SmallCentre, level: str) -> set[tuple[int, ...]]:
    """The rows of additive series at all places above the assets, folded anew from the asset rows of one level."""
    numbers = [number for number, series in centre.rules.series.items() if series.adds_upward]
    with centre.store.reading() as connection:
        rows = connection.exec_driver_sql(f"SELECT * FROM windows_{level}").fetchall()
    table = np.array([tuple(row) for row in rows], np.int64).reshape(-1, 11).T
    of_assets = table[:, np.isin(table[0], numbers) & np.isin(table[1], centre.rules.assets)]
    return {tuple(row) for row in centre.places.ancestry.folded_up(of_assets).T.tolist()}
