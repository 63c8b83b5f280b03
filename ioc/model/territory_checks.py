"""What must hold of a territory as a whole, and one clear sentence for each record where it does not.

The checks see all tables together and report every problem that they find, not the first only, so that the
folder of a new province can be put right in one go. They refuse nothing that is merely unusual: overlapping
centres, units without a known start, and assets that belong to no unit for a while are all allowed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from ioc.model.places import Asset, Centre, Coverage, Dated, Level, Membership, Succession, Unit, period_text


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one record: its table, its row there (0 = the first), the column, and what to do."""

    table: str
    row: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"{self.table}, record {self.row + 1}, {self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Tables:
    """The records that a territory is made of, each table in the order of its file."""

    levels: Sequence[Level]
    units: Sequence[Unit]
    successions: Sequence[Succession] = ()
    centres: Sequence[Centre] = ()
    coverage: Sequence[Coverage] = ()
    assets: Sequence[Asset] = ()
    memberships: Sequence[Membership] = ()


SHARE_TOLERANCE = 0.001


def problems_of(tables: Tables) -> tuple[Problem, ...]:
    """Every problem of the tables, in the order of the tables; empty when the territory is sound."""
    units = {unit.id: unit for unit in tables.units}
    assets = {asset.id: asset for asset in tables.assets}
    centres = {centre.id: centre for centre in tables.centres}
    return (
        *_ids(tables),
        *_periods("units", tables.units),
        *_units(tables, units),
        *_successions(tables.successions, units),
        *_centres(tables.centres, centres),
        *_periods("coverage", tables.coverage),
        *_coverage(tables.coverage, centres, units),
        *_periods("assets", tables.assets),
        *_periods("asset_units", tables.memberships),
        *_memberships(tables.memberships, assets, units),
    )


def _ids(tables: Tables) -> Iterator[Problem]:
    """One id means one place, whatever its kind: observations and pages name places by id alone."""
    seen: dict[str, str] = {}
    places: tuple[tuple[str, Sequence[Unit | Centre | Asset]], ...] = (
        ("units", tables.units),
        ("centres", tables.centres),
        ("assets", tables.assets),
    )
    for table, records in places:
        for row, record in enumerate(records):
            where = f"{table}, record {row + 1}"
            if not record.id:
                yield Problem(table, row, "id", "the id is empty; give each place an id of its own")
            elif record.id in seen:
                yield Problem(
                    table,
                    row,
                    "id",
                    f"{record.id!r} is already used in {seen[record.id]}; give one of them another id",
                )
            else:
                seen[record.id] = where
    levels = Counter(level.id for level in tables.levels)
    for row, level in enumerate(tables.levels):
        if levels[level.id] > 1:
            yield Problem("levels", row, "id", f"level {level.id!r} is declared twice; keep one of them")


def _periods(table: str, records: Sequence[Dated]) -> Iterator[Problem]:
    for row, record in enumerate(records):
        if record.valid_from is not None and record.valid_to is not None and record.valid_to <= record.valid_from:
            yield Problem(
                table,
                row,
                "valid_to",
                f"the period ends on {record.valid_to}, not after its first day {record.valid_from}; "
                "valid_to is the first day that no longer counts",
            )


def _units(tables: Tables, units: Mapping[str, Unit]) -> Iterator[Problem]:
    ranks = {level.id: level.rank for level in tables.levels}
    by_code: dict[str, list[tuple[int, Unit]]] = defaultdict(list)
    for row, unit in enumerate(tables.units):
        by_code[unit.code].append((row, unit))
        if unit.level not in ranks:
            yield Problem(
                "units",
                row,
                "level",
                f"{unit.level!r} is no level of this province; declare it in province.toml",
            )
        if unit.parent is None:
            continue
        parent = units.get(unit.parent)
        if parent is None:
            yield Problem("units", row, "parent", f"{unit.parent!r} is not in units; add it or correct the parent")
            continue
        if not _lies_within(unit, parent):
            yield Problem(
                "units",
                row,
                "parent",
                f"{unit.id!r} is valid {_period(unit)}, but its parent {parent.id!r} only {_period(parent)}; "
                "end the unit with its parent and begin a new one below the next parent",
            )
        if ranks.get(unit.level, 0) <= ranks.get(parent.level, -1):
            yield Problem(
                "units",
                row,
                "parent",
                f"level {unit.level!r} does not stand below {parent.level!r} of the parent {parent.id!r}; "
                "correct the level or the parent",
            )
    yield from _cycles("units", [(unit.id, unit.parent) for unit in tables.units])
    for code, rows in by_code.items():
        yield from _overlaps("units", "valid_from", f"code {code!r}", rows)


def _successions(successions: Sequence[Succession], units: Mapping[str, Unit]) -> Iterator[Problem]:
    pairs: set[tuple[str, str]] = set()
    shares: dict[str, float] = defaultdict(float)
    defaults: Counter[str] = Counter()
    last_row: dict[str, int] = {}
    for row, one in enumerate(successions):
        unknown = [
            (column, unit)
            for column, unit in (("from_unit", one.from_unit), ("to_unit", one.to_unit))
            if unit not in units
        ]
        for column, unit in unknown:
            yield Problem("successions", row, column, f"{unit!r} is not in units; add it or correct the id")
        if (one.from_unit, one.to_unit) in pairs:
            yield Problem(
                "successions",
                row,
                "to_unit",
                f"{one.from_unit!r} to {one.to_unit!r} stands here twice; keep one row",
            )
        pairs.add((one.from_unit, one.to_unit))
        if not 0 < one.share <= 1:
            yield Problem("successions", row, "share", f"{one.share} is no share; write a number above 0, at most 1")
        if not unknown and units[one.from_unit].valid_to != units[one.to_unit].valid_from:
            yield Problem(
                "successions",
                row,
                "to_unit",
                f"{one.to_unit!r} begins on {units[one.to_unit].valid_from}, but {one.from_unit!r} ends on "
                f"{units[one.from_unit].valid_to}; a successor begins on the day when the older unit ends",
            )
        shares[one.from_unit] += one.share
        defaults[one.from_unit] += one.is_default
        last_row[one.from_unit] = row
    for unit, share in shares.items():
        if abs(share - 1) > SHARE_TOLERANCE:
            yield Problem(
                "successions",
                last_row[unit],
                "share",
                f"the shares of {unit!r} add up to {share:.4f}; make them add up to 1",
            )
        if defaults[unit] != 1:
            yield Problem(
                "successions",
                last_row[unit],
                "is_default",
                f"{unit!r} has {defaults[unit]} default successors; mark one, which takes its open cases",
            )


def _centres(centres: Sequence[Centre], known: Mapping[str, Centre]) -> Iterator[Problem]:
    for row, centre in enumerate(centres):
        if centre.parent is not None and centre.parent not in known:
            yield Problem(
                "centres", row, "parent", f"{centre.parent!r} is not in centres; add it or correct the parent"
            )
    yield from _cycles("centres", [(centre.id, centre.parent) for centre in centres])


def _coverage(
    coverage: Sequence[Coverage], centres: Mapping[str, Centre], units: Mapping[str, Unit]
) -> Iterator[Problem]:
    pairs: dict[tuple[str, str], list[tuple[int, Coverage]]] = defaultdict(list)
    for row, one in enumerate(coverage):
        pairs[one.centre, one.unit].append((row, one))
        if one.centre not in centres:
            yield Problem("coverage", row, "centre", f"{one.centre!r} is not in centres; add it or correct the id")
        unit = units.get(one.unit)
        if unit is None:
            yield Problem("coverage", row, "unit", f"{one.unit!r} is not in units; add it or correct the id")
        elif not _lies_within(one, unit):
            yield _outside("coverage", row, one, unit)
    for (centre, unit_id), rows in pairs.items():
        yield from _overlaps("coverage", "valid_from", f"centre {centre!r} and unit {unit_id!r}", rows)


def _memberships(
    memberships: Sequence[Membership], assets: Mapping[str, Asset], units: Mapping[str, Unit]
) -> Iterator[Problem]:
    by_asset: dict[str, list[tuple[int, Membership]]] = defaultdict(list)
    for row, one in enumerate(memberships):
        by_asset[one.asset].append((row, one))
        asset, unit = assets.get(one.asset), units.get(one.unit)
        if asset is None:
            yield Problem("asset_units", row, "asset", f"{one.asset!r} is not in assets; add it or correct the id")
        elif not _lies_within(one, asset):
            yield _outside("asset_units", row, one, asset)
        if unit is None:
            yield Problem("asset_units", row, "unit", f"{one.unit!r} is not in units; add it or correct the id")
        elif not _lies_within(one, unit):
            yield _outside("asset_units", row, one, unit)
    for asset_id, rows in by_asset.items():
        yield from _overlaps("asset_units", "valid_from", f"asset {asset_id!r}", rows)


def _outside(table: str, row: int, inner: Dated, outer: Unit | Asset) -> Problem:
    return Problem(
        table,
        row,
        "valid_from",
        f"the period {_period(inner)} goes beyond that of {outer.id!r}, {_period(outer)}; shorten it",
    )


def _overlaps(table: str, column: str, subject: str, rows: Sequence[tuple[int, Dated]]) -> Iterator[Problem]:
    """Two records of one subject may follow each other but never hold on one day."""
    ordered = sorted(rows, key=lambda pair: (pair[1].valid_from or date.min, pair[0]))
    for (_, earlier), (row, later) in pairwise(ordered):
        if earlier.valid_from == later.valid_from:
            yield Problem(
                table,
                row,
                column,
                f"{subject} has two records from {later.valid_from or 'an unknown start'}; keep one of them",
            )
        elif earlier.valid_to is None or (later.valid_from or date.min) < earlier.valid_to:
            yield Problem(
                table,
                row,
                column,
                f"{subject} has two records on {later.valid_from}: {_period(earlier)} and {_period(later)}; "
                "end the earlier one on the day on which the later one begins",
            )


def _cycles(table: str, pairs: Iterable[tuple[str, str | None]]) -> Iterator[Problem]:
    """Each record whose chain of parents comes back to itself."""
    rows = list(pairs)
    parents = dict(rows)
    for row, (start, _) in enumerate(rows):
        seen: set[str] = set()
        at = parents[start]
        while at is not None and at != start and at not in seen:
            seen.add(at)
            at = parents.get(at)
        if at == start:
            yield Problem(table, row, "parent", f"{start!r} stands above itself; correct the parent")


def _lies_within(inner: Dated, outer: Dated) -> bool:
    starts = outer.valid_from is None or (inner.valid_from is not None and inner.valid_from >= outer.valid_from)
    ends = outer.valid_to is None or (inner.valid_to is not None and inner.valid_to <= outer.valid_to)
    return starts and ends


def _period(record: Dated) -> str:
    return period_text(record.valid_from, record.valid_to)
