"""The places of the imaginary province: road segments and offices with their units, and how urban each place
is.

Learned from the server's territory, so another province needs no code here. Refuses a territory without any
asset.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from simulators.errors import SimulatorError
from simulators.roads import RoadClass, plain, road_class

KM_PER_DEGREE = 111.2
TYPICAL_TOWN_KM2 = 20.0  # a commune of this size or smaller counts as a town in full
REACH_KM = 35.0  # urban life thins out by 1/e in this distance from the densest part


@dataclass(frozen=True, slots=True)
class Unit:
    id: str
    lat: float
    lon: float
    area_km2: float | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class RoadSegment:
    id: str
    title: str
    road: str
    lat: float
    lon: float
    urbanity: float  # about 0.1 (forest and rubber) to 1 (town)
    kind: RoadClass

    @property
    def prominence(self) -> float:
        return self.urbanity * self.kind.capacity_per_hour * self.kind.peak_load


@dataclass(frozen=True, slots=True)
class Office:
    id: str
    title: str
    share: float  # of all dossiers of the province


@dataclass(frozen=True, slots=True)
class Territory:
    segments: tuple[RoadSegment, ...]  # sorted by id
    offices: tuple[Office, ...]  # sorted by id

    def road_of(self, segment: RoadSegment) -> list[RoadSegment]:
        """The segments of one road in their order; traffic is taken to run towards the higher number."""
        return [other for other in self.segments if other.road == segment.road]


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset as the server tells it."""

    id: str
    kind: str
    title: str
    road: str
    lat: float
    lon: float
    unit: str | None


def urbanity(units: Iterable[Unit]) -> dict[str, float]:
    """How urban each unit without children is: small and near the dense part is a town, large and far is
    country.

    Nobody publishes counts for these units; their size and position are what the server knows.
    """
    every = list(units)
    parents = {unit.parent for unit in every}
    leaves = [unit for unit in every if unit.id not in parents]
    if not leaves:
        return {}
    known = [unit.area_km2 for unit in leaves if unit.area_km2]
    usual = statistics.median(known) if known else TYPICAL_TOWN_KM2
    areas = [unit.area_km2 or usual for unit in leaves]
    pull = [1 / area**2 for area in areas]
    lat = sum(unit.lat * p for unit, p in zip(leaves, pull, strict=True)) / sum(pull)
    lon = sum(unit.lon * p for unit, p in zip(leaves, pull, strict=True)) / sum(pull)

    def of(unit: Unit, area: float) -> float:
        density = min(1.2, max(0.1, (TYPICAL_TOWN_KM2 / area) ** 0.8))
        nearness = math.exp(-_distance_km(unit.lat, unit.lon, lat, lon) / REACH_KM)
        return float((density * nearness) ** 0.6)

    return {unit.id: of(unit, area) for unit, area in zip(leaves, areas, strict=True)}


def territory(assets: Iterable[Asset], units: Iterable[Unit]) -> Territory:
    """Joins assets and units. An asset whose unit is not told belongs to the nearest one."""
    units = list(units)
    urban = urbanity(units)
    leaves = [unit for unit in units if unit.id in urban]
    whole = sum(urban.values())

    def place(asset: Asset) -> str | None:
        if asset.unit in urban or not leaves:
            return asset.unit
        return min(leaves, key=lambda unit: _distance_km(asset.lat, asset.lon, unit.lat, unit.lon)).id

    segments: list[RoadSegment] = []
    offices: list[Office] = []
    for asset in sorted(assets, key=lambda asset: asset.id):
        level = urban.get(place(asset) or "", 0.5)
        if asset.kind == "road_segment":
            road = asset.road or asset.title
            segments.append(RoadSegment(asset.id, asset.title, road, asset.lat, asset.lon, level, road_class(road)))
        elif asset.kind == "office":
            offices.append(Office(asset.id, asset.title, level / whole if whole else 0.03))
    if not segments and not offices:
        raise SimulatorError(
            "The server knows no road segment and no office: load a province first with `python -m ioc setup`."
        )
    return Territory(tuple(segments), tuple(offices))


def find_segment(known: Territory, asset: str | None, place: str | None) -> RoadSegment:
    """The segment with this id, or the most prominent one whose road or title contains the words of a place."""
    if not known.segments:
        raise SimulatorError("The server knows no road segment, so there is no road for an accident.")
    if asset is not None:
        found = [segment for segment in known.segments if segment.id == asset]
        if not found:
            raise SimulatorError(f"No road segment has the id {asset!r}; see GET /api/v1/assets?kind=road_segment.")
        return found[0]
    if place is not None:
        words = plain(place)
        found = [s for s in known.segments if words in plain(s.road) or words in plain(s.title)]
        if not found:
            roads = ", ".join(sorted({segment.road for segment in known.segments})[:12])
            raise SimulatorError(f"No road is named like {place!r}. Roads are: {roads} …")
        return max(found, key=lambda segment: (segment.prominence, segment.id))
    return max(known.segments, key=lambda segment: (segment.prominence, segment.id))


def _distance_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    east = (lon - other_lon) * KM_PER_DEGREE * math.cos(math.radians(lat))
    return math.hypot((lat - other_lat) * KM_PER_DEGREE, east)
