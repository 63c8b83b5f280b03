"""The benchmarks' own province: units four levels deep, each with ten below it, and ten road segments in the lowest.

Nothing of it is real. It is written as a province's folder and loaded by the same `setup` as any other.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ID: Final = "bench"
BRANCHES: Final = 10

_TOML: Final = """\
id = "bench"
title_vi = "Đo tốc độ"
title_en = "Benchmark"
timezone = "Asia/Ho_Chi_Minh"

[map]
center_lat = 11.0
center_lon = 106.0
zoom = 9

[geometry]
method = "none"
label_vi = "không có"
label_en = "none"
"""
_LEVEL: Final = '\n[[levels]]\nid = "level{rank}"\ntitle_vi = "Cấp {rank}"\ntitle_en = "Level {rank}"\nrank = {rank}\n'


@dataclass(frozen=True, slots=True)
class Size:
    """How deep the units are, and how many road segments each of the lowest ones has."""

    levels: int
    segments: int

    @property
    def units(self) -> int:
        count: int = (BRANCHES**self.levels - 1) // (BRANCHES - 1)
        return count

    @property
    def assets(self) -> int:
        lowest: int = BRANCHES ** (self.levels - 1)
        return lowest * self.segments


FULL: Final = Size(levels=4, segments=10)
TINY: Final = Size(levels=4, segments=1)


def segment(number: int) -> str:
    """The id of the road segment of that number, from 0."""
    return f"urn:ngsi-ld:RoadSegment:bench:{number:05d}"


def write_province(folder: Path, size: Size) -> None:
    """The folder of the province: one centre for all of it, and one for each unit of the second level."""
    folder.mkdir(parents=True)
    levels = "".join(_LEVEL.format(rank=rank) for rank in range(size.levels))
    (folder / "province.toml").write_text(_TOML + levels, encoding="utf-8")
    units = list(_units(size.levels))
    lowest = [unit for unit, _, rank in units if rank == size.levels - 1]
    second = [unit for unit, _, rank in units if rank == 1]
    _write(
        folder / "units.csv",
        ("id", "code", "name", "level", "parent", "valid_from", "valid_to", "lat", "lon", "area_km2"),
        ((unit, unit[3:-5], unit, f"level{rank}", parent, "", "", 11, 106, 10) for unit, parent, rank in units),
    )
    _write(folder / "successions.csv", ("from_unit", "to_unit", "kind", "share", "method", "is_default"), ())
    _write(
        folder / "centres.csv",
        ("id", "title_vi", "title_en", "parent"),
        [(ID, ID, ID, ""), *((f"{ID}-{number}", ID, ID, ID) for number in range(len(second)))],
    )
    _write(
        folder / "coverage.csv",
        ("centre", "unit", "valid_from", "valid_to"),
        [(ID, units[0][0], "", ""), *((f"{ID}-{number}", unit, "", "") for number, unit in enumerate(second))],
    )
    _write(
        folder / "assets.csv",
        ("id", "kind", "title_vi", "title_en", "lat", "lon", "group", "valid_from", "valid_to"),
        ((segment(number), "road_segment", "đoạn", "segment", 11, 106, "", "", "") for number in range(size.assets)),
    )
    _write(
        folder / "asset_units.csv",
        ("asset", "unit", "valid_from", "valid_to"),
        ((segment(number), lowest[number // size.segments], "", "") for number in range(size.assets)),
    )


def _units(levels: int) -> Iterator[tuple[str, str, int]]:
    """(id, parent, rank), parents first."""
    above = [("", "")]
    for rank in range(levels):
        branches = 1 if rank == 0 else BRANCHES
        codes = [(f"{code}{digit}", parent) for code, parent in above for digit in range(branches)]
        yield from ((f"vn-{code}-open", parent, rank) for code, parent in codes)
        above = [(code, f"vn-{code}-open") for code, _ in codes]


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
