"""How the centre itself is doing: alive, ready, and figures for Prometheus.

`/healthz` and `/readyz` are open to everybody, so they say what is wrong and never what is inside; `/metrics` stands
behind the gate. Not ready means that what a screen shows may be behind: ingest stands still though messages wait,
roll-ups trail, the disk is low, store or broker do not answer.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from ioc.broker.port import Broker
from ioc.errors import IocError
from ioc.feeds import FEEDS
from ioc.model.room import MB
from ioc.model.windows import HOUR, SECOND
from ioc.operations.disk import Disk
from ioc.operations.places import milliseconds
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.engine import Store
from ioc.store.source_reading import (
    PositionRow,
    WaitingMarks,
    read_dead_letter_counts,
    read_positions,
    read_sources,
    read_waiting_marks,
)
from ioc.web.answers import Now, Reader, as_json

STANDS_STILL_MS: Final = 30 * SECOND
"""Messages wait, and ingest has not moved for so long."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Messages of a topic that ingest has not applied yet.

    `oldest_at` is when the first of them was sent, `moved_at` when ingest last moved (UTC ms; 0: none, never).
    """

    topic: str
    waiting: int
    oldest_at: int
    moved_at: int
    event_time: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """`problems` is empty when the centre is ready; each is one sentence."""

    ready: bool
    problems: tuple[str, ...]


class Health:
    """Looks at the store, the broker and the disk. Holds since when the oldest roll-up has been waiting."""

    def __init__(self, settings: Settings, store: Store, broker: Broker) -> None:
        self._settings = settings
        self._store = store
        self._broker = broker
        self._room = Disk(settings, store, broker)
        self._lock = threading.Lock()
        self._oldest_mark: tuple[tuple[int, int, int] | None, int] = (None, 0)

    def readiness(self, now: datetime) -> Readiness:
        at = milliseconds(now)
        problems = (*self._of(self._disk), *self._of(self._version), *self._of(lambda: self._streams(at)))
        return Readiness(not problems, problems)

    def metrics(self, now: datetime, live_subscribers: int) -> bytes:
        """The text that Prometheus reads."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        registry.register(_Figures(lambda: self._figures(milliseconds(now), live_subscribers)))
        return generate_latest(registry)

    # --- what is looked at

    def _of(self, look: Callable[[], Iterator[str]]) -> tuple[str, ...]:
        try:
            return tuple(look())
        except IocError as error:
            return (_without_insides(error),)

    def _disk(self) -> Iterator[str]:
        room, rules = self._room.look(), self._room.rules
        if room.is_low and self._room.is_ours:
            yield (
                f"the disk has {room.free // MB} MB left, so messages wait: make room,"
                f" and it goes on by itself at {rules.enough // MB} MB"
            )
        elif room.is_low:
            yield f"the disk has {room.free // MB} MB left: make room"

    def _version(self) -> Iterator[str]:
        migrations.require_current(self._store)
        yield from ()

    def _streams(self, now: int) -> Iterator[str]:
        with self._store.reading() as connection:
            positions = read_positions(connection)
            marks = read_waiting_marks(connection)
        for lag in self.lags(positions):
            if not lag.moved_at:
                yield f"ingest has not begun to read {lag.topic}: start `python -m ioc ingest`"
            elif lag.oldest_at and now - max(lag.moved_at, lag.oldest_at) > STANDS_STILL_MS:
                yield f"{lag.waiting} messages of {lag.topic} wait and ingest stands still: see its log"
        behind = self.rollup_lag(marks, now)
        if behind > self._settings.rollup_lag:
            yield f"roll-ups are {behind:.0f} s behind: see the log of `python -m ioc jobs`"

    def lags(self, positions: list[PositionRow]) -> list[Lag]:
        """What waits in each feed's topic."""
        stored = {(row.topic, row.partition): row for row in positions}
        lags: list[Lag] = []
        for feed in FEEDS.values():
            rows = [row for row in positions if row.topic == feed.topic]
            waiting, sent_at = 0, list[int]()
            for partition, extent in self._broker.extents(self._broker.partitions(feed.topic)).items():
                row = stored.get((partition.topic, partition.number))
                following = max(extent.first, row.next_offset if row else 0)
                # A log may end behind its last record: only what can be read is waiting.
                for record in self._broker.read(partition, following, 1) if extent.end > following else ():
                    waiting += extent.end - record.offset
                    sent_at.append(record.time)
            moved_at = max((row.updated_at for row in rows), default=0)
            event_time = max((row.event_time for row in rows), default=0)
            lags.append(Lag(feed.topic, waiting, min(sent_at, default=0), moved_at, event_time))
        return lags

    def rollup_lag(self, marks: WaitingMarks, now: int) -> float:
        """For how many seconds the oldest waiting mark has been seen to wait; marks carry no time of their own."""
        with self._lock:
            if self._oldest_mark[0] != marks.oldest:
                self._oldest_mark = (marks.oldest, now)
            return (now - self._oldest_mark[1]) / 1000 if marks.oldest is not None else 0.0

    def _figures(self, now: int, live_subscribers: int) -> Iterator[Metric]:
        with self._store.reading() as connection:
            positions = read_positions(connection)
            marks = read_waiting_marks(connection)
            sources = read_sources(connection, since=now - HOUR, recent_since=now - HOUR)
            letters = read_dead_letter_counts(connection, since=now - 24 * HOUR)
        waiting = _gauge("ioc_ingest_waiting_messages", "Messages that ingest has not applied yet.", "topic")
        age = _gauge("ioc_ingest_event_age_seconds", "Age of the newest event time that ingest has seen.", "topic")
        for lag in self.lags(positions):
            waiting.add_metric([lag.topic], lag.waiting)
            if lag.event_time:
                age.add_metric([lag.topic], (now - lag.event_time) / 1000)
        heard = _gauge("ioc_source_age_seconds", "Age of a source's newest message.", "source", "feed", "origin")
        accepted = _gauge("ioc_source_accepted", "Messages accepted in the last hour.", "source", "feed", "origin")
        rejected = _gauge("ioc_source_rejected", "Messages rejected in the last hour.", "source", "feed", "origin")
        for source in sources:
            labels = [source.source, source.feed, str(source.origin)]
            heard.add_metric(labels, (now - source.last_message_at) / 1000)
            accepted.add_metric(labels, source.accepted)
            rejected.add_metric(labels, source.rejected)
        dead = _gauge("ioc_dead_letters", "Dead letters of the last 24 hours.", "source", "feed", "kind")
        for letter in letters:
            dead.add_metric([letter.source, letter.feed, letter.kind], letter.count)
        room = self._room.look()
        yield from (waiting, age, heard, accepted, rejected, dead)
        yield _single("ioc_rollup_waiting_marks", "Batches of changed windows that wait for roll-up.", marks.total)
        yield _single("ioc_rollup_lag_seconds", "How long the oldest has been waiting.", self.rollup_lag(marks, now))
        yield _single("ioc_live_subscribers", "Screens that follow a live view of this process.", live_subscribers)
        yield _single("ioc_disk_free_bytes", "Free bytes where the data folder stands.", room.free)
        paused = room.is_low and self._room.is_ours
        yield _single("ioc_ingest_paused", "1 while nothing is taken in because the disk is low.", float(paused))


class _Figures:
    """What prometheus-client calls a collector."""

    def __init__(self, figures: Callable[[], Iterator[Metric]]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        return self._figures()

    def describe(self) -> Iterator[Metric]:
        """Nothing: else registering would read the store once more than reading does."""
        return iter(())


def _gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, labels=labels)


def _single(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)


def _without_insides(error: IocError) -> str:
    """Which part does not answer; the rest is for the log and for `check`."""
    return f"{type(error).__name__.removesuffix('Error').lower()}: run `python -m ioc check`"


def health_routes(health: Health, subscribers: Callable[[], int]) -> APIRouter:
    """The routes /healthz, /readyz and /metrics."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Alive")
    async def get_health() -> Response:
        return as_json({"alive": True})

    @router.get("/readyz", summary="Ready: store, broker, lag, disk")
    def get_readiness(now: Now) -> Response:
        readiness = health.readiness(now)
        return as_json(readiness, 200 if readiness.ready else 503)

    @router.get("/metrics", summary="Figures for Prometheus")
    def get_metrics(_who: Reader, now: Now) -> Response:
        return Response(health.metrics(now, subscribers()), media_type=CONTENT_TYPE_LATEST)

    return router
