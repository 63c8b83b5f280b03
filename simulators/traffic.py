"""Traffic of every road segment: a pure function of (seed, segment, local date), written as
TrafficFlowObserved.

Demand follows the hour and the kind of day; speed falls with demand ÷ capacity (the curve of the United
States' Bureau of Public Roads); occupancy follows from flow and speed; a segment is congested below half its
free speed. Weather is left out. Vehicles are told in total, without `vehicleType`: one message a minute and
segment, of which about seven in ten vehicles are motorcycles (that is in the capacities and in the mean
vehicle length, not in the message).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulators.accidents import Accident
from simulators.places import RoadSegment
from simulators.working_time import DAY, EPOCH, DayKind, day_kind, local_date, midnight

Floats = NDArray[np.float64]

BPR_ALPHA, BPR_BETA = 0.8, 4  # steeper than the book's 0.15: mixed traffic with motorcycles
CONGESTED_BELOW = 0.5  # of the free speed
VEHICLE_KM = 0.0039  # 72 % motorcycles of 2.5 m, 28 % larger vehicles of 7.5 m, over the loop
KNOTS_PER_DAY = 96
ACCIDENT_PERIOD = 10  # seconds: around an accident the segments report more often
DAYS_KEPT = 3
TOGETHER = 5  # periods in one message of the longer past

# Share of the day's highest demand by hour. The rush hours of the province's cities are 6:30–8:30 and 16:00–18:30 on
# working days; heights and the rest are assumed, since nobody publishes counts. All days begin and end alike, so
# midnight is no step.
_WORKING = (
    (0, 0.07), (3, 0.04), (4.5, 0.08), (5.5, 0.28), (6.25, 0.8), (6.75, 0.98), (7.25, 1.0), (8, 0.97), (8.5, 0.85),
    (9.5, 0.58), (11, 0.6), (11.75, 0.62), (12.5, 0.46), (13.25, 0.52), (14.5, 0.56), (15.5, 0.7), (16, 0.88),
    (16.75, 0.99), (17.25, 1.0), (18, 0.96), (18.5, 0.84), (19.5, 0.6), (21, 0.42), (22.5, 0.2), (24, 0.07),
)  # fmt: skip
_SATURDAY = (
    (0, 0.07), (3, 0.04), (5, 0.12), (6.5, 0.52), (7.5, 0.66), (9, 0.6), (11, 0.62), (12.5, 0.46), (14, 0.5),
    (16, 0.66), (17.5, 0.74), (19, 0.68), (21, 0.48), (22.5, 0.24), (24, 0.07),
)  # fmt: skip
_SUNDAY = (
    (0, 0.07), (3, 0.04), (5.5, 0.12), (7, 0.36), (9, 0.52), (11, 0.54), (12.5, 0.4), (14.5, 0.46), (16.5, 0.62),
    (18, 0.68), (19.5, 0.62), (21, 0.44), (22.5, 0.2), (24, 0.07),
)  # fmt: skip
_DEMAND = {
    DayKind.WORKING: (_WORKING, 1.0),
    DayKind.SATURDAY: (_SATURDAY, 1.0),
    DayKind.SUNDAY: (_SUNDAY, 1.0),
    DayKind.HOLIDAY: (_SUNDAY, 0.85),
    DayKind.LUNAR_NEW_YEAR: (_SUNDAY, 0.5),
}


@dataclass(frozen=True, slots=True)
class DayTraffic:
    """One local day: a row for each segment, a column for each period of the day."""

    vehicles: NDArray[np.int32]
    speed_kmh: NDArray[np.float32]
    occupancy: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Row:
    """What stays the same in all messages of a segment."""

    segment: RoadSegment
    phase: int
    opening: str
    congested_below: float


class Traffic:
    """The traffic of all segments; holds the days computed last."""

    def __init__(self, seed: int, period: int, segments: Sequence[RoadSegment]) -> None:
        self.period = period
        self._seed = seed
        self._rows = [
            _Row(segment, self.phase(segment), _opening(segment), CONGESTED_BELOW * segment.kind.free_speed_kmh)
            for segment in segments
        ]
        self._days: dict[date, DayTraffic] = {}

    def phase(self, segment: RoadSegment) -> int:
        """Seconds after the full minute at which a segment's periods begin: spreads the messages evenly."""
        return zlib.crc32(f"{self._seed} {segment.id}".encode()) % self.period

    def lines(self, begin: int, end: int, accidents: Sequence[Accident] = (), *, fine_from: int = 0) -> list[str]:
        """Messages as JSON lines of all periods that end within [begin, end), in order of their ends; without
        those that `coarse_lines` tells, whose longer interval ends before `fine_from`.
        """
        if not self._rows:
            return []
        base = begin - self.period
        accidents = [accident for accident in accidents if accident.ends >= base and accident.begins < end]
        clock = _clock(base, end)
        bent = {effect.asset for accident in accidents for effect in accident.effects}
        found: list[tuple[int, int, str]] = []
        # The last periods of a day end after midnight, by as much as the segment's phase.
        day, last = local_date(begin - 2 * self.period), local_date(end)
        while day <= last:
            first = midnight(day)
            for number, row in enumerate(self._rows):
                origin = first + row.phase + self.period  # the end of the day's first period
                low = max(0, -((origin - begin) // self.period), self._first_fine(origin, fine_from))
                high = min(DAY // self.period, -((origin - end) // self.period))
                if low >= high:
                    continue
                ends = range(origin + low * self.period, origin + high * self.period, self.period)
                if row.segment.id in bent:
                    found.extend(self._regular_lines(number, row, ends, accidents))
                    continue
                today, span = self.day(day), slice(low, high)
                for until, vehicles, speed, covered in zip(
                    ends,
                    today.vehicles[number, span].tolist(),
                    today.speed_kmh[number, span].tolist(),
                    today.occupancy[number, span].tolist(),
                    strict=True,
                ):
                    since, told = clock[until - self.period - base], clock[until - base]
                    found.append((until, number, _text(row, since, told, vehicles, speed, covered, self.period)))
            day += timedelta(days=1)
        if bent:
            found.extend(self._accident_lines(begin, end, accidents))
        found.sort(key=lambda entry: entry[:2])
        return [line for _, _, line in found]

    def coarse_lines(self, begin: int, end: int) -> list[str]:
        """Messages over `TOGETHER` periods each, of those that end within [begin, end): vehicles are summed,
        speed is their mean, occupancy the mean over time.
        """
        length = TOGETHER * self.period
        found: list[tuple[int, int, str]] = []
        day, last = local_date(begin - 2 * length), local_date(end)
        while day <= last:
            today = self.day(day)
            for number, row in enumerate(self._rows):
                origin = midnight(day) + row.phase + length  # the end of the day's first longer interval
                low = max(0, -((origin - begin) // length))
                high = min(DAY // length, -((origin - end) // length))
                for group in range(low, high):
                    columns = slice(group * TOGETHER, (group + 1) * TOGETHER)
                    vehicles = today.vehicles[number, columns]
                    total = int(vehicles.sum())
                    speed = float((vehicles * today.speed_kmh[number, columns]).sum() / max(total, 1))
                    covered = float(today.occupancy[number, columns].mean())
                    until = origin + group * length
                    text = _text(row, _iso(until - length), _iso(until), total, speed, covered, length)
                    found.append((until, number, text))
            day += timedelta(days=1)
        found.sort(key=lambda entry: entry[:2])
        return [line for _, _, line in found]

    def _first_fine(self, origin: int, fine_from: int) -> int:
        """The day's first period that is told by itself; `origin` is the end of the day's first period."""
        length = TOGETHER * self.period
        end_of_first_group = origin + length - self.period
        return max(0, -((end_of_first_group - fine_from) // length)) * TOGETHER

    def first_lines(self, accident: Accident) -> list[str]:
        """Messages for the periods that are running when an accident begins, ended early by it."""
        lines = []
        for number, row in enumerate(self._rows):
            effect = accident.effect_on(row.segment.id)
            if effect is not None:
                began = accident.begins - (accident.begins - midnight(EPOCH) - row.phase) % self.period
                began = min(began, accident.begins - ACCIDENT_PERIOD)
                lines.append(self._line(number, row, began, accident.begins, accident))
        return lines

    def day(self, day: date) -> DayTraffic:
        """The figures of one local day; the same for the same seed and segments, whenever asked."""
        if day not in self._days:
            self._days[day] = self._compute(day)
            for old in sorted(self._days)[:-DAYS_KEPT]:
                del self._days[old]
        return self._days[day]

    def _compute(self, day: date) -> DayTraffic:
        count = DAY // self.period
        shared = 1 + 0.03 * _drift(self._seed, "province", day, count)
        vehicles = np.empty((len(self._rows), count), dtype=np.int32)
        speed = np.empty((len(self._rows), count), dtype=np.float32)
        occupancy = np.empty((len(self._rows), count), dtype=np.float32)
        knots, level = _DEMAND[day_kind(day)]
        hours, shares = np.array(knots).T
        for number, row in enumerate(self._rows):
            segment, kind = row.segment, row.segment.kind
            clock = (row.phase + self.period * (np.arange(count) + 0.5)) / 3600
            own = math.exp(0.06 * float(_stream(self._seed, segment.id, EPOCH, 2).standard_normal()))
            noise = _stream(self._seed, segment.id, day, 1).standard_normal((2, count))
            load = level * np.interp(clock, hours, shares) * shared * own
            load *= kind.peak_load * (0.35 + 0.65 * segment.urbanity)
            load *= 1 + 0.06 * _drift(self._seed, segment.id, day, count)
            expected = np.clip(load, 0, 1) * kind.capacity_per_hour * self.period / 3600
            vehicles[number] = np.clip(np.rint(expected + np.sqrt(np.maximum(expected, 0)) * noise[0]), 0, None)
            mean = kind.free_speed_kmh / (1 + BPR_ALPHA * np.maximum(load, 0) ** BPR_BETA)
            speed[number] = np.clip(mean * (1 + 0.03 * noise[1]), 4, kind.free_speed_kmh * 1.1)
            occupancy[number] = _covered(vehicles[number] * (3600 / self.period / kind.lanes) / speed[number])
        return DayTraffic(vehicles, speed, occupancy)

    def _regular_lines(
        self, number: int, row: _Row, ends: range, accidents: Sequence[Accident]
    ) -> list[tuple[int, int, str]]:
        """The messages of a segment without the periods that an accident touches."""
        return [
            (end, number, self._line(number, row, end - self.period, end))
            for end in ends
            if not any(_touches(accident, row.segment, end - self.period, end) for accident in accidents)
        ]

    def _accident_lines(self, begin: int, end: int, accidents: Sequence[Accident]) -> list[tuple[int, int, str]]:
        """The frequent messages of the segments around accidents; where two overlap, the later one counts."""
        found: list[tuple[int, int, str]] = []
        for accident in accidents:
            later = [other for other in accidents if other.begins > accident.begins]
            for until in range(accident.begins + ACCIDENT_PERIOD, accident.ends + 1, ACCIDENT_PERIOD):
                if begin <= until < end:
                    since = until - ACCIDENT_PERIOD
                    found.extend(
                        (until, number, self._line(number, row, since, until, accident))
                        for number, row in enumerate(self._rows)
                        if accident.effect_on(row.segment.id)
                        and not any(_touches(other, row.segment, since, until) for other in later)
                    )
        return found

    def _line(self, number: int, row: _Row, begin: int, end: int, accident: Accident | None = None) -> str:
        """One message over any span, as the segment's day has it or as an accident leaves it."""
        effect = accident.effect_on(row.segment.id) if accident else None
        strength = accident.strength(end) if accident else 0.0
        keep_speed = 1 - (1 - effect.speed) * strength if effect else 1.0
        keep_flow = 1 - (1 - effect.flow) * strength if effect else 1.0
        began = begin - row.phase
        day, column = local_date(began), (began - midnight(local_date(began))) // self.period
        today, kind, span = self.day(day), row.segment.kind, end - begin
        vehicles = int(today.vehicles[number, column] * keep_flow * span / self.period + 0.5)
        speed = max(3.0, float(today.speed_kmh[number, column]) * keep_speed)
        occupancy = float(today.occupancy[number, column])
        if effect:
            occupancy = 1 - math.exp(-vehicles * 3600 / span / kind.lanes / speed * VEHICLE_KM)
        return _text(row, _iso(begin), _iso(end), vehicles, speed, occupancy, span)


def _touches(accident: Accident, segment: RoadSegment, begin: int, end: int) -> bool:
    return begin < accident.ends and end > accident.begins and accident.effect_on(segment.id) is not None


def _opening(segment: RoadSegment) -> str:
    asset = msgspec.json.encode(segment.id).decode()[1:-1]
    name = asset.split("RoadSegment:")[-1]
    return (
        f'{{"id":"urn:ngsi-ld:TrafficFlowObserved:{name}","type":"TrafficFlowObserved",'
        f'"refRoadSegment":"{asset}","dateObserved":"'
    )


def _text(row: _Row, begin: str, end: str, vehicles: int, speed_kmh: float, covered: float, seconds: int) -> str:
    """A message; without vehicles there is neither a mean speed nor a headway to tell."""
    if vehicles == 0:
        return f'{row.opening}{begin}/{end}","intensity":0,"occupancy":0,"congested":false}}'
    congested = "true" if speed_kmh < row.congested_below else "false"
    headway = row.segment.kind.lanes * seconds / vehicles
    return (
        f'{row.opening}{begin}/{end}","intensity":{vehicles},"averageVehicleSpeed":{speed_kmh:.1f},'
        f'"occupancy":{covered:.3f},"averageHeadwayTime":{headway:.2f},"congested":{congested}}}'
    )


def _covered(density_per_km: Floats) -> Floats:
    """Share of the time that a loop in a lane is covered, from the density of vehicles in the lane."""
    return np.asarray(1 - np.exp(-density_per_km * VEHICLE_KM))


def _stream(seed: int, name: str, day: date, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), (day - EPOCH).days, purpose])


def _drift(seed: int, name: str, day: date, count: int) -> Floats:
    """Noise that changes slowly and runs on over midnight: knots each quarter of an hour, joined by lines."""
    knots = np.empty(KNOTS_PER_DAY + 1)
    knots[:-1] = _stream(seed, name, day, 0).standard_normal(KNOTS_PER_DAY)
    knots[-1] = _stream(seed, name, day + timedelta(days=1), 0).standard_normal()
    at = np.arange(count) * (KNOTS_PER_DAY / count)
    return np.asarray(np.interp(at, np.arange(KNOTS_PER_DAY + 1), knots))


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _clock(begin: int, end: int) -> list[str]:
    """ISO times of all seconds of a span: written once, used by every segment."""
    return [f"{text}Z" for text in np.datetime_as_string(np.arange(begin, end).astype("datetime64[s]")).tolist()]
