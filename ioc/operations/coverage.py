"""Which units a centre covers, and since when: what decides who sees what. Read-only: it comes with the province.

An administrator sees the coverage of their own centres and of those below; everything else is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from ioc.errors import NotFound
from ioc.model.access import Permission, Principal
from ioc.model.places import Centre
from ioc.model.series import Text
from ioc.model.territory import Territory
from ioc.operations.access import administers, check_permission
from ioc.operations.places import Province, milliseconds, seen_centres


@dataclass(frozen=True, slots=True)
class CoveredUnit:
    """A unit that the coverage names; `below` is how many units stand below it in that period."""

    id: str
    code: str
    name: str
    level: Text
    below: int


@dataclass(frozen=True, slots=True)
class CoveredPeriod:
    """From the first local day that counts (None: since before anybody noted) to the first that no longer does."""

    valid_from: date | None
    valid_to: date | None
    units: tuple[CoveredUnit, ...]

    def holds_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class CentreCoverage:
    """A centre with all periods of its coverage, newest first; a period in which it covers nothing counts too.

    `parent` is None for the topmost one, and for one whose parent is not the principal's to see.
    """

    id: str
    title: Text
    parent: Text | None
    periods: tuple[CoveredPeriod, ...]

    def on(self, day: date) -> CoveredPeriod:
        """The period that holds that local day."""
        return next(period for period in self.periods if period.holds_on(day))


def administered_centres(principal: Principal, province: Province, *, now: datetime) -> tuple[Centre, ...]:
    """The centres whose people and keys the principal administers, in the order of the province."""
    check_permission(principal, Permission.ADMINISTER)
    return tuple(
        centre
        for centre in seen_centres(principal, province, now=now)
        if administers(principal, frozenset({centre.id}))
    )


def list_coverage(principal: Principal, province: Province, *, now: datetime) -> tuple[CentreCoverage, ...]:
    """What every centre that the principal sees covers and covered."""
    check_permission(principal, Permission.ADMINISTER)
    seen = seen_centres(principal, province, now=now)
    with province.reading(principal) as (_, atlas):
        known = {centre.id: Text(centre.title_vi, centre.title_en) for centre in seen}
        return tuple(_coverage(atlas.territory, centre, known) for centre in seen)


def centre_coverage(principal: Principal, province: Province, centre: str, *, now: datetime) -> CentreCoverage:
    """One of `list_coverage`; NotFound for a centre that does not exist or is not the principal's to see."""
    found = next((one for one in list_coverage(principal, province, now=now) if one.id == centre), None)
    if found is None:
        raise NotFound("There is no such centre, or it is not yours to see: look at the list of centres.")
    return found


def local_day(principal: Principal, province: Province, now: datetime) -> date:
    """Today, where the province is."""
    check_permission(principal, Permission.ADMINISTER)
    with province.reading(principal) as (_, atlas):
        return atlas.day(milliseconds(now))


def units_ever_covered(territory: Territory, centres: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The units that coverage of these centres names in any period, and those with all units below them."""
    days = (date.min, *territory.change_days)
    named = {unit for centre in centres for day in days for unit in territory.units_of_centre(centre, day)}
    below = {unit for centre in centres for day in days for unit in territory.all_units_of_centre(centre, day)}
    return frozenset(named), frozenset(below)


def _coverage(territory: Territory, centre: Centre, known: Mapping[str, Text]) -> CentreCoverage:
    levels = {level.id: Text(level.title_vi, level.title_en) for level in territory.levels}

    def covered(day: date) -> tuple[CoveredUnit, ...]:
        units = (territory.unit(unit) for unit in territory.units_of_centre(centre.id, day))
        found = (
            CoveredUnit(unit.id, unit.code, unit.name, levels[unit.level], len(territory.descendants(unit.id, day)) - 1)
            for unit in units
        )
        return tuple(sorted(found, key=lambda unit: (unit.code, unit.id)))

    periods: list[CoveredPeriod] = []
    bounds: tuple[date | None, ...] = (None, *territory.change_days, None)
    for start, end in pairwise(bounds):
        units = covered(start or date.min)
        if periods and periods[-1].units == units:
            periods[-1] = CoveredPeriod(periods[-1].valid_from, end, units)
        else:
            periods.append(CoveredPeriod(start, end, units))
    parent = None if centre.parent is None else known.get(centre.parent)
    return CentreCoverage(centre.id, known[centre.id], parent, tuple(reversed(periods)))
