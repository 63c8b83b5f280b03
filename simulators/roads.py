"""What kind of road a segment belongs to, told from the road's name, as road names are written in Viet Nam.

A road whose name fits no rule is a street of a town. Refuses nothing: an unknown road is a small road.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class RoadClass:
    """Figures of a road, both directions together. Vehicles are counted as they come: mostly motorcycles."""

    id: str
    names: str  # a pattern over the name without accents, spaces and signs
    lanes: int
    capacity_per_hour: int
    free_speed_kmh: float
    peak_load: float  # demand at rush hour ÷ capacity, where the province is densest


# Ordered: the first pattern that fits counts. Capacities are far above those of a road of cars alone, because
# motorcycles ride side by side in a lane.
ROAD_CLASSES = (
    RoadClass("main_artery", r"ql13|quoclo13|nationalroad13|dailobinhduong", 6, 12_000, 58.0, 1.17),
    RoadClass("expressway", r"myphuoc|caotoc|expressway", 6, 11_000, 70.0, 1.12),
    RoadClass("national", r"ql\d|quoclo|nationalroad|xalo|duonghochiminh", 4, 7_500, 60.0, 1.05),
    RoadClass("ring", r"vanhdai|ringroad", 6, 9_500, 65.0, 1.02),
    RoadClass("provincial", r"dt\d|tinhlo|provincialroad", 4, 5_600, 50.0, 1.08),
    RoadClass("district", r"dh\d|huonglo", 2, 2_600, 45.0, 0.7),
    RoadClass("street", r"", 2, 3_200, 40.0, 0.82),
)


def plain(text: str) -> str:
    """The letters and digits of a Vietnamese name without accents: `Mỹ Phước – Tân Vạn` → `myphuoctanvan`."""
    letters = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return re.sub(r"[^a-z0-9]", "", letters)


@cache
def road_class(road: str) -> RoadClass:
    """The class of a road by its name; one that no rule knows is a street."""
    name = plain(road)
    return next(kind for kind in ROAD_CLASSES if re.match(kind.names, name))
