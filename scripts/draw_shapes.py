"""Schematic shapes of a province from the points of its communes.

There are no surveyed boundaries in the project. A commune gets the Voronoi cell of its point among the points of all
communes around, the neighbours' too; a commune that a reform divided is cut between its successors; every unit above
is the union of what belongs to it. So the shapes of before and after a reform share one outline, leave no gap, and
the share of a divided commune is an area of the same drawing. Lines are smoothed in the drawing as a whole, the most
important line of a place leading, which keeps neighbours' edges identical.

It refuses to guess an outline: where no neighbour's points lie across the border, the caller passes a clip.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import shapely
from shapely import LineString, MultiPoint, Point, Polygon
from shapely.affinity import rotate
from shapely.geometry.base import BaseGeometry
from shapely.ops import polygonize

XY = tuple[float, float]
NUDGE_KM = 0.2
GRID_KM = 0.0001
SIMPLE_KM = 0.03
STEP_KM = 0.6
SMOOTHING_ROUNDS = 14
SMALLEST_SHARE, LARGEST_SHARE = 0.15, 0.48


@dataclass(frozen=True, slots=True)
class Projection:
    """Kilometres east and north of a point: good enough for a province, and reversible without a library."""

    lat0: float
    lon0: float

    def to_km(self, lat: float, lon: float) -> XY:
        return (lon - self.lon0) * self._km_per_lon, (lat - self.lat0) * 110.574

    def to_lonlat(self, point: XY) -> XY:
        return self.lon0 + point[0] / self._km_per_lon, self.lat0 + point[1] / 110.574

    @property
    def _km_per_lon(self) -> float:
        return 111.320 * math.cos(math.radians(self.lat0))


def nudged(points: Sequence[XY]) -> tuple[list[XY], list[int]]:
    """The points with coincident ones moved apart by NUDGE_KM on a spiral, and the rows that were moved."""
    seen: dict[XY, int] = defaultdict(int)
    moved: list[int] = []
    result: list[XY] = []
    for row, (x, y) in enumerate(points):
        times = seen[x, y]
        seen[x, y] += 1
        if times:
            moved.append(row)
        angle = 2.4 * times
        result.append((x + NUDGE_KM * times * math.cos(angle), y + NUDGE_KM * times * math.sin(angle)))
    return result, moved


def voronoi_cells(points: Sequence[XY]) -> list[Polygon]:
    """The cell of each point, in the order of the points; the points must differ."""
    cells = list(shapely.get_parts(shapely.voronoi_polygons(MultiPoint(points))))
    tree = shapely.STRtree(cells)
    return [cells[int(tree.query(Point(point), predicate="intersects")[0])] for point in points]


def cut_share(cell: BaseGeometry, direction: XY, share: float) -> tuple[BaseGeometry, BaseGeometry]:
    """The cell without, and with only, that share of its area that lies farthest in the direction."""
    angle = math.degrees(math.atan2(direction[1], direction[0]))
    origin = cell.centroid
    turned = rotate(cell, -angle, origin=origin)
    west, south, east, north = turned.bounds
    low, high = west, east
    for _ in range(40):
        middle = (low + high) / 2
        if turned.intersection(shapely.box(middle, south - 1, east + 1, north + 1)).area > share * cell.area:
            low = middle
        else:
            high = middle
    beyond = rotate(shapely.box(low, south - 1, east + 1, north + 1), angle, origin=origin)
    return cell.difference(beyond), cell.intersection(beyond)


def share_between(cell: Polygon, stays: XY, goes: XY) -> float:
    """Share of the cell that is nearer to `goes` than to `stays`, held within believable bounds."""
    halves = voronoi_cells([stays, goes])
    share = float(cell.intersection(halves[1]).area / cell.area)
    return min(max(share, SMALLEST_SHARE), LARGEST_SHARE)


@dataclass(frozen=True, slots=True)
class Face:
    """A piece of the drawing that no line crosses: one older unit and the newer one that received it."""

    shape: BaseGeometry
    key: Hashable


def smoothed(faces: Sequence[Face], ranks: Sequence[Callable[[Hashable | None], Hashable]]) -> list[Face]:
    """The faces with smoothed lines that neighbours still share.

    `ranks` are groupings of a face's key, the most important first: a line where the first grouping differs on both
    sides leads, lines of later groupings follow it where they meet.
    """
    # Snapping to a common grid puts the end of a cut exactly on the neighbour's edge; else slivers would remain.
    network = shapely.unary_union([shapely.boundary(face.shape) for face in faces], grid_size=GRID_KM)
    lines = [line for line in shapely.get_parts(shapely.line_merge(network)) if line.length > 0]
    tree = shapely.STRtree([face.shape for face in faces])

    def keys_beside(line: LineString) -> list[Hashable | None]:
        middle = line.interpolate(0.5, normalized=True)
        beside = tree.query(middle.buffer(2 * GRID_KM), predicate="intersects")
        keys: list[Hashable | None] = [faces[int(row)].key for row in beside]
        return keys if len(keys) > 1 else [*keys, None]

    neighbours: dict[XY, list[tuple[int, XY]]] = defaultdict(list)
    for line in lines:
        for start, end in pairwise(line.coords):
            piece = LineString([start, end])
            keys = keys_beside(piece)
            rank = next(
                (number for number, group in enumerate(ranks) if len({group(key) for key in keys}) > 1), len(ranks)
            )
            for one, other in pairwise(_dense(piece)):
                neighbours[one].append((rank, other))
                neighbours[other].append((rank, one))
    places = _relaxed(neighbours)
    drawn = {frozenset((one, other)) for one, others in neighbours.items() for _, other in others}
    segments = sorted(sorted(places[at] for at in edge) for edge in drawn if len(edge) == 2)
    pieces = list(polygonize([LineString(ends) for ends in segments]))
    simple = shapely.coverage_simplify(pieces, SIMPLE_KM)
    return [Face(piece, _key_of(piece, tree, faces)) for piece in simple]


def _dense(line: LineString) -> list[XY]:
    parts = max(1, round(line.length / STEP_KM))
    start, end = line.coords[0], line.coords[-1]
    inner = [
        (start[0] + (end[0] - start[0]) * number / parts, start[1] + (end[1] - start[1]) * number / parts)
        for number in range(1, parts)
    ]
    return [(start[0], start[1]), *inner, (end[0], end[1])]


def _relaxed(neighbours: Mapping[XY, Iterable[tuple[int, XY]]]) -> dict[XY, XY]:
    """Each vertex moved towards the middle of its neighbours along its most important line, then part of the way
    back (Taubin): without the way back the whole province would shrink."""
    leading = {
        vertex: [other for rank, other in links if rank == min(rank for rank, _ in links)]
        for vertex, links in neighbours.items()
    }
    places = {vertex: vertex for vertex in neighbours}
    for _ in range(SMOOTHING_ROUNDS):
        for pull in (0.5, -0.52):
            places = {
                vertex: _pulled(places[vertex], [places[other] for other in leading[vertex]], pull) for vertex in places
            }
    return {vertex: (round(x, 5), round(y, 5)) for vertex, (x, y) in places.items()}


def _pulled(at: XY, others: Sequence[XY], pull: float) -> XY:
    if len(others) < 2:
        return at
    middle_x, middle_y = sum(x for x, _ in others) / len(others), sum(y for _, y in others) / len(others)
    return at[0] + pull * (middle_x - at[0]), at[1] + pull * (middle_y - at[1])


def _key_of(piece: Polygon, tree: shapely.STRtree, faces: Sequence[Face]) -> Hashable:
    rows = tree.query(piece, predicate="intersects")
    return faces[int(max(rows, key=lambda row: (piece.intersection(faces[int(row)].shape).area, -int(row))))].key


def merged(shapes: Iterable[BaseGeometry]) -> BaseGeometry:
    """The union of shapes that share edges, without slivers between them."""
    return shapely.normalize(shapely.unary_union(list(shapes)))
