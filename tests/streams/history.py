"""Histories of the small centre: messages with what they mean, to be given in any order and cut into any batches.

The meaning is written down beside each message when it is made, so that the oracle need not decode anything.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Partition, Received, Record, partition_of
from ioc.streams.ingest import Batch
from tests.streams.small_centre import ALL_FEEDS, MIDNIGHT, PARTITIONS

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
ARRIVAL: Final = MIDNIGHT + 3 * DAY
"""When the messages of a history come to the log, give or take some hours."""

ROADS: Final = ("a1", "a2", "a3", "a4", "a5", "a6")
OFFICES: Final = ("o1", "o2", "o3")


@dataclass(frozen=True, slots=True)
class Observed:
    """Numbers of one asset: by series, value in steps of its resolution and weight."""

    asset: str
    at: int
    as_of: int
    readings: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement about one dossier; `fields` as they are to be kept."""

    case: str
    modified: int
    fields: tuple[tuple[str, str | int | None], ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """One figure of a unit: (as_of, value, numerator, denominator, qualifier, source)."""

    unit: str
    values: tuple[int, int, int | None, int | None, str, str]


@dataclass(frozen=True, slots=True)
class Bad:
    """A message that cannot be used, and the kind of its dead letter."""

    kind: str


Meaning = Observed | Stated | Reported | Bad


@dataclass(frozen=True, slots=True)
class Sent:
    """One record: who sent it, when it came to the log, what it says and what that means."""

    feed: str
    key: str
    body: bytes
    meaning: Meaning
    time: int = ARRIVAL
    origin: int = 0
    source: str | None = "s1"
    batch: str | None = None
    index: int = 0

    @property
    def headers(self) -> dict[str, str]:
        headers = {ORIGIN: str(self.origin)}
        if self.source is not None:
            headers[SOURCE] = self.source
        if self.batch is not None:
            headers |= {BATCH: self.batch, INDEX: str(self.index)}
        return headers

    @property
    def record(self) -> Record:
        return Record(self.key.encode(), self.body, self.headers)

    @property
    def partition(self) -> Partition:
        return Partition(ALL_FEEDS[self.feed].topic, partition_of(self.key.encode(), PARTITIONS))


def iso(at: int, *, local: bool = False) -> str:
    """The time as text, at UTC or at the offset of Viet Nam."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    return (moment + timedelta(hours=7)).isoformat().replace("+00:00", "+07:00") if local else moment.isoformat()


# --- messages --------------------------------------------------------------------------------------------------


def flow(
    asset: str,
    at: int,
    *,
    length: int = 60_000,
    vehicles: int | None = None,
    speed: int | None = None,
    occupancy: int | None = None,
    headway: int | None = None,
    congested: bool = False,
    lane: int | None = None,
    vehicle: str | None = None,
    **more: Any,
) -> Sent:
    """Traffic of a segment; speed and headway in hundredths, occupancy in hundredths of a per cent."""
    message: dict[str, Any] = {"id": f"flow:{asset}", "type": "TrafficFlowObserved", "refRoadSegment": asset}
    message["dateObserved"] = f"{iso(at)}/{iso(at + length, local=True)}"
    readings: list[tuple[str, int, int]] = []
    weight = 1 if vehicles is None else vehicles
    if vehicles is not None:
        message["intensity"] = vehicles
        readings.append(("traffic.intensity", vehicles, 1))
    if speed is not None:
        message["averageVehicleSpeed"] = speed / 100
        readings.append(("traffic.mean_speed", speed, weight))
    if occupancy is not None:
        message["occupancy"] = occupancy / 10_000
        readings.append(("traffic.occupancy", occupancy, 1))
    if headway is not None:
        message["averageHeadwayTime"] = headway / 100
        readings.append(("traffic.headway", headway, weight))
    if congested:
        message["congested"] = True
    readings.append(("traffic.congested", int(congested), 1))
    message |= {name: value for name, value in (("laneId", lane), ("vehicleType", vehicle)) if value is not None}
    meaning = Observed(asset, at, at + length, tuple(readings))
    return Sent("traffic", asset, json.dumps(message).encode(), meaning, **more)


def air(asset: str, at: int, *, dust: int | None = None, noise: int | None = None, **more: Any) -> Sent:
    message: dict[str, Any] = {"id": asset, "at": iso(at)}
    readings = []
    if dust is not None:
        message["dust"] = dust / 10
        readings.append(("air.dust", dust, 1))
    if noise is not None:
        message["noise"] = noise
        readings.append(("air.loudest", noise, 1))
    return Sent("air", asset, json.dumps(message).encode(), Observed(asset, at, at + 5_000, tuple(readings)), **more)


TIMES: Final = ("received", "due", "finished", "returned")


def dossier(case: str, modified: int, fields: Mapping[str, str | int | None], **more: Any) -> Sent:
    """A statement about a dossier; `fields` needs `office` and `received`."""
    message: dict[str, Any] = {"id": case, "type": "Dossier", "modified": iso(modified)}
    for name, value in fields.items():
        message[name] = iso(value, local=True) if isinstance(value, int) else value
    meaning = Stated(case, modified, tuple(sorted(fields.items())))
    return Sent("dossiers", case, json.dumps(message).encode(), meaning, **more)


def figure(unit: str, values: tuple[int, int, int | None, int | None, str, str], **more: Any) -> Sent:
    as_of, value, numerator, denominator, qualifier, source = values
    message: dict[str, Any] = {"unit": unit, "asOf": iso(as_of), "value": value}
    message |= {"numerator": numerator, "denominator": denominator, "qualifier": qualifier, "source": source}
    key = f"statements.online:{unit}"
    return Sent("statements", key, json.dumps(message).encode(), Reported(unit, values), **more)


def bad(feed: str, key: str, body: bytes, kind: str, **more: Any) -> Sent:
    return Sent(feed, key, body, Bad(kind), **more)


# --- any history -----------------------------------------------------------------------------------------------

_moments = st.one_of(
    # About the midnight of the reform, at its very edges, some hours and some days away.
    st.sampled_from([MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1, MIDNIGHT - 10_000, MIDNIGHT - 60_000, MIDNIGHT + 60_000]),
    st.integers(-5 * 60, 5 * 60).map(lambda second: MIDNIGHT + second * 1_000),
    st.integers(-200, 200).map(lambda minute: MIDNIGHT + minute * MINUTE + 59_999),
    st.integers(-90, 2).map(lambda day: MIDNIGHT + day * DAY + 3 * HOUR),
)
_origins = st.sampled_from([0, 0, 0, 2])
_optional = st.one_of(st.none(), st.integers(0, 30_000))


@st.composite
def _flows(draw: st.DrawFn) -> Sent:
    return flow(
        draw(st.sampled_from(ROADS)),
        draw(_moments),
        length=draw(st.sampled_from([0, 60_000, 300_000])),
        vehicles=draw(st.one_of(st.none(), st.sampled_from([0, 1, 7, 100_000]))),
        speed=draw(_optional),
        occupancy=draw(st.one_of(st.none(), st.integers(0, 10_000))),
        headway=draw(_optional),
        congested=draw(st.booleans()),
        lane=draw(st.one_of(st.none(), st.integers(1, 3))),
        vehicle=draw(st.sampled_from([None, "car", "motorcycle"])),
    )


@st.composite
def _airs(draw: st.DrawFn) -> Sent:
    # Few values, so that two halves often lie at .5 of a step and rounding shows.
    some = st.one_of(st.none(), st.integers(0, 6))
    return air(draw(st.sampled_from(ROADS)), draw(_moments), dust=draw(some), noise=draw(some))


@st.composite
def _dossiers(draw: st.DrawFn) -> Sent:
    hours = st.integers(-60, 60).map(lambda hour: MIDNIGHT + hour * HOUR)
    fields: dict[str, str | int | None] = {
        "office": draw(st.sampled_from(OFFICES)),
        "received": draw(st.one_of(hours, _moments)),
    }
    for name in ("due", "finished", "returned"):
        if draw(st.booleans()):
            fields[name] = draw(st.one_of(st.none(), hours))
    if draw(st.booleans()):
        fields["channel"] = draw(st.sampled_from([None, "online", "counter"]))
    if draw(st.booleans()):
        fields["state"] = draw(st.sampled_from([None, "received", "finished", "withdrawn"]))
    if draw(st.booleans()):
        fields["field"] = draw(st.sampled_from(["land", "đất đai", ""]))
    case = draw(st.sampled_from(["c1", "c2", "c3"]))
    return dossier(case, MIDNIGHT + draw(st.integers(0, 4)) * HOUR, fields)


@st.composite
def _figures(draw: st.DrawFn) -> Sent:
    maybe = st.one_of(st.none(), st.integers(0, 2))
    values = (
        MIDNIGHT + draw(st.integers(0, 2)) * DAY,
        draw(st.integers(0, 2)),
        draw(maybe),
        draw(maybe),
        draw(st.sampled_from(["", "≈", ">"])),
        draw(st.sampled_from(["", "sổ", "sheet"])),
    )
    return figure(draw(st.sampled_from(["u-top", "u-m1"])), values)


def _bad_ones() -> list[Sent]:
    good = flow("a1", MIDNIGHT, speed=100)
    text = good.body.decode()
    return [
        bad("traffic", "a1", b'{"id": ', "unreadable"),
        bad("traffic", "a1", text.replace("1.0", "NaN").encode(), "unreadable"),
        bad("traffic", "a1", text.replace("1.0", "301").encode(), "unreadable"),
        bad("traffic", "ax", flow("ax", MIDNIGHT).body, "unknown_asset"),
        bad("traffic", "a1", flow("a1", ARRIVAL + 30 * DAY).body, "future"),
        bad("traffic", "a1", flow("a1", -DAY).body, "too_old"),
        bad("dossiers", "c1", b'{"id": "c1", "type": "Dossier"}', "unreadable"),
        bad("dossiers", "c1", dossier("c1", MIDNIGHT, {"office": "ox", "received": MIDNIGHT}).body, "unknown_asset"),
        bad("statements", "x", figure("u-x", (MIDNIGHT, 1, None, None, "", "")).body, "unknown_unit"),
        bad("traffic", "a1", b" " * 300_000, "too_large"),
    ]


BAD_ONES: Final = _bad_ones()


@st.composite
def histories(draw: st.DrawFn, *, most: int = 40) -> list[Sent]:
    """Records in some order in which each batch keeps its own; batches may come again, whole or from a part on."""
    ones = st.one_of(_flows(), _flows(), _airs(), _dossiers(), _dossiers(), _figures(), st.sampled_from(BAD_ONES))
    arrivals = st.integers(0, 40).map(lambda step: ARRIVAL + step * 7 * MINUTE)
    history: list[Sent] = []
    for number in range(draw(st.integers(1, 6))):
        group = draw(st.lists(ones, min_size=1, max_size=max(1, most // 6)))
        origin, source = draw(_origins), draw(st.sampled_from(["s1", "s2", None]))
        group = [replace(one, origin=origin, source=source, time=draw(arrivals)) for one in group]
        if draw(st.booleans()):
            name = f"b{number if draw(st.booleans()) else 0}-{origin}-{source}-{number}"
            group = [replace(one, batch=name, index=index) for index, one in enumerate(group)]
            sent = [*group[: draw(st.integers(0, len(group)))], *group]  # a first try that broke off, then all of it
            group = sent * draw(st.integers(1, 2))
        history += group
    return history


def shuffled(history: Sequence[Sent], order: Sequence[int]) -> list[Sent]:
    """The history in the given order, except that the records of one batch keep theirs among themselves."""
    moved = [history[at] for at in order]
    of_batch: dict[tuple[str | None, str], Iterator[Sent]] = {}
    queues: dict[tuple[str | None, str], list[Sent]] = defaultdict(list)
    for one in history:
        if one.batch is not None:
            queues[one.source, one.batch].append(one)
    of_batch = {key: iter(queue) for key, queue in queues.items()}
    return [one if one.batch is None else next(of_batch[one.source, one.batch]) for one in moved]


class Offsets:
    """Gives records their offsets, as a log would, and makes batches of them as ingest would read them."""

    def __init__(self) -> None:
        self._next: dict[Partition, int] = defaultdict(int)

    def batch(self, *sent: Sent) -> Batch:
        batch = Batch()
        for one in sent:
            received = Received(self._next[one.partition], one.time, one.key.encode(), one.body, one.headers)
            self._next[one.partition] += 1
            batch.records.setdefault(one.partition, []).append(received)
        return batch


def batches(history: Sequence[Sent], cuts: Sequence[bool]) -> Iterator[Batch]:
    """The whole history, a batch ending where `cuts` is true."""
    offsets, waiting = Offsets(), list[Sent]()
    for one, cut in zip(history, cuts, strict=True):
        waiting.append(one)
        if cut:
            yield offsets.batch(*waiting)
            waiting.clear()
    if waiting:
        yield offsets.batch(*waiting)
