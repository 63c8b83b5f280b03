"""The provinces that the project ships: the reform of 1 July 2025, the shapes, the roads, and their source."""

import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import shapely
from shapely.geometry import shape

from ioc.model.province_files import Province, read_province
from scripts.draw_province import PLANS, draw, short

PROVINCES = Path(__file__).resolve().parents[2] / "provinces"
BEFORE, AFTER = date(2025, 6, 30), date(2025, 7, 1)


@pytest.fixture(scope="module")
def binh_duong() -> Province:
    return read_province(PROVINCES / "binh_duong")


@pytest.fixture(scope="module")
def shapes(binh_duong: Province) -> dict[str, shapely.Geometry]:
    boundaries = binh_duong.boundaries()
    assert boundaries is not None
    return {one["properties"]["unit"]: shape(one["geometry"]) for one in boundaries["features"]}


@pytest.mark.parametrize(
    ("folder", "day", "levels", "root"),
    [
        ("binh_duong", date(1997, 1, 1), {"province": 1, "district": 9, "commune": 91}, "Tỉnh Bình Dương"),
        ("binh_duong", BEFORE, {"province": 1, "district": 9, "commune": 91}, "Tỉnh Bình Dương"),
        ("binh_duong", AFTER, {"province": 1, "commune": 36}, "Thành phố Hồ Chí Minh"),
        ("binh_phuoc", BEFORE, {"province": 1, "district": 11, "commune": 111}, "Tỉnh Bình Phước"),
        ("binh_phuoc", AFTER, {"province": 1, "commune": 40}, "Tỉnh Đồng Nai"),
    ],
)
def test_tree_of_the_day(folder: str, day: date, levels: dict[str, int], root: str) -> None:
    territory = read_province(PROVINCES / folder).territory
    assert Counter(unit.level for unit in territory.units_at(day)) == levels
    (top,) = territory.roots(day)
    assert top.name == root
    assert len(territory.descendants(top.id, day)) == sum(levels.values())


@pytest.mark.parametrize("folder", ["binh_duong", "binh_phuoc"])
def test_every_older_commune_went_somewhere_and_nothing_of_it_was_lost(folder: str) -> None:
    territory = read_province(PROVINCES / folder).territory
    communes = [unit for unit in territory.units_at(BEFORE) if unit.level == "commune"]
    for commune in communes:
        successors = territory.successors_of(commune.id)
        assert sum(one.share for one in successors) == pytest.approx(1)
        assert (len(successors) == 1) == (successors[0].kind == "whole")
        default = next(one for one in successors if one.is_default)
        assert default.share == max(one.share for one in successors)
    newer = [unit for unit in territory.units_at(AFTER) if unit.level == "commune"]
    assert all(territory.predecessors_of(unit.id) for unit in newer)


def test_sixteen_communes_were_divided(binh_duong: Province) -> None:
    divided = {one.from_unit for one in binh_duong.territory.successions if one.kind == "divided"}
    assert len(divided) == 16


def test_all_new_codes_are_old_codes_with_another_meaning(binh_duong: Province) -> None:
    territory = binh_duong.territory
    for unit in territory.children("vn-79-20250701", AFTER):
        older = territory.resolve_unit(unit.code, BEFORE)
        assert older.id != unit.id
        assert older.code == unit.code
    assert territory.resolve_unit("25747", BEFORE).name == "Phường Phú Cường"
    assert territory.resolve_unit("25747", AFTER).name == "Phường Thủ Dầu Một"


def test_ben_cat_covers_seven_wards_that_were_in_four_districts(binh_duong: Province) -> None:
    territory = binh_duong.territory
    assert territory.units_of_centre("ben-cat", BEFORE) == ("vn-721-open",)
    wards = territory.units_of_centre("ben-cat", AFTER)
    assert sorted(short(territory.unit(ward).name) for ward in wards) == [
        "Bến Cát", "Chánh Phú Hòa", "Hòa Lợi", "Long Nguyên", "Phú An", "Thới Hòa", "Tây Nam",
    ]  # fmt: skip
    districts = {territory.unit(one.from_unit).parent for ward in wards for one in territory.predecessors_of(ward)}
    assert len(districts) == 4
    assert len(territory.units_of_centre("binh-duong", AFTER)) == 36


def test_segment_changes_ward_district_and_centre_at_one_midnight(binh_duong: Province) -> None:
    territory = binh_duong.territory
    segment = "urn:ngsi-ld:RoadSegment:binh-duong:ql13-05"
    before, after = territory.places_above(segment, BEFORE), territory.places_above(segment, AFTER)
    assert (len(before), len(after)) == (5, 4)
    assert before[2:] == ("vn-74-open", "binh-duong", "thuan-an")
    assert after[1:] == ("vn-79-20250701", "binh-duong", "thuan-an")


def test_every_ward_has_an_office_and_two_road_segments_with_urns(binh_duong: Province) -> None:
    territory = binh_duong.territory
    for ward in territory.children("vn-79-20250701", AFTER):
        assert len(territory.assets_of(ward.id, AFTER, "office")) == 1
        assert len(territory.assets_of(ward.id, AFTER, "road_segment")) >= 2
    segments = [asset for asset in territory.assets if asset.kind == "road_segment"]
    assert len(segments) == 250
    assert all(re.fullmatch(r"urn:ngsi-ld:RoadSegment:binh-duong:[a-z0-9-]+-\d\d", one.id) for one in segments)
    assert all(len(territory.memberships_intervals(one.id)) == 2 for one in segments)


def test_titles_are_in_both_languages(binh_duong: Province) -> None:
    territory = binh_duong.territory
    assert territory.centre("ben-cat").title_vi == "Trung tâm điều hành Bến Cát"
    assert territory.centre("binh-duong").title_vi == "Trung tâm giám sát, điều hành thông minh Bình Dương"
    segment = territory.asset("urn:ngsi-ld:RoadSegment:binh-duong:ql13-01")
    assert (segment.title_vi, segment.title_en) == ("QL13, đoạn 01 (Lái Thiêu)", "QL13, segment 01 (Lái Thiêu)")
    office = territory.asset("urn:ngsi-ld:Office:binh-duong:25966")
    assert office.title_vi == "Trung tâm Phục vụ hành chính công phường Lái Thiêu"
    assert office.title_en == "Lái Thiêu ward public administration service centre"


def test_every_unit_that_the_drawing_holds_has_a_sound_shape_around_its_point(
    binh_duong: Province, shapes: dict[str, shapely.Geometry]
) -> None:
    units = {unit.id: unit for unit in binh_duong.territory.units}
    assert set(units) - set(shapes) == {"vn-79-20250701"}
    assert all(one.is_valid for one in shapes.values())
    communes = [unit for unit in units.values() if unit.level == "commune"]
    outside = [unit.name for unit in communes if not shapes[unit.id].contains(shapely.Point(unit.lon, unit.lat))]
    assert outside == []


def test_shapes_leave_no_gap_and_do_not_overlap(shapes: dict[str, shapely.Geometry], binh_duong: Province) -> None:
    province = shapes["vn-74-open"]
    units = binh_duong.territory.units
    layers = {
        level: [one.id for one in units if one.level == level and one.valid_to] for level in ("district", "commune")
    }
    layers["today"] = [one.id for one in units if one.level == "commune" and not one.valid_to]
    for ids in layers.values():
        assert sum(shapes[one].area for one in ids) == pytest.approx(province.area, rel=1e-4)
        assert (
            shapely.union_all([shapes[one] for one in ids]).symmetric_difference(province).area < 1e-4 * province.area
        )


def test_older_commune_lies_in_its_successors(shapes: dict[str, shapely.Geometry], binh_duong: Province) -> None:
    for one in binh_duong.territory.successions:
        overlap = shapes[one.from_unit].intersection(shapes[one.to_unit]).area / shapes[one.from_unit].area
        assert overlap == pytest.approx(one.share, abs=0.01)


def test_every_road_segment_has_a_line_in_the_commune_of_its_middle(
    shapes: dict[str, shapely.Geometry], binh_duong: Province
) -> None:
    roads = binh_duong.roads()
    assert roads is not None
    lines = {one["properties"]["asset"]: shape(one["geometry"]) for one in roads["features"]}
    segments = {asset.id: asset for asset in binh_duong.territory.assets if asset.kind == "road_segment"}
    assert set(lines) == set(segments)
    for asset_id, line in lines.items():
        assert 0.8 < line.length * 110 < 2.7
        middle = shapely.Point(segments[asset_id].lon, segments[asset_id].lat)
        assert line.distance(middle) < 0.001
        for day in (BEFORE, AFTER):
            home = binh_duong.territory.unit_of(asset_id, day)
            assert home is not None
            assert shapes[home].distance(middle) < 0.002, (asset_id, home)


def test_map_file_stays_small(binh_duong: Province) -> None:
    assert (binh_duong.folder / "boundaries.geojson").stat().st_size < 400_000


def test_province_without_shapes_says_so() -> None:
    province = read_province(PROVINCES / "binh_phuoc")
    assert province.boundaries() is None
    assert province.geometry.method == "none"


def test_shapes_of_a_day_are_those_of_its_units(binh_duong: Province) -> None:
    today = binh_duong.boundaries(AFTER)
    assert today is not None
    assert len(today["features"]) == 36


@pytest.mark.real_data
def test_drawing_again_from_the_source_gives_the_same_files(real_data: Path, tmp_path: Path) -> None:
    for plan in PLANS:
        draw(plan, real_data / "units", tmp_path)
        written = sorted((tmp_path / plan.folder).iterdir())
        assert len(written) >= 6
        for path in written:
            assert path.read_bytes() == (PROVINCES / plan.folder / path.name).read_bytes(), path.name


@pytest.mark.real_data
def test_licence_of_the_units_is_kept(real_data: Path) -> None:
    name = "LICENSE.vietnamadminunits.txt"
    assert (PROVINCES / name).read_bytes() == (real_data / "units" / name).read_bytes()
