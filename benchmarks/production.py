"""Ingest as in production: from a real Kafka broker to windows committed in a real PostgreSQL.

Everything happens in one run, on one broker and one database, beside what else could be done with the same topic: only
reading and decoding it (kafka-python's own `KafkaConsumer.poll` and msgspec), and the same tumbling windows made by
Quix Streams. Each round of bare reading is followed by a round of ingest over the same messages, so that a ratio is of
the same minute. Roll-ups do not run meanwhile: `ingest` shows how they keep up.

An observation is one number that a message states. Ingest also stores what each message implies (that nothing is
congested) as a second one; it is work, but counted nowhere here.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from statistics import median
from typing import Any, Final

import msgspec
from kafka import KafkaConsumer, TopicPartition

from benchmarks import messages, peer, territory
from benchmarks.centre import Centre, synthetic_centre
from benchmarks.machine import loop_rate, postgres_upsert_rate
from benchmarks.report import Figure, Report, measured
from benchmarks.servers import PARTITIONS, Absent, Servers, applied_messages, configuration, real_servers
from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.feeds import traffic
from ioc.model.windows import MINUTE
from ioc.processes.clock import milliseconds_now
from ioc.processes.ingest import make_ingest, writer_beside
from ioc.store.engine import Store
from ioc.streams.ingest import Ingest

OF_BARE_GOAL: Final = 0.6
OF_PEER_GOAL: Final = 10.0
SCALING_GOAL: Final = 1.6

CONSUMER: Final = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "max_poll_records": 20_000,
    "metrics_enabled": False,
}
"""Of the bare consumer: as ingest's own, so that both are told the same by Kafka."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One workload: `per_row` messages of an asset in each window, one after the other, `numbers` in each message."""

    title: str
    body: Callable[[int, int, int], bytes]
    per_row: int
    numbers: int
    share: int = 1
    """Of the messages of the other workloads: one in so many."""

    goal: int = 0


FIVE: Final = Shape("5 per row", messages.one_number, 5, 1)
SHAPES: Final = (
    FIVE,
    Shape("1 per row", messages.one_number, 1, 1, goal=40_000),
    Shape("100 per message", messages.hundred_numbers, 1, 100, share=3, goal=300_000),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: `messages` of each workload in all its `rounds`, and of each run of a peer or of processes."""

    territory: territory.Size
    messages: int
    rounds: int
    with_peer: bool


FULL: Final = Size(territory.FULL, messages=600_000, rounds=5, with_peer=True)
TINY: Final = Size(territory.TINY, messages=4_000, rounds=2, with_peer=False)


@dataclass(frozen=True, slots=True)
class Paired:
    """Messages per second of each round: bare reading and decoding, and ingest."""

    bare: list[float]
    ingest: list[float]

    @property
    def ratios(self) -> list[float]:
        return [ours / bare for ours, bare in zip(self.ingest, self.bare, strict=True)]


def run(size: Size = FULL) -> Report:
    try:
        with real_servers() as servers:
            return Report("production", _workload(size), _figures(size, servers))
    except Absent as absent:
        return Report("production", [f"not measured: {absent}"], [])


def _workload(size: Size) -> list[str]:
    where = size.territory
    lengths = ", ".join(f"{len(shape.body(0, 0, 2_000)):,} bytes ({shape.title})" for shape in SHAPES)
    return [
        "official TrafficFlowObserved with a single number (intensity); 100 per message: an array of 25 with four"
        f" numbers each, of five lanes and five kinds of vehicles; a record has {lengths}",
        f"{where.assets:,} assets, {where.units:,} units in {where.levels} levels, {1 + territory.BRANCHES} centres;"
        f" headers and batch ids as the intake writes them; {size.messages:,} messages in {size.rounds} rounds",
        "n per row: values of one series and asset in one 10 s window and one batch",
        *configuration(),
        f"bare: KafkaConsumer, all partitions, {', '.join(f'{name}={value}' for name, value in CONSUMER.items())};"
        " then msgspec's typed decoding of each value, as ingest's",
        *([peer.description()] if size.with_peer else []),
    ]


def _figures(size: Size, servers: Servers) -> list[Figure]:
    figures: list[Figure] = []
    loops, upserts = list[float](), list[float]()

    def look_at_machine() -> None:
        loops.append(loop_rate() / 1e6)
        upserts.append(postgres_upsert_rate(servers.store))

    with bench(size, servers) as on:
        for shape in SHAPES:
            look_at_machine()
            paired = on.rounds(shape)
            figures += _beside_bare(shape, paired)
            if shape is FIVE and size.with_peer:
                figures += _beside_peer(size, servers, median(paired.ingest))
        look_at_machine()
        figures.append(_of_processes(on))
    return [
        measured("machine: plain Python", loops, "M turns/s", 1),
        measured("machine: plain PostgreSQL upserts", upserts, "rows/s"),
        *figures,
    ]


def _beside_bare(shape: Shape, paired: Paired) -> list[Figure]:
    ratio = median(paired.ratios)
    observations = [rate * shape.numbers for rate in paired.ingest]
    goal = {"goal": f"≥ {shape.goal:,}/s", "is_met": median(observations) >= shape.goal} if shape.goal else {}
    low, high = min(paired.ratios), max(paired.ratios)
    of_bare = {"goal": f"≥ {OF_BARE_GOAL:g}", "is_met": ratio >= OF_BARE_GOAL} if shape is FIVE else {}
    return [
        measured(f"bare poll + decode, {shape.title}", paired.bare, "messages/s"),
        replace(
            measured(f"Kafka → PostgreSQL, {shape.title}", observations, "observations/s"),
            **goal,  # type: ignore[arg-type]
        ),
        Figure(f"… of bare poll + decode, {shape.title}", f"{ratio:.2f}", f"{low:.2f} – {high:.2f}", **of_bare),  # type: ignore[arg-type]
    ]


def _beside_peer(size: Size, servers: Servers, ours: float) -> list[Figure]:
    """The peer over the topic as the first workload has filled it, in runs that last longer than it takes to commit."""
    figures = []
    for kind in peer.KINDS:
        try:
            rates = [
                peer.tumbling_windows(
                    servers.kafka.address, traffic.FEED.topic, size.messages // 2, f"{kind}-{number}"
                ).rate
                for number in range(size.rounds)
            ]
        except Absent as absent:
            figures.append(Figure(f"Quix Streams, {kind}", "not measured", beside=str(absent)))
            continue
        ratio = ours / median(rates)
        figures.append(
            replace(
                measured(f"Quix Streams, {kind}", rates, "messages/s"),
                beside=f"ours is {ratio:.1f} × as fast",
                goal=f"≥ {OF_PEER_GOAL:g} ×",
                is_met=ratio >= OF_PEER_GOAL,
            )
        )
    return figures


def _of_processes(on: "Bench") -> Figure:
    pairs = [(on.with_processes(1), on.with_processes(2)) for _ in range(min(3, on.size.rounds))]
    one, two = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratios = [both / alone for alone, both in pairs]
    ratio = median(ratios)
    return Figure(
        "two ingest processes against one",
        f"{ratio:.2f} ×",
        f"{min(ratios):.2f} – {max(ratios):.2f}",
        beside=f"{median(one):,.0f} and {median(two):,.0f} messages/s; Kafka and PostgreSQL share the machine's cores",
        goal=f"≥ {SCALING_GOAL:g} × where cores allow it",
        is_met=ratio >= SCALING_GOAL,
    )


@contextmanager
def bench(size: Size, servers: Servers) -> Iterator["Bench"]:
    """A centre over the servers, and all that is asked of it."""
    stated = {"broker": servers.broker, "store": servers.store, "kafka_partitions": str(PARTITIONS)}
    with synthetic_centre(size.territory, **stated) as centre:
        store, broker = Store.open(centre.settings.store), open_broker(centre.settings)
        try:
            with writer_beside(store) as writer:
                ingest = make_ingest(centre.settings, store, broker, milliseconds_now(), writer)
                yield Bench(size, centre, servers, broker, ingest)
        finally:
            broker.close()
            store.close()


class Bench:
    """One centre whose topic is filled again and again; what is measured begins where the last one ended."""

    def __init__(self, size: Size, centre: Centre, servers: Servers, broker: Broker, ingest: Ingest) -> None:
        self.size = size
        self._centre = centre
        self._servers = servers
        self._broker = broker
        self._ingest = ingest
        self._fills = count()

    def rounds(self, shape: Shape) -> Paired:
        """Fill the topic for all rounds, then read it barely and ingest it in turns."""
        with closing(self._bare_consumer()) as consumer:
            total = self._fill(shape, self.size.messages // shape.share)
            self._ingest.start(milliseconds_now())
            paired = Paired([], [])
            done = 0
            for number in range(1, self.size.rounds + 1):
                upto = total * number // self.size.rounds
                if upto > done:  # one batch may hold all of a tiny round
                    paired.bare.append(_bare_rate(consumer, upto - done))
                    began, before = time.perf_counter(), done
                    while done < upto:
                        done += self._step()
                    self._ingest.finish()
                    paired.ingest.append((done - before) / (time.perf_counter() - began))
        return paired

    def _step(self) -> int:
        applied = self._ingest.step(milliseconds_now())
        if not applied:
            raise RuntimeError("the log ends before all messages are applied")
        return applied

    def with_processes(self, processes: int) -> float:
        """Messages per second of so many `python -m ioc ingest` over a filled topic.

        Counted from a quarter, when all have started and share the partitions, to nine tenths, when none is idle yet.
        """
        before = self._applied()
        total = self._fill(FIVE, self.size.messages * 3 // 5)
        seen = [(time.perf_counter(), 0)]

        def look(share: float) -> bool:
            seen.append((time.perf_counter(), self._applied() - before))
            return seen[-1][1] >= share * total

        for number in range(processes):
            self._centre.start("ingest", name=f"ingest-{number}")
        self._centre.wait(lambda: look(0.25), "a quarter is applied", every_s=0.05)
        began, first = seen[-1] if seen[-1][1] < 0.9 * total else seen[0]
        self._centre.wait(lambda: look(0.9), "nine tenths are applied", every_s=0.05)
        ended, last = seen[-1]
        self._centre.wait(lambda: look(1.0), "all is applied", every_s=0.05)
        self._centre.stop()
        return (last - first) / (ended - began)

    def _applied(self) -> int:
        return applied_messages(self._servers.store)

    def _fill(self, shape: Shape, wanted: int) -> int:
        """Append whole windows of all assets, about as many messages as wanted; how many."""
        number, assets = next(self._fills), self.size.territory.assets
        windows = max(1, wanted // (assets * shape.per_row))
        first = (milliseconds_now() - MINUTE) // messages.WINDOW_MS - windows
        told = messages.in_order(assets, windows, shape.per_row, first * messages.WINDOW_MS)
        done = 0
        for records in messages.records(told, f"fill-{number}", shape.body):
            self._broker.append(traffic.FEED.topic, records, milliseconds_now())
            done += len(records)
        return done

    def _bare_consumer(self) -> Any:
        consumer = KafkaConsumer(bootstrap_servers=[self._servers.kafka.address], group_id=None, **CONSUMER)
        parts = [TopicPartition(part.topic, part.number) for part in self._broker.partitions(traffic.FEED.topic)]
        consumer.assign(parts)
        consumer.seek_to_end()
        for part in parts:
            consumer.position(part)
        return consumer


def _bare_rate(consumer: Any, wanted: int) -> float:
    """Messages per second through `poll` and typed decoding, and nothing else."""
    one = msgspec.json.Decoder(traffic.TrafficFlowObserved | list[traffic.TrafficFlowObserved])
    decode = one.decode
    began, done = time.perf_counter(), 0
    while done < wanted:
        for records in consumer.poll(timeout_ms=1_000, max_records=wanted - done).values():
            for record in records:
                decode(record.value)
            done += len(records)
    return done / (time.perf_counter() - began)
