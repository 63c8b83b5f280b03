"""The messages of the benchmarks: the official example of `TrafficFlowObserved`, all its fields, with our places.

A message speaks of one road segment and one interval. Intervals of a segment follow each other without a gap, and the
segments are out of step with each other by up to two seconds, so that times repeat no more than they do outside.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from benchmarks.territory import segment
from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Record
from ioc.model.origins import Origin
from ioc.model.windows import FINEST

WINDOW_MS: Final = FINEST.width
READINGS: Final = 5
"""Numbers that one message gives: intensity, mean speed, occupancy, headway, and not congested, which is implied."""

REQUEST: Final = 2_000

_VEHICLES: Final = ("bicycle", "bus", "car", "lorry", "motorcycle")

# TrafficFlowObserved/examples/example.json of the Smart Data Models (CC BY 4.0), with id, times, segment left open.
_EXAMPLE: Final = (
    '{{"id":"{asset}","type":"TrafficFlowObserved","laneId":1,'
    '"address":{{"streetAddress":"Avenida de Salamanca","addressLocality":"Valladolid","addressCountry":"ES"}},'
    '"location":{{"type":"LineString","coordinates":[[-4.73735395519672,41.6538181849672],'
    "[-4.73414858659993,41.6600594193478],[-4.73447575302641,41.659585195093]]}},"
    '"dateObserved":"{start}/{end}","dateObservedFrom":"{start}","dateObservedTo":"{end}",'
    '"averageHeadwayTime":{headway},"intensity":{intensity},"occupancy":{occupancy},"averageVehicleSpeed":{speed},'
    '"averageVehicleLength":9.87,"reversedLane":false,"laneDirection":"forward"}}'
)


def message(asset: int, start: int, end: int) -> bytes:
    """What segment `asset` says of [start, end), UTC milliseconds; the numbers follow from both, and differ."""
    mixed = (asset * 7919 + start // 1000) % 997
    return flow(segment(asset), start, end, intensity=1 + mixed % 60, speed=5 + mixed % 600 / 10, mixed=mixed)


def flow(asset: str, start: int, end: int, *, intensity: int, speed: float, mixed: int = 0) -> bytes:
    """What any segment says of [start, end): so many vehicles, so fast."""
    return _EXAMPLE.format(
        asset=asset,
        start=_iso(start),
        end=_iso(end),
        headway=0.5 + mixed % 40 / 10,
        intensity=intensity,
        occupancy=mixed % 100 / 100,
        speed=speed,
    ).encode()


def one_number(asset: int, start: int, end: int) -> bytes:
    """The shortest official message: one segment, one interval, one number (and the implied "not congested")."""
    at = f"{_iso(start)}/{_iso(end)}"
    intensity = 1 + (asset * 7919 + start // 1000) % 60
    return (
        f'{{"id":"{segment(asset)}","type":"TrafficFlowObserved","dateObserved":"{at}","intensity":{intensity}}}'
    ).encode()


def hundred_numbers(asset: int, start: int, end: int) -> bytes:
    """A record of several messages, as a segment's own computer may send them: five lanes, five kinds of vehicles.

    Each is an official message of one interval with lane, vehicle type and four numbers.
    """
    at = f"{_iso(start)}/{_iso(end)}"
    several = (
        f'{{"id":"{segment(asset)}","type":"TrafficFlowObserved","dateObserved":"{at}","laneId":{lane},'
        f'"vehicleType":"{kind}","intensity":{1 + (asset * 7919 + lane) % 60},'
        f'"averageVehicleSpeed":{20 + (asset + lane) % 40}.5,"occupancy":0.{lane}5,"averageHeadwayTime":{lane}.5}}'
        for lane in range(1, 6)
        for kind in _VEHICLES
    )
    return f"[{','.join(several)}]".encode()


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_order(assets: int, windows: int, per_row: int, first: int) -> Iterator[tuple[int, int, int]]:
    """(asset, start, end) of all messages: window after window, and in each all `per_row` of an asset together.

    So that one batch of ingest holds all values of its windows' rows, as where a sender delivers every ten seconds.
    """
    step = WINDOW_MS // per_row
    for window in range(windows):
        for asset in range(assets):
            at = first + window * WINDOW_MS + asset * 7919 % min(2000, step)
            for number in range(per_row):
                yield asset, at + number * step, at + (number + 1) * step


def records(
    requests: Iterator[tuple[int, int, int]], name: str, body: Callable[[int, int, int], bytes] = message
) -> Iterator[list[Record]]:
    """What the intake would append for requests of 2,000 messages, each with a batch id."""
    number = 0
    while True:
        taken = [
            Record(
                segment(asset).encode(),
                body(asset, start, end),
                {SOURCE: "bench", ORIGIN: str(int(Origin.LIVE)), BATCH: f"{name}-{number}", INDEX: str(index)},
            )
            for index, (asset, start, end) in zip(range(REQUEST), requests, strict=False)
        ]
        if not taken:
            return
        yield taken
        number += 1
