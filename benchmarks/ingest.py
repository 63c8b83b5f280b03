"""Ingest, end to end on the embedded broker and store: log → decode → windows → committed, while jobs run.

The log is filled first. Then this process works it off without a pause, with the same `Ingest` as `python -m ioc
ingest`, and a second process runs `python -m ioc jobs` on the same store. An observation is one number that a message
gives.
"""

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import messages, territory
from benchmarks.centre import Centre, synthetic_centre
from benchmarks.machine import Baseline
from benchmarks.report import Figure, Report, measured
from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.feeds import traffic
from ioc.model.windows import MINUTE
from ioc.processes.clock import milliseconds_now
from ioc.processes.ingest import make_ingest
from ioc.store.engine import Store
from ioc.streams.ingest import Ingest

GOAL: Final = 100_000
LAG_GOAL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: `windows` of ten seconds make a round at 5 values per row, five times as many at 1."""

    territory: territory.Size
    windows: int
    rounds: int
    baselines: int


FULL: Final = Size(territory.FULL, windows=2, rounds=5, baselines=3)
TINY: Final = Size(territory.TINY, windows=1, rounds=2, baselines=1)


@dataclass(slots=True)
class Marks:
    """How long marks of roll-ups wait, seen from outside: each is looked at when a batch has been committed."""

    path: Path
    seen: dict[tuple[int, int, int], float] = field(default_factory=dict)
    oldest_s: float = 0.0

    def look(self) -> bool:
        """Whether any mark waits now."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT id, level, length(keys) FROM marks").fetchall()
        now = time.perf_counter()
        self.seen = {row: self.seen.get(row, now) for row in rows}
        self.oldest_s = max(self.oldest_s, now - min(self.seen.values(), default=now))
        return bool(rows)


@dataclass(frozen=True, slots=True)
class Run:
    """What one shape of workload gave: observations per second of each round, and how far roll-ups trailed."""

    rates: list[float]
    messages: int
    oldest_mark_s: float
    drained_s: float


def run(size: Size = FULL) -> Report:
    baseline = Baseline.empty()
    runs = {per_row: _run(size, per_row, baseline) for per_row in (5, 1)}
    decoded, upserted = median(baseline.decoded) * messages.READINGS, median(baseline.upserted)
    figures = baseline.figures()
    for per_row, done in runs.items():
        rate, lag = median(done.rates), max(done.oldest_mark_s, done.drained_s)
        with_goal = per_row == 5
        figures += [
            replace(
                measured(f"ingest, {per_row} per row", done.rates, "observations/s"),
                beside=f"{rate / decoded:.2f} × bare read + decode, {rate / upserted:.2f} × plain upserts",
                goal=f"≥ {GOAL:,}/s" if with_goal else "",
                is_met=rate >= GOAL if with_goal else None,
            ),
            Figure(
                f"roll-up lag, {per_row} per row",
                f"{lag:.1f} s",
                beside=f"oldest mark {done.oldest_mark_s:.1f} s, all done {done.drained_s:.1f} s after the end",
                goal=f"≤ {LAG_GOAL_S:g} s",
                is_met=lag <= LAG_GOAL_S,
            ),
        ]
    return Report("ingest", _workload(size, runs), figures)


def _workload(size: Size, runs: dict[int, Run]) -> list[str]:
    where = size.territory
    counts = ", ".join(f"{done.messages:,} at {per_row} per row" for per_row, done in runs.items())
    return [
        f"official TrafficFlowObserved with all fields of its example, {len(messages.message(0, 0, 1))} bytes;"
        f" {messages.READINGS} observations in each (one is the absent `congested`, which says: not congested)",
        f"{where.assets:,} assets, {where.units:,} units in {where.levels} levels, {1 + territory.BRANCHES} centres;"
        f" batch ids for each {messages.REQUEST:,} messages; {size.rounds} rounds, jobs running in a second process",
        f"messages: {counts}; n per row: values of one series and asset in one 10 s window and one batch",
    ]


def _run(size: Size, per_row: int, baseline: Baseline) -> Run:
    with synthetic_centre(size.territory) as centre:
        settings = centre.settings
        store, broker = Store.open(settings.store), open_broker(settings)
        try:
            marks = Marks(Path(settings.store.removeprefix("sqlite:///")))
            ingest = make_ingest(settings, store, broker, milliseconds_now())
            ingest.start(milliseconds_now())
            windows = size.windows * size.rounds * 5 // per_row
            first = (milliseconds_now() - MINUTE) // messages.WINDOW_MS * messages.WINDOW_MS
            first -= windows * messages.WINDOW_MS
            _warm_up(centre, broker, ingest, marks, first - messages.WINDOW_MS)
            count = _fill(broker, messages.in_order(size.territory.assets, windows, per_row, first), f"n{per_row}")
            baseline.measure(broker, settings.data, size.baselines)
            rates = _worked_off(ingest, count, size.rounds, marks)
            drained_s = centre.wait(lambda: not marks.look(), "all marks worked off", every_s=0.1)
            centre.stop()
            baseline.measure(broker, settings.data, size.baselines)
        finally:
            broker.close()
            store.close()
    return Run(rates, count, marks.oldest_s, drained_s)


def _warm_up(centre: Centre, broker: Broker, ingest: Ingest, marks: Marks, at: int) -> None:
    """Run a little through everything, and wait until jobs are there and have rolled it up."""
    _fill(broker, messages.in_order(messages.REQUEST // 10, 1, 5, at), "warm-up")
    while ingest.step(milliseconds_now()):
        pass
    centre.start("jobs")
    centre.wait(lambda: not marks.look(), "jobs at work", every_s=0.1)
    marks.oldest_s = 0.0


def _fill(broker: Broker, requests: Iterable[tuple[int, int, int]], name: str) -> int:
    count = 0
    for records in messages.records(iter(requests), name):
        broker.append(traffic.FEED.topic, records, milliseconds_now())
        count += len(records)
    return count


def _worked_off(ingest: Ingest, count: int, rounds: int, marks: Marks) -> list[float]:
    """Apply everything; observations per second of each round."""
    rates: list[float] = []
    done, done_before, seconds = 0, 0, 0.0
    while done < count:
        began = time.perf_counter()
        applied = ingest.step(milliseconds_now())
        seconds += time.perf_counter() - began
        if not applied:
            raise RuntimeError(f"the log ends after {done:,} of {count:,} messages")
        marks.look()
        done += applied
        if done * rounds >= count * (len(rates) + 1):
            rates.append((done - done_before) * messages.READINGS / seconds)
            done_before, seconds = done, 0.0
    return rates
