"""Reads the folder of a province: `province.toml`, the tables of places, and the optional GeoJSON.

A province is data: a new one needs no code, so what is wrong with its files is said to the person who wrote them, by
file, line, column and value, all of it at once. It refuses a missing table, an unknown or missing column, a value
that does not fit its column, and tables that contradict each other. It writes nothing.
"""

import csv
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ioc.errors import IocError
from ioc.model.places import Asset, Centre, Coverage, Level, Membership, Succession, Unit, is_valid_on
from ioc.model.territory import InvalidTerritory, Territory
from ioc.model.territory_checks import Problem

Record = TypeVar("Record")
GeoJson = dict[str, Any]

HINTS = {
    "date": "write a date as 2025-07-01, or leave it empty",
    "float": "write a number with a point, as 10.969",
    "bool": "write true or false",
    "Literal": "write whole or divided",
    "str": "it must not be empty",
}
RANGES = {"lat": (-90.0, 90.0), "lon": (-180.0, 180.0), "area_km2": (0.0, 1e8)}


class InvalidProvince(IocError):
    """The folder cannot be read as a province; `problems` holds one sentence for each place to put right."""

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"province folder {folder}: {problems[0]}{more}")


@dataclass(frozen=True, slots=True)
class MapView:
    """Where the map of the province opens."""

    center_lat: float
    center_lon: float
    zoom: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the shapes came about; the labels stand beside every map that shows them."""

    method: str
    label_vi: str
    label_en: str
    notes: str = ""


class ProvinceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in `province.toml`."""

    id: str
    title_vi: str
    title_en: str
    timezone: str
    levels: tuple[Level, ...]
    map: MapView
    geometry: Geometry


@dataclass(frozen=True, slots=True)
class Province:
    """A province as its folder describes it. GeoJSON is read when it is asked for."""

    folder: Path
    id: str
    title_vi: str
    title_en: str
    timezone: ZoneInfo
    map_view: MapView
    geometry: Geometry
    territory: Territory

    def boundaries(self, day: date | None = None) -> GeoJson | None:
        """The feature collection of unit shapes, of that day only if one is given; None without such a file."""
        known = {unit.id: unit for unit in self.territory.units}
        shapes = _read_features(self.folder, "boundaries.geojson", "unit", known)
        if shapes is None or day is None:
            return shapes
        features = [one for one in shapes["features"] if is_valid_on(known[one["properties"]["unit"]], day)]
        return {**shapes, "features": features}

    def roads(self) -> GeoJson | None:
        """The feature collection of road segments, keyed by asset; None without such a file."""
        return _read_features(self.folder, "roads.geojson", "asset", {asset.id for asset in self.territory.assets})


@dataclass(frozen=True, slots=True)
class _Table(Generic[Record]):
    file: str
    records: tuple[Record, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...]


def read_province(folder: Path) -> Province:
    """The province of that folder; raises InvalidProvince with every problem that was found."""
    if not (folder / "province.toml").is_file():
        raise InvalidProvince(
            folder, ["there is no province.toml; name the folder of a province, as provinces/binh_duong"]
        )
    about = _read_about(folder)
    problems: list[str] = []
    units = _read_table(folder, "units.csv", Unit, problems)
    successions = _read_table(folder, "successions.csv", Succession, problems)
    centres = _read_table(folder, "centres.csv", Centre, problems)
    coverage = _read_table(folder, "coverage.csv", Coverage, problems)
    assets = _read_table(folder, "assets.csv", Asset, problems)
    memberships = _read_table(folder, "asset_units.csv", Membership, problems)
    if problems:
        raise InvalidProvince(folder, problems)
    try:
        territory = Territory(
            levels=about.levels,
            units=units.records,
            successions=successions.records,
            centres=centres.records,
            coverage=coverage.records,
            assets=assets.records,
            memberships=memberships.records,
        )
    except InvalidTerritory as error:
        tables = {one.file: one for one in (units, successions, centres, coverage, assets, memberships)}
        raise InvalidProvince(folder, [_in_file(problem, tables) for problem in error.problems]) from error
    return Province(
        folder, about.id, about.title_vi, about.title_en, ZoneInfo(about.timezone), about.map, about.geometry, territory
    )


def _read_about(folder: Path) -> ProvinceFile:
    try:
        with (folder / "province.toml").open("rb") as file:
            about = msgspec.convert(tomllib.load(file), ProvinceFile)
        ZoneInfo(about.timezone)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidProvince(folder, [f"province.toml is not TOML: {error}"]) from error
    except msgspec.ValidationError as error:
        raise InvalidProvince(folder, [f"province.toml: {error}; see provinces/README.md"]) from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidProvince(
            folder, [f"province.toml, timezone: {about.timezone!r} is no time zone; write one as Asia/Ho_Chi_Minh"]
        ) from error
    return about


def _read_table(folder: Path, name: str, record: type[Record], problems: list[str]) -> _Table[Record]:
    """The records of one table; what is wrong with it is appended to `problems`."""
    records: list[Record] = []
    rows: list[dict[str, str]] = []
    lines: list[int] = []
    try:
        for line, row in _rows(folder / name, record):
            lines.append(line)
            rows.append(row)
            wrong = list(_wrong_values(row, record))
            problems.extend(f"{name}, line {line}, {problem}" for problem in wrong)
            if not wrong:
                records.append(_record(row, record))
    except FileNotFoundError:
        problems.append(f"{name} is missing; add it, with its first line alone if there is nothing to list")
    except UnicodeDecodeError:
        problems.append(f"{name} is not UTF-8; save it as UTF-8")
    except (csv.Error, _WrongHeader) as error:
        problems.append(f"{name}: {error}")
    return _Table(name, tuple(records), tuple(rows), tuple(lines))


class _WrongHeader(Exception):
    """The first line does not name the columns of the table."""


def _rows(path: Path, record: type[Any]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with the line on which it begins."""
    columns = [field.name for field in fields(record)]
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        if sorted(header) != sorted(columns):
            different = sorted(set(header) ^ set(columns)) or sorted(
                {name for name in header if header.count(name) > 1}
            )
            raise _WrongHeader(f"check the column {different[0]!r}; the first line must be {','.join(columns)}")
        line = reader.line_num + 1
        for values in reader:
            if values and len(values) != len(header):
                raise _WrongHeader(
                    f"line {line} has {len(values)} values for {len(header)} columns; put values with a comma in quotes"
                )
            if values:
                yield line, dict(zip(header, values, strict=True))
            line = reader.line_num + 1


def _wrong_values(row: dict[str, str], record: type[Any]) -> Iterator[str]:
    try:
        _record(row, record)
    except msgspec.ValidationError as error:
        found = re.search(r"\$\.(\w+)", str(error))
        column = found[1] if found else "id"
        wanted = str(next(field.type for field in fields(record) if field.name == column))
        hint = next(hint for kind, hint in HINTS.items() if kind in wanted)
        yield f"{column}: {row[column]!r} does not fit; {hint}"
        return
    for column, (low, high) in RANGES.items():
        if row.get(column) and not low <= float(row[column]) <= high:
            yield f"{column}: {row[column]!r} is out of range; write a number from {low:g} to {high:g}"


def _record(row: dict[str, str], record: type[Record]) -> Record:
    return msgspec.convert({column: value or None for column, value in row.items()}, record, strict=False)


def _in_file(problem: Problem, tables: dict[str, _Table[Any]]) -> str:
    table = tables.get(f"{problem.table}.csv")
    if table is None:
        return f"province.toml, {problem}"
    return f"{table.file}, line {table.lines[problem.row]}, {problem.column}: {problem.message}"


def _read_features(folder: Path, name: str, key: str, known: Any) -> GeoJson | None:
    """A feature collection whose every feature names a known place."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        content = msgspec.json.decode(path.read_bytes())
        features = content["features"]
        unknown = next((one["properties"][key] for one in features if one["properties"][key] not in known), None)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise InvalidProvince(
            folder, [f"{name} is not a GeoJSON FeatureCollection whose features have the property {key!r}"]
        ) from error
    if unknown is not None:
        raise InvalidProvince(
            folder, [f"{name}: {unknown!r} is no {key} of this province; correct the property {key!r}"]
        )
    return dict(content)
