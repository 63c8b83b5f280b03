"""The map of a province before and after a reform, drawn from points: cells, cuts, roads and what lies in what.

It joins `draw_shapes` (geometry of cells) and `draw_roads` (geometry of lines) with the codes of the communes, and
writes GeoJSON. It knows the columns of the source lists and nothing of the province folder's tables.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from scripts.draw_roads import Road, cut_into_segments, spline
from scripts.draw_shapes import (
    XY,
    Face,
    Projection,
    cut_share,
    merged,
    nudged,
    share_between,
    smoothed,
    voronoi_cells,
)

Row = Mapping[str, str]
DIGITS = 5


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of road, numbered from the road's first stop, and the communes that hold its middle."""

    road: Road
    number: int
    line: LineString
    lat: float
    lon: float
    old_unit: str
    new_unit: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Faces keyed by (older commune, newer commune); shares of each older commune; road segments; and the names of
    the province's communes whose point had to be moved off another one."""

    faces: tuple[Face, ...]
    shares: Mapping[tuple[str, str], float]
    segments: tuple[Segment, ...]
    moved: tuple[str, ...]

    def shapes(self, unit_of: Callable[[str, str], str]) -> dict[str, BaseGeometry]:
        """The shape of each unit that `unit_of` names for an (older, newer) commune."""
        parts: dict[str, list[BaseGeometry]] = defaultdict(list)
        for face in self.faces:
            parts[unit_of(*_codes(face.key))].append(face.shape)
        return {unit: merged(shapes) for unit, shapes in parts.items()}


def draw_map(
    around: Sequence[Row],
    after: Sequence[Row],
    moves: Sequence[Row],
    projection: Projection,
    roads: Sequence[Road],
    segments: int,
) -> Drawing:
    """`around` are all communes before the reform, the neighbours' too; `moves` names those of the province."""
    points, moved = nudged([projection.to_km(float(row["lat"]), float(row["lon"])) for row in around])
    inside = {row["oldWardCode"] for row in moves}
    cells = {row["wardCode"]: cell for row, cell in zip(around, voronoi_cells(points), strict=True)}
    ward_points = {row["wardCode"]: projection.to_km(float(row["lat"]), float(row["lon"])) for row in after}
    faces = _cut_faces(moves, cells, ward_points)
    districts = {row["oldWardCode"]: row["oldDistrictCode"] for row in moves}
    groupings: tuple[Callable[[Hashable | None], Hashable], ...] = (
        lambda key: key is None,
        lambda key: key and districts[_codes(key)[0]],
        lambda key: key and _codes(key)[1],
        lambda key: key,
    )
    drawn = tuple(smoothed(faces, groupings))
    named = _named_points(around, points, inside)
    return Drawing(
        drawn,
        _shares(drawn),
        tuple(_segments(roads, segments, drawn, named, projection)),
        tuple(around[row]["ward"] for row in moved if around[row]["wardCode"] in inside),
    )


def _codes(key: Hashable) -> tuple[str, str]:
    match key:
        case (str(old), str(new)):
            return old, new
    raise TypeError(f"a face of this map is keyed by (older, newer) commune, not by {key!r}")


def _cut_faces(moves: Sequence[Row], cells: Mapping[str, shapely.Polygon], points: Mapping[str, XY]) -> list[Face]:
    """A divided commune loses, to each further successor, a slice on the side on which that one's point lies."""
    by_old: dict[str, list[Row]] = defaultdict(list)
    for row in moves:
        by_old[row["oldWardCode"]].append(row)
    faces: list[Face] = []
    for old, rows in by_old.items():
        stays = next(row["newWardCode"] for row in rows if row["isDefault"] == "1")
        rest: BaseGeometry = cells[old]
        for goes in (row["newWardCode"] for row in rows if row["newWardCode"] != stays):
            share = share_between(cells[old], points[stays], points[goes])
            direction = points[goes][0] - points[stays][0], points[goes][1] - points[stays][1]
            rest, part = cut_share(rest, direction, share)
            faces.append(Face(part, (old, goes)))
        faces.append(Face(rest, (old, stays)))
    return faces


def _shares(faces: Sequence[Face]) -> dict[tuple[str, str], float]:
    """Share of each older commune's area in each newer one, to four digits that add up to one."""
    areas: dict[tuple[str, str], float] = defaultdict(float)
    whole: dict[str, float] = defaultdict(float)
    for face in faces:
        areas[_codes(face.key)] += face.shape.area
        whole[_codes(face.key)[0]] += face.shape.area
    shares = {codes: round(area / whole[codes[0]], 4) for codes, area in areas.items()}
    for old in whole:
        mine = [codes for codes in shares if codes[0] == old]
        largest = max(mine, key=lambda codes: shares[codes])
        shares[largest] = round(1 - sum(shares[codes] for codes in mine if codes != largest), 4)
    return shares


def _named_points(around: Sequence[Row], points: Sequence[XY], inside: set[str]) -> dict[str, XY]:
    """Points of the province's communes by name without type; a name that occurs twice needs its district."""
    named: dict[str, list[tuple[str, XY]]] = defaultdict(list)
    for row, point in zip(around, points, strict=True):
        if row["wardCode"] in inside:
            named[_short(row["ward"])].append((_short(row["district"]), point))
    unique = {name: found[0][1] for name, found in named.items() if len(found) == 1}
    return unique | {f"{name} ({district})": point for name, found in named.items() for district, point in found}


def _short(name: str) -> str:
    for kind in ("Thành phố ", "Thị xã ", "Thị trấn ", "Huyện ", "Phường ", "Xã "):
        if name.startswith(kind):
            return name.removeprefix(kind)
    return name


def _segments(
    roads: Sequence[Road], count: int, faces: Sequence[Face], named: Mapping[str, XY], projection: Projection
) -> list[Segment]:
    lines = {road.id: spline([_stop(stop, road, named, projection) for stop in road.stops]) for road in roads}
    parts = cut_into_segments(roads, lines, count)
    tree = shapely.STRtree([face.shape for face in faces])
    result: list[Segment] = []
    for road in roads:
        for number, line in enumerate(parts[road.id], start=1):
            middle = line.interpolate(0.5, normalized=True)
            old, new = _codes(faces[int(tree.nearest(middle))].key)
            lon, lat = projection.to_lonlat((middle.x, middle.y))
            result.append(Segment(road, number, line.simplify(0.01), lat, lon, old, new))
    return result


def _stop(stop: str, road: Road, named: Mapping[str, XY], projection: Projection) -> XY:
    if stop in named:
        return named[stop]
    lat, comma, lon = stop.partition(",")
    if not comma:
        raise ValueError(f"road {road.id}: no commune before the reform is named {stop!r}, or more than one is")
    return projection.to_km(float(lat), float(lon))


def write_features(
    path: Path, features: Sequence[tuple[Mapping[str, object], BaseGeometry]], projection: Projection
) -> None:
    """GeoJSON with one feature per line, so that a change of one unit is a change of one line."""
    lines = [
        json.dumps(
            {"type": "Feature", "properties": dict(properties), "geometry": mapping(_to_lonlat(shape, projection))},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for properties, shape in features
    ]
    path.write_text(
        '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8", newline="\n"
    )


def _to_lonlat(shape: BaseGeometry, projection: Projection) -> BaseGeometry:
    def convert(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([projection.to_lonlat((x, y)) for x, y in points.tolist()]).round(DIGITS)

    return shapely.transform(shape, convert)
