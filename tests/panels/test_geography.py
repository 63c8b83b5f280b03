"""Outlines of today: the finest level of units that is valid on the day."""

import json
import shutil
from datetime import date
from pathlib import Path

from ioc.panels.geography import Geographies, read_geography
from tests.panels.factories import PROVINCE, covered


def _units(day: date) -> set[str]:
    geography = read_geography(PROVINCE, day)
    assert geography is not None
    return set(geography.units)


def test_the_units_are_those_of_the_day() -> None:
    today = _units(date(2026, 11, 20))
    assert today == {row["id"] for row in covered("binh-duong")}
    before = _units(date(2025, 6, 30))
    assert len(before) == 91
    assert not today & before


def test_roads_carry_their_assets_and_a_schematic_says_so() -> None:
    geography = read_geography(PROVINCE, date(2026, 11, 20))
    assert geography is not None
    assert geography.schematic
    roads = json.loads(geography.text("roads", geography.roads))["features"]
    assert {"asset", "road"} == set(roads[0]["properties"])
    assert len(geography.text("units", geography.units)) < 100_000


def test_only_what_the_reader_may_see_is_drawn() -> None:
    geography = read_geography(PROVINCE, date(2026, 11, 20))
    assert geography is not None
    unit, road = sorted(geography.units)[0], sorted(geography.roads)[0]
    (shape,) = json.loads(geography.text("units", {unit, road}))["features"]
    assert shape["properties"]["unit"] == unit
    (line,) = json.loads(geography.text("roads", {unit, road}))["features"]
    assert line["properties"]["asset"] == road
    assert json.loads(geography.text("roads", ())) == {"type": "FeatureCollection", "features": []}


def test_a_province_without_outlines_has_no_map(tmp_path: Path) -> None:
    assert read_geography(tmp_path, date(2026, 11, 20)) is None


def test_what_was_read_is_kept_until_the_day_changes(tmp_path: Path) -> None:
    folder = tmp_path / "province"
    shutil.copytree(PROVINCE, folder)
    geographies = Geographies(folder)
    first = geographies.on(date(2026, 11, 20))
    assert geographies.on(date(2026, 11, 20)) is first
    (folder / "boundaries.geojson").unlink()
    assert geographies.on(date(2026, 11, 21)) is None
