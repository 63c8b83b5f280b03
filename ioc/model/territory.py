"""The territory as of any local day: which units there were, what belonged to what, which centre covered it.

Answers are for a `datetime.date` in the province's time zone, because units and memberships change at local
midnight only. Nothing here names a level. It refuses records that contradict each other (`InvalidTerritory`
lists every one), and it never guesses: an id that it does not know is an `UnknownPlace`.

Between two midnights at which anything changes, all answers are the same; such a stretch is an epoch, and the
tree of each epoch is built once. Ingest asks `memberships_intervals` once per asset, and then nothing more.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from ioc.errors import IocError, UnknownPlace
from ioc.model.places import (
    Asset,
    Centre,
    Coverage,
    Dated,
    Level,
    Membership,
    Succession,
    Unit,
    is_valid_on,
)
from ioc.model.territory_checks import Problem, Tables, problems_of

__all__ = [
    "Asset",
    "Centre",
    "Coverage",
    "Interval",
    "InvalidTerritory",
    "Level",
    "Membership",
    "Problem",
    "Stretch",
    "Succession",
    "Territory",
    "Unit",
    "UnknownPlace",
]

Record = TypeVar("Record")
Interval = tuple[date | None, date | None, tuple[str, ...]]


class InvalidTerritory(IocError):
    """The records contradict each other; `problems` holds one entry for each place to put right."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `from_day` until before `to_day`, a unit of today was made of these shares of units of then."""

    from_day: date
    to_day: date
    parts: tuple[tuple[str, float], ...]


class _Epoch:
    """The tree between two midnights at which it changes."""

    def __init__(self, units: tuple[Unit, ...], coverage: tuple[Coverage, ...], centres: tuple[Centre, ...]) -> None:
        self.units = units
        self.children: dict[str | None, tuple[Unit, ...]] = defaultdict(tuple)
        for unit in units:
            self.children[unit.parent] += (unit,)
        parents = {unit.id: unit.parent for unit in units}
        self.ancestors = {unit.id: tuple(_chain(unit.id, parents)) for unit in units}
        self.covered: dict[str, tuple[str, ...]] = defaultdict(tuple)
        covering: dict[str, set[str]] = defaultdict(set)
        for one in coverage:
            self.covered[one.centre] += (one.unit,)
            covering[one.unit].add(one.centre)
        self.centres = {
            unit: tuple(centre.id for centre in centres if any(centre.id in covering[above] for above in chain))
            for unit, chain in self.ancestors.items()
        }

    def below(self, unit_id: str) -> tuple[str, ...]:
        """The unit, then all units below it, depth first."""
        return (
            unit_id,
            *(below for child in self.children.get(unit_id, ()) for below in self.below(child.id)),
        )


class Territory:
    """All records of a province, indexed; immutable after construction."""

    def __init__(
        self,
        *,
        levels: Iterable[Level],
        units: Iterable[Unit],
        successions: Iterable[Succession] = (),
        centres: Iterable[Centre] = (),
        coverage: Iterable[Coverage] = (),
        assets: Iterable[Asset] = (),
        memberships: Iterable[Membership] = (),
    ) -> None:
        self.levels = tuple(sorted(levels, key=lambda level: level.rank))
        self.units = tuple(units)
        self.successions = tuple(successions)
        self.centres = tuple(centres)
        self.coverage = tuple(coverage)
        self.assets = tuple(assets)
        self.memberships = tuple(memberships)
        if problems := self.problems():
            raise InvalidTerritory(problems)
        self._units = {unit.id: unit for unit in self.units}
        self._centres = {centre.id: centre for centre in self.centres}
        self._assets = {asset.id: asset for asset in self.assets}
        self._order = {asset.id: number for number, asset in enumerate(self.assets)}
        self._by_code = _grouped((unit.code, unit) for unit in self.units)
        self._by_asset = _grouped((one.asset, one) for one in self.memberships)
        self._by_unit = _grouped((one.unit, one) for one in self.memberships)
        self._successors = _grouped((one.from_unit, one) for one in self.successions)
        self._predecessors = _grouped((one.to_unit, one) for one in self.successions)
        self._epochs: dict[int, _Epoch] = {}
        self._intervals: dict[str, tuple[Interval, ...]] = {}

    def problems(self) -> tuple[Problem, ...]:
        """What contradicts itself in the records; construction refuses a territory that has any."""
        return problems_of(
            Tables(
                self.levels,
                self.units,
                self.successions,
                self.centres,
                self.coverage,
                self.assets,
                self.memberships,
            )
        )

    # Single places

    def unit(self, unit_id: str) -> Unit:
        """The unit of that id, valid today or not."""
        return _known(self._units, unit_id, "unit")

    def centre(self, centre_id: str) -> Centre:
        return _known(self._centres, centre_id, "centre")

    def asset(self, asset_id: str) -> Asset:
        return _known(self._assets, asset_id, "asset")

    def has_asset(self, asset_id: str) -> bool:
        return asset_id in self._assets

    def resolve_unit(self, id_or_code: str, day: date) -> Unit:
        """The unit of that id, else the one that carries the code on that day (codes change meaning)."""
        if id_or_code in self._units:
            return self._units[id_or_code]
        for unit in self._by_code.get(id_or_code, ()):
            if is_valid_on(unit, day):
                return unit
        raise UnknownPlace(
            f"no unit has the id or, on {day}, the code {id_or_code!r}; see the list of units as of {day}"
        )

    # The tree of a day

    @cached_property
    def change_days(self) -> tuple[date, ...]:
        """The local days at whose midnight a unit or a coverage begins or ends."""
        dated: tuple[Dated, ...] = (*self.units, *self.coverage)
        days = {day for one in dated for day in (one.valid_from, one.valid_to)}
        return tuple(sorted(day for day in days if day is not None))

    def units_at(self, day: date) -> tuple[Unit, ...]:
        return self._epoch(day).units

    def roots(self, day: date) -> tuple[Unit, ...]:
        return self._epoch(day).children.get(None, ())

    def children(self, unit_id: str, day: date) -> tuple[Unit, ...]:
        self.unit(unit_id)
        return self._epoch(day).children.get(unit_id, ())

    def ancestors(self, unit_id: str, day: date) -> tuple[str, ...]:
        """The unit itself, then its parents up to the top; empty on a day on which it does not exist."""
        self.unit(unit_id)
        return self._epoch(day).ancestors.get(unit_id, ())

    def descendants(self, unit_id: str, day: date) -> tuple[str, ...]:
        """The unit itself, then all units below it; empty on a day on which it does not exist."""
        self.unit(unit_id)
        epoch = self._epoch(day)
        return epoch.below(unit_id) if unit_id in epoch.ancestors else ()

    # Centres

    def centres_of_unit(self, unit_id: str, day: date) -> tuple[str, ...]:
        """The centres that cover the unit or any unit above it, in the order of the centres."""
        self.unit(unit_id)
        return self._epoch(day).centres.get(unit_id, ())

    def units_of_centre(self, centre_id: str, day: date) -> tuple[str, ...]:
        """The units that the centre covers, as its coverage names them."""
        self.centre(centre_id)
        return self._epoch(day).covered.get(centre_id, ())

    def all_units_of_centre(self, centre_id: str, day: date) -> tuple[str, ...]:
        """The units that the centre covers and all units below them, each once."""
        epoch = self._epoch(day)
        return tuple(
            dict.fromkeys(below for unit in self.units_of_centre(centre_id, day) for below in epoch.below(unit))
        )

    # Assets

    def unit_of(self, asset_id: str, day: date) -> str | None:
        self.asset(asset_id)
        for one in self._by_asset.get(asset_id, ()):
            if is_valid_on(one, day):
                return one.unit
        return None

    def places_above(self, asset_id: str, day: date) -> tuple[str, ...]:
        """What an observation at this asset on this local day folds into: its units upward, then centres."""
        for from_day, to_day, places in self.memberships_intervals(asset_id):
            if (from_day is None or from_day <= day) and (to_day is None or day < to_day):
                return places
        return ()

    def memberships_intervals(self, asset_id: str) -> tuple[Interval, ...]:
        """(from_day, to_day, places_above) for each period in which the places above the asset stay the same.

        Days that lie in none of the periods have no places above.
        """
        if asset_id not in self._intervals:
            self.asset(asset_id)
            self._intervals[asset_id] = self._build_intervals(asset_id)
        return self._intervals[asset_id]

    def assets_of(self, place_id: str, day: date, kind: str | None = None) -> tuple[Asset, ...]:
        """The assets below a unit or a centre on that day, in the order of the assets."""
        units = (
            self.all_units_of_centre(place_id, day) if place_id in self._centres else self.descendants(place_id, day)
        )
        ids = {one.asset for unit in units for one in self._by_unit.get(unit, ()) if is_valid_on(one, day)}
        found = (self._assets[asset_id] for asset_id in sorted(ids, key=self._order.__getitem__))
        return tuple(asset for asset in found if kind is None or asset.kind == kind)

    # Change over time

    def successors_of(self, unit_id: str) -> tuple[Succession, ...]:
        self.unit(unit_id)
        return self._successors.get(unit_id, ())

    def predecessors_of(self, unit_id: str) -> tuple[Succession, ...]:
        self.unit(unit_id)
        return self._predecessors.get(unit_id, ())

    def restated(self, unit_id: str, day_from: date, day_to: date) -> tuple[Stretch, ...]:
        """What made up the unit's territory from `day_from` until before `day_to`, one entry per stretch.

        A value of the unit restated for a day is the sum over the parts of share × value of the part. A chart
        marks a break where one stretch ends. A unit without recorded predecessors is made of those of its
        children. Days of which nothing is known, and days after the unit's end, are in no stretch.
        """
        unit = self.unit(unit_id)
        days = sorted({day_from, *(day for day in self.change_days if day_from < day < day_to), day_to})
        stretches: list[Stretch] = []
        for start, end in pairwise(days):
            parts = self._parts(unit, start)
            if stretches and stretches[-1].parts == parts and stretches[-1].to_day == start:
                stretches[-1] = Stretch(stretches[-1].from_day, end, parts)
            elif parts:
                stretches.append(Stretch(start, end, parts))
        return tuple(stretches)

    def _parts(self, unit: Unit, day: date) -> tuple[tuple[str, float], ...]:
        if is_valid_on(unit, day):
            return ((unit.id, 1.0),)
        if unit.valid_from is None or day >= unit.valid_from:
            return ()
        shares: dict[str, float] = defaultdict(float)
        for one in self._predecessors.get(unit.id, ()):
            for part, share in self._parts(self._units[one.from_unit], day):
                shares[part] += share * one.share
        if not shares:
            for child in self.children(unit.id, unit.valid_from):
                for part, share in self._parts(child, day):
                    shares[part] += share
        return tuple(sorted(shares.items()))

    def _epoch(self, day: date) -> _Epoch:
        number = bisect_right(self.change_days, day)
        if number not in self._epochs:
            self._epochs[number] = _Epoch(
                tuple(unit for unit in self.units if is_valid_on(unit, day)),
                tuple(one for one in self.coverage if is_valid_on(one, day)),
                self.centres,
            )
        return self._epochs[number]

    def _build_intervals(self, asset_id: str) -> tuple[Interval, ...]:
        intervals: list[Interval] = []
        for one in sorted(self._by_asset.get(asset_id, ()), key=lambda one: one.valid_from or date.min):
            inside = [
                day
                for day in self.change_days
                if (one.valid_from is None or day > one.valid_from) and (one.valid_to is None or day < one.valid_to)
            ]
            bounds: list[date | None] = [one.valid_from, *inside, one.valid_to]
            for start, end in pairwise(bounds):
                epoch = self._epoch(start or date.min)
                places = (*epoch.ancestors[one.unit], *epoch.centres[one.unit])
                if intervals and intervals[-1][1] == start and intervals[-1][2] == places:
                    intervals[-1] = (intervals[-1][0], end, places)
                else:
                    intervals.append((start, end, places))
        return tuple(intervals)


def _chain(unit_id: str, parents: dict[str, str | None]) -> Iterable[str]:
    at: str | None = unit_id
    while at is not None:
        yield at
        at = parents[at]


def _grouped(pairs: Iterable[tuple[str, Record]]) -> dict[str, tuple[Record, ...]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for key, record in pairs:
        groups[key].append(record)
    return {key: tuple(records) for key, records in groups.items()}


def _known(places: dict[str, Record], place_id: str, kind: str) -> Record:
    if place_id not in places:
        raise UnknownPlace(f"no {kind} has the id {place_id!r}; see the list of {kind}s of this province")
    return places[place_id]
