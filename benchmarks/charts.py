"""A chart of 24 hours in several units, from a PostgreSQL store as full as that of a centre after two years.

The store is filled by the database itself: mean speed at as many places as make the wanted number of rows, each place
complete in all levels for as long as the default settings keep them, in the order of time, as ingest and the roll-ups
write. A chart is then asked for in two ways: in one question for all units, with the scope of who asks, as the parts of
a page ask (`ioc.operations.view_parts`); and as nine questions of the read API, one after the other.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import numpy as np
import psycopg

from benchmarks import territory
from benchmarks.centre import Centre, synthetic_centre
from benchmarks.machine import loop_rate
from benchmarks.report import Figure, Report, measured, percentile
from benchmarks.servers import POSTGRES_OPTIONS, Absent, real_postgres
from ioc.feeds.traffic import MEAN_SPEED
from ioc.model.access import system_principal
from ioc.model.origins import Origin
from ioc.model.windows import BY_ID, COARSEST, DAY, HOUR, LEVELS, Level
from ioc.operations.places import Asked, Province, milliseconds
from ioc.operations.series import read_buckets, series, watermark
from ioc.processes.clock import milliseconds_now
from ioc.store.days import make_days
from ioc.store.engine import Store
from ioc.store.registry import load_registry
from ioc.store.territory import local_offset

GOAL_MS: Final = 50.0
UNITS: Final = 9
HOURS: Final = 24
STEP: Final = "15m"
"""Of the trend that a page draws over 24 hours."""

_YEARS_OF_DAYS: Final = 730


@dataclass(frozen=True, slots=True)
class Size:
    territory: territory.Size
    rows: int
    charts: int


FULL: Final = Size(territory.FULL, rows=50_000_000, charts=200)
TINY: Final = Size(territory.TINY, rows=700_000, charts=10)


def run(size: Size = FULL) -> Report:
    try:
        with (
            real_postgres() as server,
            synthetic_centre(size.territory, store=server.url) as centre,
        ):
            return _report(size, centre, server.url)
    except Absent as absent:
        return Report("charts", [f"not measured: {absent}"], [])


def _report(size: Size, centre: Centre, url: str) -> Report:
    began = time.perf_counter()
    units, rows = _fill(centre, url, size.rows)
    filled_s = time.perf_counter() - began
    store = Store.open(centre.settings.store)
    try:
        province = Province(store, centre.settings)
        took = {
            title: _charts(partial(ask, province, step=step), units, size.charts)
            for title, ask, step in (
                ("one question", _one_question, STEP),
                ("nine questions", _nine_questions, STEP),
                ("one question, step 1m", _one_question, "1m"),
            )
        }
        loops = [loop_rate() / 1e6 for _ in range(3)]
    finally:
        store.close()
    figures = [
        measured("machine: plain Python", loops, "M turns/s", 1),
        Figure("rows stored", f"{rows:,}", beside=f"{rows / filled_s:,.0f} rows/s while filling"),
    ]
    for title, took_ms in took.items():
        p95 = percentile(took_ms, 0.95)
        goal = f"< {GOAL_MS:g} ms" if "1m" not in title else ""
        figures += [
            measured(f"{title}, median", took_ms, "ms", 1),
            Figure(f"{title}, p95", f"{p95:.1f} ms", goal=goal, is_met=p95 < GOAL_MS if goal else None),
        ]
    workload = [
        f"{size.charts} charts of {UNITS} units each, chosen anew, of {len(units)}; one series, 24 hours by {STEP}",
        "each place is complete: 10 s for 2 days, 1 min for 14, 15 min for 90, 1 h and days for two years",
        f"PostgreSQL: {', '.join(POSTGRES_OPTIONS)}; vacuumed once after filling",
    ]
    return Report("charts", workload, figures)


def _charts(ask: Callable[[list[str], datetime], int], units: list[str], charts: int) -> list[float]:
    """Milliseconds of each chart."""
    chance, now = random.Random(1), datetime.now(UTC)
    ask(units[:UNITS], now)  # the territory is read once for each program
    took = []
    for _ in range(charts):
        chosen = chance.sample(units, UNITS)
        began = time.perf_counter()
        points = ask(chosen, now)
        took.append((time.perf_counter() - began) * 1000)
        if points < UNITS * HOURS * 4:
            raise RuntimeError(f"a chart has only {points} points")
    return took


def _one_question(province: Province, units: list[str], now: datetime, *, step: str) -> int:
    who, until = system_principal("bench"), milliseconds(now)
    with province.reading(who) as (connection, atlas):
        clock = province.clock(connection, atlas, now)
        places = [atlas.find(who, Asked(unit=unit), atlas.day(until)).number for unit in units]
        number, since = atlas.numbers.series[MEAN_SPEED.id], until - HOURS * HOUR
        table = read_buckets(
            connection, BY_ID[step], (number,), tuple(places), (int(Origin.LIVE),), since, until, clock
        )
        watermark(connection, MEAN_SPEED, clock)
    return int(table.shape[1])


def _nine_questions(province: Province, units: list[str], now: datetime, *, step: str) -> int:
    who = system_principal("bench")
    answers = [series(who, province, MEAN_SPEED.id, Asked(unit=unit), now=now, step=step) for unit in units]
    return sum(len(answer.points) for answer in answers)


# --- filling ---------------------------------------------------------------------------------------------------


def _fill(centre: Centre, url: str, rows: int) -> tuple[list[str], int]:
    """Fill all levels; the units that have rows, and how many rows there are."""
    settings, now = centre.settings, milliseconds_now()
    kept = (settings.keep_10s, settings.keep_1m, settings.keep_15m, settings.keep_1h, _YEARS_OF_DAYS)
    buckets = {level: days * DAY // level.width for level, days in zip(LEVELS, kept, strict=True)}
    store = Store.open(settings.store)
    try:
        with store.reading() as connection:
            numbers = load_registry(connection)
            offset = local_offset(connection, now)
        places = {key: number for key, number in numbers.places.items() if key.startswith("vn-")}
        wanted = min(len(places), max(UNITS, rows // sum(buckets.values())))
        chosen = dict(list(places.items())[-wanted:])
        with psycopg.connect(url, autocommit=True) as own:
            for level, days in zip(LEVELS, kept, strict=True):
                last = now // level.width * level.width
                if level is COARSEST:
                    last = (now + offset) // DAY * DAY - offset
                first = last - days * DAY + level.width
                with store.writing() as connection:
                    make_days(connection, level, np.arange(first, last + 1, level.width, dtype=np.int64))
                own.execute(
                    _insert(level), (numbers.series[MEAN_SPEED.id], first, last, level.width, [*chosen.values()])
                )
            own.execute(
                b"INSERT INTO latest SELECT %s, place, 0, %s, %s, 4000 FROM unnest(%s::int[]) AS place",
                (numbers.series[MEAN_SPEED.id], now - 60_000, now, [*chosen.values()]),
            )
            own.execute(b"VACUUM ANALYZE")
            found = own.execute(" UNION ALL ".join(f"SELECT count(*) FROM windows_{one.id}" for one in LEVELS).encode())
            total = sum(row[0] for row in found)
    finally:
        store.close()
    return list(chosen), total


def _insert(level: Level) -> bytes:
    """All places of one time after the other: count, weight, sum, min, max, last at, last."""
    per_bucket = level.width // 10_000
    return (
        f"INSERT INTO windows_{level.id} SELECT %s, place, {int(Origin.LIVE)}, start, {per_bucket}, {20 * per_bucket},"
        f" (3000 + place %% 1000) * {20 * per_bucket}::bigint, 1000, 6000, start, 3500"
        " FROM generate_series(%s::bigint, %s::bigint, %s::bigint) AS start, unnest(%s::int[]) AS place"
        " ORDER BY start, place"
    ).encode()
