"""Builds the folders `provinces/binh_duong` and `provinces/binh_phuoc` from lists of administrative units.

    python -m scripts.draw_province FOLDER_WITH_THE_LISTS [--into provinces]

The lists are those of vietnamadminunits (MIT, notice kept in `provinces/`): units before and after 1 July 2025, which
older commune went to which newer one, and the points of all communes around. The same lists give the same files.
It writes data only; `province.toml` is written by hand and left alone.
"""

import argparse
import csv
import math
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.draw_map import Drawing, draw_map, write_features
from scripts.draw_roads import BINH_DUONG, Road
from scripts.draw_shapes import Projection

REFORM = "2025-07-01"
SEGMENTS = 250
TYPES = ("Thành phố ", "Thị xã ", "Thị trấn ", "Huyện ", "Phường ", "Tỉnh ", "Xã ")
TYPES_EN = {"phường": "ward", "xã": "commune"}
Row = Mapping[str, str]
Records = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the lists do not say of a province; without roads it gets no shapes and no segments."""

    folder: str
    title: str
    code: str
    projection: Projection
    roads: tuple[Road, ...] = ()

    @property
    def id(self) -> str:
        return slug(self.title)


PLANS = (
    Plan("binh_duong", "Bình Dương", "74", Projection(11.15, 106.65), BINH_DUONG),
    Plan("binh_phuoc", "Bình Phước", "70", Projection(11.75, 106.9)),
)


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of one province, and the points around both."""

    before: Sequence[Row]
    after: Sequence[Row]
    moves: Sequence[Row]
    around_before: Sequence[Row]
    around_after: Sequence[Row]

    @property
    def province_after(self) -> tuple[str, str]:
        code = self.after[0]["provinceCode"]
        return code, next(row["province"] for row in self.around_after if row["provinceCode"] == code)


def slug(name: str) -> str:
    """A name in lower-case letters without accents, words joined by hyphens."""
    plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return "-".join("".join(letter if letter.isalnum() else " " for letter in letters).split())


def short(name: str) -> str:
    """The name without its type: Phường Lái Thiêu → Lái Thiêu."""
    return next((name.removeprefix(kind) for kind in TYPES if name.startswith(kind)), name)


def old_id(code: str) -> str:
    return f"vn-{code}-open"


def new_id(code: str) -> str:
    return f"vn-{code}-{REFORM.replace('-', '')}"


def units(plan: Plan, lists: Lists) -> Records:
    """Top-down, the older tree first. A province's point is the mean of its communes' points."""
    lat, lon = _middle(lists.before, "wardLat", "wardLon")
    province = old_id(plan.code)
    records = [_unit(province, plan.code, lists.before[0]["province"], "province", "", lat, lon)]
    districts = {row["districtCode"]: row for row in lists.before}
    records += [
        _unit(old_id(code), code, row["district"], "district", province, row["districtLat"], row["districtLon"])
        for code, row in districts.items()
    ]
    records += [
        _unit(
            old_id(row["wardCode"]), row["wardCode"], row["ward"], "commune", old_id(row["districtCode"]),
            row["wardLat"], row["wardLon"],
        )
        for row in lists.before
    ]  # fmt: skip
    code, name = lists.province_after
    lat, lon = _middle([row for row in lists.around_after if row["provinceCode"] == code], "lat", "lon")
    records.append(_unit(new_id(code), code, name, "province", "", lat, lon))
    records += [
        {
            **_unit(
                new_id(row["wardCode"]), row["wardCode"], row["ward"], "commune", new_id(code), row["lat"], row["lon"]
            ),
            "area_km2": row["areaKm2"],
        }
        for row in lists.after
    ]
    return records


def _unit(unit_id: str, code: str, name: str, level: str, parent: str, lat: str, lon: str) -> dict[str, object]:
    is_old = unit_id.endswith("-open")
    return {
        "id": unit_id,
        "code": code,
        "name": name,
        "level": level,
        "parent": parent,
        "valid_from": "" if is_old else REFORM,
        "valid_to": REFORM if is_old else "",
        "lat": lat,
        "lon": lon,
        "area_km2": "",
    }


def _middle(rows: Sequence[Row], lat: str, lon: str) -> tuple[str, str]:
    return (
        f"{sum(float(row[lat]) for row in rows) / len(rows):.4f}",
        f"{sum(float(row[lon]) for row in rows) / len(rows):.4f}",
    )


def successions(lists: Lists, shares: Mapping[tuple[str, str], float]) -> Records:
    """Shares of divided communes come from the drawing; without one, only whole communes can be written."""
    return [
        {
            "from_unit": old_id(row["oldWardCode"]),
            "to_unit": new_id(row["newWardCode"]),
            "kind": row["kind"],
            "share": 1 if row["kind"] == "whole" else f"{shares[row['oldWardCode'], row['newWardCode']]:.4f}",
            "method": "source" if row["kind"] == "whole" else "schematic_overlap",
            "is_default": "true" if row["isDefault"] == "1" else "false",
        }
        for row in lists.moves
    ]


def centres(plan: Plan, lists: Lists) -> Records:
    """One for the province and one for each former district."""

    def centre(title: str, kind_vi: str, kind_en: str, parent: str) -> dict[str, object]:
        return {
            "id": slug(title),
            "title_vi": f"{kind_vi} {title}",
            "title_en": f"{title} {kind_en}",
            "parent": parent,
        }

    districts = dict.fromkeys(short(row["district"]) for row in lists.before)
    top = centre(plan.title, "Trung tâm giám sát, điều hành thông minh", "intelligent operations centre", "")
    return [top, *(centre(name, "Trung tâm điều hành", "operations centre", plan.id) for name in districts)]


def coverage(plan: Plan, lists: Lists) -> Records:
    """A former district's centre keeps every commune that received any part of the district; they may overlap."""
    received: dict[str, dict[str, None]] = defaultdict(dict)
    for row in lists.moves:
        received[short(row["oldDistrict"])][row["newWardCode"]] = None
    districts = {short(row["district"]): row["districtCode"] for row in lists.before}
    records = [_covers(plan.id, old_id(plan.code))]
    records += [_covers(slug(name), old_id(code)) for name, code in districts.items()]
    records += [_covers(plan.id, new_id(row["wardCode"])) for row in lists.after]
    records += [_covers(slug(name), new_id(code)) for name in districts for code in sorted(received[name])]
    return records


def _covers(centre: str, unit: str) -> dict[str, object]:
    is_old = unit.endswith("-open")
    return {
        "centre": centre,
        "unit": unit,
        "valid_from": "" if is_old else REFORM,
        "valid_to": REFORM if is_old else "",
    }


def assets(plan: Plan, lists: Lists, drawing: Drawing | None) -> tuple[Records, Records]:
    """Road segments, then the office of each newer commune: both stood where they stand before the reform."""
    found: Records = []
    belongs: Records = []
    names = {row["wardCode"]: short(row["ward"]) for row in lists.after}
    for segment in drawing.segments if drawing else ():
        asset = f"urn:ngsi-ld:RoadSegment:{plan.id}:{segment.road.id}-{segment.number:02}"
        place = names[segment.new_unit]
        found.append(
            _asset(
                asset, "road_segment", f"{segment.road.name}, đoạn {segment.number:02} ({place})",
                f"{segment.road.name}, segment {segment.number:02} ({place})", f"{segment.lat:.5f}",
                f"{segment.lon:.5f}", segment.road.name, "",
            )
        )  # fmt: skip
        belongs.append(_belongs(asset, old_id(segment.old_unit)))
        belongs.append(_belongs(asset, new_id(segment.new_unit)))
    for row in lists.after:
        kind, name = row["ward"].split(" ", 1)
        asset = f"urn:ngsi-ld:Office:{plan.id}:{row['wardCode']}"
        found.append(
            _asset(
                asset, "office", f"Trung tâm Phục vụ hành chính công {kind.lower()} {name}",
                f"{name} {TYPES_EN[kind.lower()]} public administration service centre", row["lat"], row["lon"],
                "", "",
            )
        )  # fmt: skip
        belongs.append(_belongs(asset, old_id(_commune_of_then(row, lists))))
        belongs.append(_belongs(asset, new_id(row["wardCode"])))
    return found, belongs


def _commune_of_then(commune: Row, lists: Lists) -> str:
    """Code of the older commune, of those that the newer one was made of, whose point is nearest to its own."""
    parts = {move["oldWardCode"] for move in lists.moves if move["newWardCode"] == commune["wardCode"]}
    lat, lon = float(commune["lat"]), float(commune["lon"])
    nearest = min(
        (row for row in lists.before if row["wardCode"] in parts),
        key=lambda row: math.hypot(float(row["wardLat"]) - lat, float(row["wardLon"]) - lon),
    )
    return nearest["wardCode"]


def _asset(
    asset_id: str, kind: str, title_vi: str, title_en: str, lat: str, lon: str, group: str, valid_from: str
) -> dict[str, object]:
    return {
        "id": asset_id,
        "kind": kind,
        "title_vi": title_vi,
        "title_en": title_en,
        "lat": lat,
        "lon": lon,
        "group": group,
        "valid_from": valid_from,
        "valid_to": "",
    }


def _belongs(asset: str, unit: str) -> dict[str, object]:
    covers = _covers("", unit)
    return {"asset": asset, "unit": unit, "valid_from": covers["valid_from"], "valid_to": covers["valid_to"]}


def write_table(path: Path, records: Records) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


def read_list(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def draw(plan: Plan, source: Path, into: Path) -> str:
    """Writes the province's folder; answers what was written, in one line."""
    lists = Lists(
        before=read_list(source / f"{plan.folder}_legacy_units.csv"),
        after=read_list(source / f"{plan.folder}_2025_wards.csv"),
        moves=read_list(source / f"{plan.folder}_old_to_2025.csv"),
        around_before=read_list(source / "around_legacy_communes.csv"),
        around_after=read_list(source / "around_2025_communes.csv"),
    )
    folder = into / plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    drawing = None
    if plan.roads:
        drawing = draw_map(lists.around_before, lists.after, lists.moves, plan.projection, plan.roads, SEGMENTS)
    all_units = units(plan, lists)
    all_assets, belongs = assets(plan, lists, drawing)
    write_table(folder / "units.csv", all_units)
    write_table(folder / "successions.csv", successions(lists, drawing.shares if drawing else {}))
    write_table(folder / "centres.csv", centres(plan, lists))
    write_table(folder / "coverage.csv", coverage(plan, lists))
    write_table(folder / "assets.csv", all_assets)
    write_table(folder / "asset_units.csv", belongs)
    if drawing is not None:
        write_shapes(folder, plan, lists, drawing, all_units)
    said = f"{folder}: {len(all_units)} units, {len(all_assets)} assets, {'shapes' if drawing else 'no shapes'}"
    return said + (f"; moved off another's point: {', '.join(drawing.moved)}" if drawing and drawing.moved else "")


def write_shapes(folder: Path, plan: Plan, lists: Lists, drawing: Drawing, all_units: Records) -> None:
    """One outline per unit that the drawing holds whole; the province after the reform is far larger than it."""
    district_of = {row["wardCode"]: row["districtCode"] for row in lists.before}
    shapes = {
        **drawing.shapes(lambda old, new: old_id(plan.code)),
        **drawing.shapes(lambda old, new: old_id(district_of[old])),
        **drawing.shapes(lambda old, new: old_id(old)),
        **drawing.shapes(lambda old, new: new_id(new)),
    }
    write_features(
        folder / "boundaries.geojson",
        [
            ({"unit": unit["id"], "level": unit["level"], "name": unit["name"]}, shapes[str(unit["id"])])
            for unit in all_units
            if unit["id"] in shapes
        ],
        plan.projection,
    )
    write_features(
        folder / "roads.geojson",
        [
            (
                {
                    "asset": f"urn:ngsi-ld:RoadSegment:{plan.id}:{segment.road.id}-{segment.number:02}",
                    "road": segment.road.name,
                },
                segment.line,
            )
            for segment in drawing.segments
        ],
        plan.projection,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the province folders from lists of administrative units.")
    parser.add_argument("source", type=Path, help="folder with the lists of vietnamadminunits")
    parser.add_argument("--into", type=Path, default=Path("provinces"), help="folder to write to (provinces)")
    asked = parser.parse_args()
    for plan in PLANS:
        sys.stdout.write(draw(plan, asked.source, asked.into) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
