"""Outlines of the units of today and the lines of the roads, for the map; read from the province's folder.

What the folder holds is a schematic unless an operator replaced it, and the map says so. A province without outlines
gets no map: the page then says that, and shows everything else. Refused: a unit or road that is not the reader's.
"""

import csv
import json
import tomllib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

Part = Literal["units", "roads"]
_PLACES = 4  # decimals of a degree: eleven metres, finer than a schematic knows


@dataclass(frozen=True, slots=True)
class Geography:
    """`units` and `roads` are GeoJSON features as texts, by the id of their unit or asset."""

    day: date
    units: Mapping[str, str]
    roads: Mapping[str, str]
    schematic: bool

    def text(self, part: Part, places: Container[str]) -> str:
        """The GeoJSON of what is among these places."""
        known = self.units if part == "units" else self.roads
        features = ",".join(text for place, text in known.items() if place in places)
        return f'{{"type":"FeatureCollection","features":[{features}]}}'


class Geographies:
    """The folder of one province; what was read is kept until the local day changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: Geography | None = None

    def on(self, day: date) -> Geography | None:
        """The outlines that are valid on that local day; None where the folder has none."""
        if self._known is None or self._known.day != day:
            self._known = read_geography(self._folder, day)
        return self._known


def read_geography(folder: Path, day: date) -> Geography | None:
    """The finest level of units that is valid on `day`, and all roads; None without `boundaries.geojson`."""
    boundaries, roads = folder / "boundaries.geojson", folder / "roads.geojson"
    if not boundaries.is_file():
        return None
    province = tomllib.loads((folder / "province.toml").read_text(encoding="utf-8"))
    ranks = {level["id"]: level["rank"] for level in province["levels"]}
    with (folder / "units.csv").open(encoding="utf-8", newline="") as file:
        units = {row["id"]: row for row in csv.DictReader(file) if _is_valid(row, day)}
    shapes = [f for f in _features(boundaries) if f["properties"]["unit"] in units]
    finest = max((ranks[shape["properties"]["level"]] for shape in shapes), default=0)
    outlines = [
        _feature(
            shape,
            unit=unit["id"],
            name=unit["name"],
            lat=float(unit["lat"]),
            lon=float(unit["lon"]),
        )
        for shape in shapes
        if ranks[shape["properties"]["level"]] == finest
        for unit in [units[shape["properties"]["unit"]]]
    ]
    lines = [
        _feature(line, asset=line["properties"]["asset"], road=line["properties"]["road"])
        for line in (_features(roads) if roads.is_file() else [])
    ]
    method = str(province.get("geometry", {}).get("method", "schematic"))
    return Geography(day, _texts("unit", outlines), _texts("asset", lines), method.startswith("schematic"))


def _is_valid(row: dict[str, str], day: date) -> bool:
    today = day.isoformat()
    return row["valid_from"] <= today and (not row["valid_to"] or today < row["valid_to"])


def _features(path: Path) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["features"]
    return features


def _feature(feature: dict[str, Any], **properties: Any) -> dict[str, Any]:
    geometry = feature["geometry"]
    rounded = {"type": geometry["type"], "coordinates": _rounded(geometry["coordinates"])}
    return {"type": "Feature", "properties": properties, "geometry": rounded}


def _rounded(value: Any) -> Any:
    return [_rounded(one) for one in value] if isinstance(value, list) else round(value, _PLACES)


def _texts(key: str, features: list[dict[str, Any]]) -> dict[str, str]:
    return {
        feature["properties"][key]: json.dumps(feature, ensure_ascii=False, separators=(",", ":"))
        for feature in features
    }
