"""Where an operation acts: the province as it is loaded now, and what of it a principal may see.

A unit is seen through the centres that cover it (or a unit above it) on the day that is asked for, an asset through
its unit, a centre if it is the principal's own or stands below one of theirs. Everything else is refused, and an
unknown place answers like one that may not be seen.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from ioc.errors import BadRequest, NotFound, StoreError, UnknownPlace
from ioc.feeds import SERIES
from ioc.model.access import Permission, Principal
from ioc.model.known_places import KnownIds
from ioc.model.origins import Origin
from ioc.model.places import Asset, Centre, Unit
from ioc.model.territory import Territory
from ioc.operations.access import check_permission
from ioc.settings import Settings
from ioc.store.access import Connection
from ioc.store.bounds import Bounds, also_see
from ioc.store.engine import Store
from ioc.store.registry import Registry, load_registry
from ioc.store.rolling import load_kept_from
from ioc.store.series_reading import Clock
from ioc.store.territory import load_territory, loaded_provinces

UNSEEN: Final = "there is no such place, or it is not yours to see: GET /api/v1/units and /api/v1/assets list yours"
LONGEST_PAGE: Final = 1000

Entry = TypeVar("Entry", Unit, Asset)

PREFERRED_ORIGINS: Final = (Origin.LIVE, Origin.SIMULATED, Origin.REPLAY, Origin.MANUAL, Origin.EXERCISE)
"""What is shown where nobody asked for an origin: the first of these that a series has at a place."""


class PlaceKind(StrEnum):
    UNIT = "unit"
    CENTRE = "centre"
    ASSET = "asset"


@dataclass(frozen=True, slots=True)
class Asked:
    """The place that a request names: exactly one of a unit (id or code), a centre and an asset."""

    unit: str | None = None
    centre: str | None = None
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place that the principal may see, with its short number in the store."""

    kind: PlaceKind
    key: str
    number: int


@dataclass(frozen=True, slots=True)
class Scope:
    """What a principal may see on one day."""

    units: frozenset[str]
    centres: frozenset[str]


NOTHING: Final = Scope(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Atlas:
    """The loaded province: its territory, time zone, and the short numbers that the windows carry."""

    id: str
    digest: str
    territory: Territory
    zone: ZoneInfo
    numbers: Registry
    ids: KnownIds
    _scopes: dict[Any, Scope] = field(default_factory=dict, repr=False)

    def day(self, at: int) -> date:
        """The local day that holds a UTC millisecond."""
        return datetime.fromtimestamp(at / 1000, self.zone).date()

    def midnight(self, day: date) -> int:
        """The UTC millisecond at which a local day begins."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp() * 1000)

    def day_offset(self, at: int) -> int:
        offset = datetime.fromtimestamp(at / 1000, self.zone).utcoffset() or timedelta()
        return int(offset.total_seconds() * 1000)

    def scope(self, principal: Principal, day: date) -> Scope:
        """What the principal may see on that local day."""
        epoch = sum(1 for change in self.territory.change_days if change <= day)
        asked = (principal.everything, principal.centres, principal.units, epoch)
        if asked not in self._scopes:
            if len(self._scopes) > 1000:
                self._scopes.clear()
            self._scopes[asked] = self._built_scope(principal, day)
        return self._scopes[asked]

    def _built_scope(self, principal: Principal, day: date) -> Scope:
        territory = self.territory
        if principal.everything:
            return Scope(
                frozenset(unit.id for unit in territory.units_at(day)),
                frozenset(centre.id for centre in territory.centres),
            )
        if Permission.READ not in principal.permissions or not principal.centres:
            return NOTHING
        parents = {centre.id: centre.parent for centre in territory.centres}
        centres = {centre for centre in parents if principal.centres & set(_upward(centre, parents))}
        units = {unit for centre in centres for unit in territory.all_units_of_centre(centre, day)}
        if principal.units:
            units &= {
                below
                for unit in principal.units
                if unit in {one.id for one in territory.units_at(day)}
                for below in territory.descendants(unit, day)
            }
            # A centre's figures speak of all its units, so a key for some of them may not read the sum.
            centres = {one for one in centres if units.issuperset(territory.all_units_of_centre(one, day))}
        return Scope(frozenset(units), frozenset(centres))

    def ever_whole(self, principal: Principal) -> list[int]:
        """The numbers of the centres that the principal sees on any day."""
        days = (date.min, *self.territory.change_days)
        seen = {centre for day in days for centre in self.scope(principal, day).centres}
        return [self.numbers.places[centre] for centre in seen if centre in self.numbers.places]

    def sees(self, scope: Scope, kind: PlaceKind, key: str, day: date) -> bool:
        match kind:
            case PlaceKind.UNIT:
                return key in scope.units
            case PlaceKind.CENTRE:
                return key in scope.centres
            case PlaceKind.ASSET:
                return self.territory.has_asset(key) and self.territory.unit_of(key, day) in scope.units

    def find(self, principal: Principal, asked: Asked, day: date) -> Place:
        """The asked place if the principal may see it on that day (a unit that had ended: on its last day)."""
        kind, text = _one_of(asked)
        key = self._known_key(kind, text, day)
        number = self.numbers.places.get(key) if key is not None else None
        if key is None or number is None:
            raise NotFound(UNSEEN)
        if kind is PlaceKind.UNIT and (ended := self.territory.unit(key).valid_to) is not None:
            day = min(day, ended - timedelta(days=1))
        if not self.sees(self.scope(principal, day), kind, key, day):
            raise NotFound(UNSEEN)
        return Place(kind, key, number)

    def _known_key(self, kind: PlaceKind, text: str, day: date) -> str | None:
        try:
            match kind:
                case PlaceKind.UNIT:
                    return self.territory.resolve_unit(text, day).id
                case PlaceKind.CENTRE:
                    return self.territory.centre(text).id
                case PlaceKind.ASSET:
                    return self.territory.asset(text).id
        except UnknownPlace:
            return None

    def seen_between(self, principal: Principal, place: Place, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of [start, end) in which the principal's centres covered the place (that changes at midnight)."""
        days = set(self.territory.change_days)
        if place.kind is PlaceKind.ASSET:
            days |= {day for one in self.territory.memberships_intervals(place.key) for day in one[:2] if day}
        inside = sorted(at for at in map(self.midnight, days) if start < at < end)
        parts: list[tuple[int, int]] = []
        for begin, until in pairwise([start, *inside, end]):
            day = self.day(begin)
            if not self.sees(self.scope(principal, day), place.kind, place.key, day):
                continue
            if parts and parts[-1][1] == begin:
                begin = parts.pop()[0]
            parts.append((begin, until))
        return parts

    def assets_in(self, place: Place, kind: str, day: date) -> dict[int, Asset]:
        """The assets of a kind in the place on that day, by their numbers."""
        territory = self.territory
        if place.kind is PlaceKind.ASSET:
            asset = territory.asset(place.key)
            return {place.number: asset} if asset.kind == kind else {}
        return {
            self.numbers.places[asset.id]: asset
            for asset in territory.assets_of(place.key, day, kind)
            if asset.id in self.numbers.places
        }


class Province:
    """The store and the province in it, as operations meet them. Loads the territory anew when it has changed."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self._atlas: Atlas | None = None

    @contextmanager
    def reading(self, principal: Principal) -> Iterator[tuple[Connection, Atlas]]:
        """A transaction that only reads, for the principal, and the province as that transaction sees it."""
        bounds = bounds_of(principal)
        with self.store.reading_for(bounds) as connection:
            atlas = self._current(connection)
            if bounds.units:
                also_see(connection, atlas.ever_whole(principal))
            yield connection, atlas

    @contextmanager
    def reading_centre(self, centre: Place) -> Iterator[tuple[Connection, Atlas]]:
        """As `reading`, for what everybody shares who may see the centre."""
        with self.store.reading_for(Bounds(frozenset({centre.key}))) as connection:
            yield connection, self._current(connection)

    @contextmanager
    def reading_own(self) -> Iterator[tuple[Connection, Atlas]]:
        """As `reading`, for a program's own business: messages on their way, not what the centre knows of places."""
        with self.store.reading() as connection:
            yield connection, self._current(connection)

    def clock(self, connection: Connection, atlas: Atlas, now: datetime) -> Clock:
        at = milliseconds(now)
        return Clock(at, int(self.settings.rollup_lag * 1000), load_kept_from(connection), atlas.day_offset(at))

    def preferred_origins(self) -> tuple[Origin, ...]:
        if self.settings.allow_simulated:
            return PREFERRED_ORIGINS
        return tuple(origin for origin in PREFERRED_ORIGINS if origin is not Origin.SIMULATED)

    def _current(self, connection: Connection) -> Atlas:
        rows = loaded_provinces(connection)
        if not rows:
            raise StoreError("the store holds no province yet: run `python -m ioc setup`")
        known, row = self._atlas, rows[0]
        if known is None or known.digest != row.digest or not SERIES.keys() <= known.numbers.series.keys():
            numbers = load_registry(connection)
            territory = load_territory(connection) if known is None or known.digest != row.digest else known.territory
            zone, ids = ZoneInfo(row.timezone), KnownIds.of(territory)
            self._atlas = known = Atlas(row.id, row.digest, territory, zone, numbers, ids)
        return known


# --- lists -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnitEntry:
    id: str
    code: str
    name: str
    level: str
    parent: str | None
    lat: float
    lon: float
    area_km2: float | None
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class UnitList:
    units: tuple[UnitEntry, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class AssetEntry:
    id: str
    kind: str
    title_vi: str
    title_en: str
    lat: float
    lon: float
    group: str | None
    unit: str | None
    centres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssetList:
    assets: tuple[AssetEntry, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class CentreEntry:
    id: str
    title_vi: str
    title_en: str
    parent: str | None
    units: tuple[str, ...]


def list_units(
    principal: Principal, province: Province, *, at: date | None, after: str | None, limit: int, now: datetime
) -> UnitList:
    """The units that the principal sees on that local day (default: today), in the order of their ids."""
    check_permission(principal, Permission.READ)
    with province.reading(principal) as (_, atlas):
        day = at or atlas.day(milliseconds(now))
        seen = atlas.scope(principal, day).units
        units = sorted((unit for unit in atlas.territory.units_at(day) if unit.id in seen), key=lambda unit: unit.id)
    page, following = _page(units, after, limit)
    return UnitList(tuple(_unit_entry(unit) for unit in page), following)


def list_assets(
    principal: Principal,
    province: Province,
    *,
    kind: str | None,
    at: date | None,
    after: str | None,
    limit: int,
    now: datetime,
) -> AssetList:
    """The assets that stand in units that the principal sees on that local day, in the order of their ids."""
    check_permission(principal, Permission.READ)
    with province.reading(principal) as (_, atlas):
        day = at or atlas.day(milliseconds(now))
        scope, territory = atlas.scope(principal, day), atlas.territory
        seen: list[Asset] = [
            asset
            for asset in territory.assets
            if (kind is None or asset.kind == kind) and atlas.sees(scope, PlaceKind.ASSET, asset.id, day)
        ]
        page, following = _page(sorted(seen, key=lambda asset: asset.id), after, limit)
        entries: list[AssetEntry] = []
        for asset in page:
            unit = territory.unit_of(asset.id, day)
            covering = territory.centres_of_unit(unit, day) if unit else ()
            entries.append(
                AssetEntry(
                    asset.id,
                    asset.kind,
                    asset.title_vi,
                    asset.title_en,
                    asset.lat,
                    asset.lon,
                    asset.group,
                    unit,
                    tuple(centre for centre in covering if centre in scope.centres),
                )
            )
    return AssetList(tuple(entries), following)


def list_centres(principal: Principal, province: Province, *, now: datetime) -> tuple[CentreEntry, ...]:
    """The centres that the principal sees, with the units that each covers today."""
    seen = seen_centres(principal, province, now=now)
    with province.reading(principal) as (_, atlas):
        day, territory = atlas.day(milliseconds(now)), atlas.territory
        return tuple(
            CentreEntry(one.id, one.title_vi, one.title_en, one.parent, territory.units_of_centre(one.id, day))
            for one in seen
        )


def seen_centres(principal: Principal, province: Province, *, now: datetime) -> tuple[Centre, ...]:
    """The centres that the principal sees today, in the order of the province."""
    check_permission(principal, Permission.READ)
    with province.reading(principal) as (_, atlas):
        seen = atlas.scope(principal, atlas.day(milliseconds(now))).centres
        return tuple(centre for centre in atlas.territory.centres if centre.id in seen)


def seen_places(principal: Principal, province: Province, *, now: datetime) -> frozenset[str]:
    """The ids of the units and assets that the principal sees today."""
    check_permission(principal, Permission.READ)
    with province.reading(principal) as (_, atlas):
        day = atlas.day(milliseconds(now))
        scope = atlas.scope(principal, day)
        assets = (one.id for one in atlas.territory.assets if atlas.sees(scope, PlaceKind.ASSET, one.id, day))
        return scope.units.union(assets)


def _unit_entry(unit: Unit) -> UnitEntry:
    return UnitEntry(
        unit.id,
        unit.code,
        unit.name,
        unit.level,
        unit.parent,
        unit.lat,
        unit.lon,
        unit.area_km2,
        unit.valid_from,
        unit.valid_to,
    )


def _page(entries: list[Entry], after: str | None, limit: int) -> tuple[list[Entry], str | None]:
    if not 1 <= limit <= LONGEST_PAGE:
        raise BadRequest(f"limit is {limit}: ask for 1 to {LONGEST_PAGE} entries")
    rest = [entry for entry in entries if after is None or entry.id > after]
    return rest[:limit], rest[limit - 1].id if len(rest) > limit else None


# --- small things ----------------------------------------------------------------------------------------------


def bounds_of(principal: Principal) -> Bounds:
    """What the database is told of who asks; it judges places, whatever the day (decision 16)."""
    if principal.everything:
        return Bounds(everything=True)
    if not principal.may(Permission.READ):
        return Bounds()
    return Bounds(principal.centres, principal.units)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def moment_of(at: int | None) -> datetime | None:
    """The UTC time of a millisecond, as the API shows it."""
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)


def _one_of(asked: Asked) -> tuple[PlaceKind, str]:
    given = [
        (kind, text)
        for kind, text in (
            (PlaceKind.UNIT, asked.unit),
            (PlaceKind.CENTRE, asked.centre),
            (PlaceKind.ASSET, asked.asset),
        )
        if text is not None
    ]
    if len(given) != 1:
        raise BadRequest("name exactly one place: unit=, centre= or asset=")
    return given[0]


def _upward(centre: str, parents: dict[str, str | None]) -> Iterable[str]:
    at: str | None = centre
    while at is not None:
        yield at
        at = parents.get(at)
