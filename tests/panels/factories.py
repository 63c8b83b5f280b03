"""Documents as the operations make them: deterministic, realistic, on the province's own units and roads."""

import csv
import itertools
import math
import random
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from ioc.model.access import Principal
from ioc.model.places import Centre
from ioc.model.series import Better, Kpi, Text
from ioc.panels.document import Card, Point, Segment, SourceRow, UnitRow, View

PROVINCE = Path(__file__).resolve().parents[2] / "provinces" / "binh_duong"
NOW = datetime(2026, 11, 20, 10, 42, 8, tzinfo=UTC)  # Friday 17:42:08 in Bình Dương, the evening rush
STEP_MS = 900_000

_NOTHING = Text("", "")


def kpi(id_: str, vi: str, en: str, unit: str, better: Better, target: float | None, decimals: int) -> Kpi:
    return Kpi(
        id=id_, title=Text(vi, en), unit=unit, numerator=id_, denominator=None, span=None, factor=1, target=target,
        better=better, source=_NOTHING, owner=_NOTHING, decimals=decimals,
    )  # fmt: skip


KPIS = {
    one.id: one
    for one in (
        kpi("traffic.speed", "Tốc độ trung bình", "Mean speed", "km/h", Better.HIGHER, 30, 1),
        kpi("traffic.congested_segments", "Đoạn đường ùn tắc", "Congested segments", "đoạn", Better.LOWER, 6, 0),
        kpi("dossiers.on_time_rate", "Hồ sơ đúng hạn 7 ngày", "Dossiers on time, 7 days", "%", Better.HIGHER, 95, 1),
        kpi("dossiers.online_share", "Nộp trực tuyến 7 ngày", "Filed online, 7 days", "%", Better.HIGHER, 80, 1),
        kpi("dossiers.open_now", "Hồ sơ đang giải quyết", "Open dossiers", "hồ sơ", Better.LOWER, None, 0),
        kpi("dossiers.overdue_now", "Hồ sơ quá hạn", "Overdue dossiers", "hồ sơ", Better.LOWER, 200, 0),
    )
}
FEEDS = {"traffic": Text("Giao thông", "Traffic"), "dossiers": Text("Hồ sơ một cửa", "One-stop dossiers")}


def iso(now: datetime, age: float) -> str:
    return (now - timedelta(seconds=age)).isoformat()


def card(id_: str = "traffic.speed", *, age: float | None = 4, now: datetime = NOW, **changes: Any) -> Card:
    """A fresh card of the traffic feed (one message a minute, 30 s under way) unless told otherwise."""
    declared = KPIS[id_]
    slow = id_.startswith("dossiers")
    made: Card = {
        "id": id_,
        "series": "traffic.mean_speed" if id_ == "traffic.speed" else id_,
        "value": 34.1,
        "last_value": 34.1,
        "numerator": None,
        "denominator": None,
        "target": declared.target,
        "better": "higher" if declared.better is Better.HIGHER else "lower",
        "unit": declared.unit,
        "decimals": declared.decimals,
        "as_of": None if age is None else iso(now, age),
        "state": "on_time",
        "late_after": 87_000 if slow else 90,
        "stale_after": 259_800 if slow else 210,
        "silent_after": 1_037_400 if slow else 750,
        "origin": "simulated",
        "reporting": 36 if slow else 236,
        "expected": 36 if slow else 250,
        "spark_span": 12 * (86_400 if slow else 3600),
        "spark": [38.2, 37.9, 38.0, 37.1, 36.4, 37.0, 36.1, 35.8, 35.9, 35.0, 34.6, 34.1],
    }
    made.update(changes)  # type: ignore[typeddict-item]
    return made


def cards(now: datetime = NOW) -> list[Card]:
    return [
        card(now=now, value=27.4, last_value=27.4, spark=[36, 36.2, 35.8, 35, 34, 34.5, 33, 31.5, 30, 29.1, 28, 27.4]),
        card("traffic.congested_segments", now=now, value=9, last_value=9, spark=[2, 2, 3, 3, 4, 4, 5, 6, 6, 8, 8, 9]),
        card("dossiers.on_time_rate", now=now, age=12, value=96.4, last_value=96.4, numerator=4820, denominator=5000,
             spark=[94.6, 94.9, 94.7, 95.1, 95.3, 95.2, 95.6, 95.8, 95.8, 96.1, 96.2, 96.4]),
        card("dossiers.online_share", now=now, age=12, value=76.2, last_value=76.2, numerator=3990, denominator=5236,
             spark=[74, 74.2, 74.1, 74.9, 75, 75.3, 75.1, 75.8, 75.9, 76, 76.4, 76.2]),
        card("dossiers.open_now", now=now, age=3, value=5894, last_value=5894,
             spark=[6010, 6002, 5990, 5961, 5950, 5944, 5950, 5932, 5920, 5911, 5903, 5894]),
        card("dossiers.overdue_now", now=now, age=3, value=312, last_value=312,
             spark=[180, 178, 190, 196, 204, 221, 230, 236, 249, 265, 290, 312]),
    ]  # fmt: skip


def speed_at(hour: float) -> float:
    def bell(middle: float, width: float) -> float:
        return math.exp(-((hour - middle) ** 2) / (2 * width**2))

    return 43 - 4 * bell(13, 4.5) - 13 * bell(7.4, 0.85) - 15 * bell(17.2, 1.0)


def points(now: datetime = NOW, gap: tuple[int, int] = (40, 45), count: int = 97) -> list[Point]:
    """24 hours of quarters, some of them without a value."""
    dice = random.Random(11)
    last = int(now.timestamp() * 1000) // STEP_MS * STEP_MS
    made: list[Point] = []
    for i in range(count):
        start = last - (count - 1 - i) * STEP_MS
        hour = (start / 3_600_000 + 7) % 24
        value = None if gap[0] <= i < gap[1] else round(speed_at(hour) + dice.uniform(-1.2, 1.2), 1)
        made.append((start, value, i < count - 1))
    made[-1] = (last, 27.4, False)
    return made


@cache
def _rows(name: str) -> list[dict[str, str]]:
    with (PROVINCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def centres() -> list[Centre]:
    return [Centre(row["id"], row["title_vi"], row["title_en"], row["parent"] or None) for row in _rows("centres.csv")]


def places(_who: Principal) -> frozenset[str]:
    """What maps may show: the whole province."""
    return frozenset(row["id"] for name in ("units.csv", "assets.csv") for row in _rows(name))


def covered(centre: str) -> list[dict[str, str]]:
    """Units of today that the centre covers, finest level."""
    today = {row["id"]: row for row in _rows("units.csv") if not row["valid_to"]}
    named = {row["unit"] for row in _rows("coverage.csv") if row["centre"] == centre and not row["valid_to"]}
    communes = [row for row in today.values() if row["level"] == "commune" and row["valid_from"]]
    return [row for row in communes if row["id"] in named or row["parent"] in named]


def units(centre: str = "binh-duong", now: datetime = NOW) -> list[UnitRow]:
    dice = random.Random(766)
    made: list[UnitRow] = []
    for row in covered(centre):
        due = dice.randint(60, 260)
        value = round(min(99.6, max(86.0, dice.gauss(96.2, 2.4))), 2)
        made.append({
            "unit": row["id"], "name": row["name"], "value": value, "numerator": round(due * value / 100),
            "denominator": due, "target": 95.0, "gap": round(95 - value, 2), "open": dice.randint(60, 420),
            "overdue": round(dice.expovariate(1 / 9)), "speed": round(dice.uniform(18, 46), 1), "state": "on_time",
            "as_of": iso(now, 12), "origin": "simulated",
        })  # fmt: skip
    if len(made) > 8:
        made[8] = {**made[8], "state": "silent", "as_of": iso(now, 2_000_000), "value": None, "gap": None}
        made[20] = {**made[20], "value": None, "numerator": 0, "denominator": 0, "gap": None}
    return sorted(made, key=lambda one: (one["gap"] is None, -(one["gap"] or 0), -(one["overdue"] or 0)))


def segments(centre: str = "binh-duong", now: datetime = NOW) -> list[Segment]:
    dice = random.Random(13)
    mine = {row["id"] for row in covered(centre)}
    inside = {row["asset"] for row in _rows("asset_units.csv") if row["unit"] in mine and not row["valid_to"]}
    made: list[Segment] = []
    for row in _rows("assets.csv"):
        if row["kind"] != "road_segment" or row["id"] not in inside:
            continue
        speed = round(max(6.0, dice.gauss(36, 8)), 1)
        jam = row["group"] == "QL13" and row["id"].endswith(("-02", "-03", "-04"))
        silent = dice.random() < 0.05
        made.append({
            "asset": row["id"], "title_vi": row["title_vi"], "title_en": row["title_en"],
            "value": None if silent else 9.2 if jam else speed, "congested": jam or speed < 14,
            "state": "silent" if silent else "on_time", "as_of": iso(now, 4000 if silent else dice.uniform(5, 60)),
            "lat": float(row["lat"]), "lon": float(row["lon"]), "group": row["group"],
            "origin": "simulated",
        })  # fmt: skip
    return made


def sources(now: datetime = NOW) -> list[SourceRow]:
    return [
        {"source": "sim-traffic", "feed": "traffic", "origin": "simulated", "last_message": iso(now, 2), "lag_s": 1.4,
         "per_minute": 250, "rejected_share": 0.0, "duplicates": 0, "state": "on_time"},
        {"source": "sim-dossiers", "feed": "dossiers", "origin": "simulated", "last_message": iso(now, 21),
         "lag_s": 2.1, "per_minute": 11, "rejected_share": 0.004, "duplicates": 3, "state": "on_time"},
        {"source": "metr-la", "feed": "traffic", "origin": "replay", "last_message": iso(now, 2280), "lag_s": 301,
         "per_minute": 0, "rejected_share": 0.021, "duplicates": 0, "state": "silent"},
    ]  # fmt: skip


def view(page: str = "wall", centre: str = "binh-duong", now: datetime = NOW) -> View:
    """A full page on a busy evening: two targets missed, one source silent, a gap in the morning."""
    title = next(one for one in centres() if one.id == centre)
    return {
        "view": f"{page}:{centre}",
        "n": 1,
        "at": now.isoformat(),
        "centre": {"id": title.id, "title_vi": title.title_vi, "title_en": title.title_en},
        "cards": cards(now),
        "trend": {"series": "traffic.mean_speed", "unit": "km/h", "origin": "simulated", "step": "15m",
                  "points": points(now)},
        "units": units(centre, now),
        "segments": segments(centre, now),
        "sources": sources(now),
        "origins": ["simulated"],
        "notices": [],
    }  # fmt: skip


def silent_view(page: str = "wall", centre: str = "binh-duong", now: datetime = NOW) -> View:
    """The traffic feed fell silent 38 minutes ago; the dossiers go on."""
    made = deepcopy(view(page, centre, now))
    for one in made["cards"]:
        if one["series"].startswith("traffic"):
            one.update({"as_of": iso(now, 2280), "state": "silent", "value": None, "reporting": 0})
    made["segments"] = [{**one, "state": "silent", "as_of": iso(now, 2280)} for one in made["segments"]]
    made["trend"]["points"] = made["trend"]["points"][:-3]
    made["sources"][0] = {**made["sources"][0], "state": "silent", "last_message": iso(now, 2280), "per_minute": 0}
    return made


def empty_view(page: str = "wall", centre: str = "binh-duong", now: datetime = NOW) -> View:
    """A store in which nothing has arrived yet."""
    made = deepcopy(view(page, centre, now))
    for one in made["cards"]:
        one.update({"value": None, "last_value": None, "numerator": None, "denominator": None, "as_of": None,
                    "state": "silent", "reporting": 0, "origin": None, "spark": [None] * 12})  # fmt: skip
    made["trend"] = {**made["trend"], "points": [], "origin": None}
    made["units"] = [
        {**one, "value": None, "numerator": None, "denominator": None, "gap": None, "open": None, "overdue": None,
         "speed": None, "state": "silent", "as_of": None, "origin": None}
        for one in made["units"]
    ]  # fmt: skip
    made["segments"] = [
        {**one, "value": None, "congested": False, "state": "silent", "as_of": None, "origin": None}
        for one in made["segments"]
    ]
    made["sources"] = []
    made["origins"] = []
    return made


def aged_view(page: str = "wall", centre: str = "binh-duong", now: datetime = NOW) -> View:
    """Every state at once, with the longest texts that they make."""
    made = deepcopy(view(page, centre, now))
    ages = (205, 745, 300_000, 200_000, 80_000, 2_000_000)
    states = ("late", "stale", "stale", "late", "on_time", "silent")
    for one, age, state in zip(made["cards"], ages, states, strict=True):
        one.update({"as_of": iso(now, age), "state": state})  # type: ignore[typeddict-item]
    unit_ages = {"on_time": 5, "late": 90_000, "stale": 300_000, "silent": 2_000_000}
    for row, state in zip(made["units"], itertools.cycle(unit_ages), strict=False):
        row.update({"state": state, "as_of": iso(now, unit_ages[state])})  # type: ignore[typeddict-item]
    made["sources"] = [
        {**made["sources"][0], "state": state, "source": f"{state}-source-of-the-province"}
        for state in ("late", "stale", "silent", "on_time")
    ]
    made["origins"] = ["simulated", "replay", "exercise"]
    return made


VIEWS = {"busy": view, "silent": silent_view, "empty": empty_view, "aged": aged_view}


def without_target(id_: str) -> Kpi:
    return replace(KPIS[id_], target=None)
