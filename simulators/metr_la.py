"""Replay of real traffic: three days of 207 loop detectors of Los Angeles (METR-LA), on road segments of the
province.

The file's columns, in their order, stand on the province's road segments in the order of their ids;
`mapping` is that table. Speeds turn from miles into kilometres per hour; nothing that the file lacks
(counts, occupancy) is invented.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulators.errors import SimulatorError
from simulators.places import RoadSegment
from simulators.province import Request

FILE_NAME = "metr_la_speed_2012-03-01_03.csv"
FIRST_ROW = datetime(2012, 3, 1, tzinfo=ZoneInfo("America/Los_Angeles"))
STEP = timedelta(minutes=5)
ROWS_PER_DAY = 288
KMH_PER_MPH = 1.609344
OUTAGE_ROWS = 6  # gaps come in outages of half an hour, as those of real detectors do


@dataclass(frozen=True, slots=True)
class MetrLa:
    """The file: a row each five minutes, a column for each detector, in miles per hour."""

    sensors: tuple[str, ...]
    speed_mph: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file, ready to be sent once its five minutes are over."""

    ends: datetime
    lines: tuple[str, ...]


def read_metr_la(folder: Path, days: int | None = None) -> MetrLa:
    """Reads the file in a folder (or the file itself), or its first days only."""
    path = folder / FILE_NAME if folder.is_dir() else folder
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        speeds = np.array(rows, dtype=np.float64)
    except FileNotFoundError as error:
        raise SimulatorError(f"{path} does not exist: give the folder that holds {FILE_NAME}.") from error
    except ValueError as error:
        raise SimulatorError(f"{path} is no table of speeds: {error}") from error
    if speeds.ndim != 2 or speeds.shape[1] != len(header):
        raise SimulatorError(f"{path} has rows of another length than its header of {len(header)} sensors.")
    return MetrLa(tuple(header), speeds[: days * ROWS_PER_DAY] if days else speeds)


def mapping(sensors: Sequence[str], segments: Sequence[RoadSegment]) -> list[tuple[str, RoadSegment]]:
    """The table sensor → segment: the file's order onto the order of ids. Sensors beyond the segments are
    left out.
    """
    return list(zip(sensors, sorted(segments, key=lambda segment: segment.id), strict=False))


def whole_days_to(last: datetime, latest: datetime) -> timedelta:
    """The shift by whole days that brings a moment as near to the latest allowed one as it can, not beyond
    it.
    """
    return timedelta(days=(latest - last) // timedelta(days=1))


def shift(rows: int, speed: float, now: datetime) -> timedelta:
    """The shift by whole days after which no row is sent before its time: the last is not in the future at
    the end.
    """
    played = STEP * (rows - 1) / speed if speed else timedelta()
    first_end, last_end = FIRST_ROW + STEP, FIRST_ROW + STEP * rows
    return min(whole_days_to(last_end, now + played), whole_days_to(first_end, now))


def gaps(shape: tuple[int, ...], seed: int, share: float) -> NDArray[np.bool_]:
    """Which readings are missing: about this share of all, in outages of half an hour, the same for the same
    seed.
    """
    rows, sensors = shape
    outages = -(-rows // OUTAGE_ROWS)
    missing = np.zeros(outages * sensors, dtype=np.bool_)
    chosen = np.random.default_rng([seed, rows, sensors]).permutation(missing.size)
    missing[chosen[: round(share * missing.size)]] = True
    return np.asarray(np.repeat(missing.reshape(outages, sensors), OUTAGE_ROWS, axis=0)[:rows])


def rows_to_send(
    data: MetrLa,
    table: Sequence[tuple[str, RoadSegment]],
    shifted: timedelta,
    missing: NDArray[np.bool_] | None = None,
) -> Iterator[Row]:
    """The file's rows as messages, in their order."""
    openings = [
        f'{{"id":"urn:ngsi-ld:TrafficFlowObserved:metr-la:{sensor}","type":"TrafficFlowObserved",'
        f'"refRoadSegment":{msgspec.json.encode(segment.id).decode()},"dateObserved":"'
        for sensor, segment in table
    ]
    for number, speeds in enumerate(data.speed_mph):
        begins = FIRST_ROW + STEP * number + shifted
        span = f'{_iso(begins)}/{_iso(begins + STEP)}","averageVehicleSpeed":'
        yield Row(
            begins + STEP,
            tuple(
                f"{opening}{span}{round(mph * KMH_PER_MPH, 3)}}}"
                for column, (opening, mph) in enumerate(zip(openings, speeds.tolist(), strict=False))
                if missing is None or not missing[number, column]
            ),
        )


def rows_per_request(speed: float) -> int:
    """How many rows go into one request: one where they are watched, about 1,900 messages where it is to be
    quick.
    """
    return 9 if speed == 0 or speed > 600 else 1


def batches(rows: Iterator[Row], rows_each: int, most: int | None = None) -> Iterator[tuple[datetime, Request]]:
    """Requests and the moment from which each may be sent; ends after `most` messages."""
    left = most
    lines: list[str] = []
    for number, row in enumerate(rows, start=1):
        lines += row.lines if left is None else row.lines[:left]
        if left is not None:
            left -= min(left, len(row.lines))
        if lines and (number % rows_each == 0 or left == 0):
            yield row.ends, Request("traffic", "\n".join(lines).encode(), len(lines))
            lines = []
        if left == 0:
            return
    if lines:
        yield row.ends, Request("traffic", "\n".join(lines).encode(), len(lines))


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
