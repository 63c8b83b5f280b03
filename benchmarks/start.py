"""The second start: from `python -m ioc run` with the store of before to the first live number that anybody can read.

The first start tells the simulators' past (a day of traffic, ninety days of dossiers), and is not timed. A number is
live when its as-of time lies after the start; it is asked for at the read API, as a screen of the centre would be.
"""

import http.client
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any, Final

import msgspec

from benchmarks.centre import Centre, shipped_centre
from benchmarks.machine import loop_rate
from benchmarks.report import Report, measured
from ioc.processes.run import HISTORY_DONE

GOAL_S: Final = 10.0
CENTRE: Final = "binh-duong"
SERIES: Final = "traffic.mean_speed"
EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Size:
    starts: int
    with_past: bool


FULL: Final = Size(starts=5, with_past=True)
TINY: Final = Size(starts=1, with_past=False)


def run(size: Size = FULL) -> Report:
    ready: list[float] = []
    live: list[float] = []
    loops: list[float] = []
    with shipped_centre() as centre:
        if not size.with_past:
            (centre.settings.data / HISTORY_DONE).write_text("left out\n", encoding="ascii")
        centre.live_through_a_first_start(until=lambda: _is_live(centre, EVER))
        for _ in range(size.starts):
            loops.append(loop_rate() / 1e6)
            began = datetime.now(UTC)
            clock = time.perf_counter()
            centre.start("run")
            centre.wait(centre.is_ready, "ready")
            ready.append(time.perf_counter() - clock)
            centre.wait(partial(_is_live, centre, began), "a live number")
            live.append(time.perf_counter() - clock)
            centre.stop()
    past = "a day of traffic and ninety days of dossiers" if size.with_past else "next to nothing"
    figures = (
        measured("machine: plain Python", loops, "M turns/s", 1),
        measured("second start until ready", ready, "s", 1),
        replace(
            measured("second start to first live number", live, "s", 1),
            goal=f"≤ {GOAL_S:g} s",
            is_met=median(live) <= GOAL_S,
        ),
    )
    workload = (
        f"{size.starts} × `python -m ioc run` with simulators at their default rate; the store holds {past}",
        f"live: {SERIES} of {CENTRE} in the read API, with an as-of time after the start of the process",
    )
    return Report("start", workload, figures)


def _is_live(centre: Centre, began: datetime) -> bool:
    value = _value(centre)
    return value is not None and value["value"] is not None and datetime.fromisoformat(value["as_of"]) >= began


def _value(centre: Centre) -> dict[str, Any] | None:
    """What the centre says of the series now; None while it does not answer."""
    settings = centre.settings
    file = settings.data / "simulators.key"
    if not file.exists():
        return None
    key = file.read_text(encoding="ascii").strip()
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=5)
    try:
        connection.request("GET", f"/api/v1/snapshot?centre={CENTRE}", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        if answer.status != 200:
            return None
        values: list[dict[str, Any]] = msgspec.json.decode(answer.read())["values"]
        return next(value for value in values if value["series"] == SERIES)
    except OSError:
        return None
    finally:
        connection.close()
