"""Key figures against their targets: the catalogue, and each one's value over a span that ends now.

A ratio divides two sums over exactly the same span, taken from whole buckets inside and finer ones at its edges. A
ratio over nothing has no value: an empty cohort is neither good nor bad.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET, UnsetType

from ioc.errors import BadRequest, NotFound
from ioc.feeds import KPIS, SERIES
from ioc.model.access import Permission, Principal
from ioc.model.columns import START
from ioc.model.origins import Origin
from ioc.model.series import Kpi, Series, State
from ioc.model.windows import Window, merged
from ioc.operations.access import check_permission
from ioc.operations.places import Asked, Atlas, Place, Province, milliseconds, moment_of
from ioc.operations.snapshots import UNHEARD, Current, current_values
from ioc.store.access import Connection
from ioc.store.series_reading import Clock, Key, Piece, Total, pieces_of_span, read_latest, read_totals, read_windows


@dataclass(frozen=True, slots=True)
class KpiAnswer:
    """`value` = numerator ÷ denominator × the KPI's factor; null where the denominator is 0 or nothing is known."""

    kpi: str
    value: float | None
    numerator: float | None
    denominator: float | None
    target: float | None
    as_of: datetime | None
    state: State
    origin: str | None
    unit: str | UnsetType = UNSET
    centre: str | UnsetType = UNSET
    asset: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class KpiEntry:
    """One declared KPI; `span` in seconds, null for one that is a current value; `measured_in` is its unit."""

    id: str
    title_vi: str
    title_en: str
    measured_in: str
    decimals: int
    numerator: str
    denominator: str | None
    span: int | None
    target: float | None
    better: str
    source_vi: str
    source_en: str
    owner_vi: str
    owner_en: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """The two sums of a ratio at a place, and how fresh they are; None where nothing was ever heard."""

    numerator: float | None
    denominator: float | None
    as_of: int | None
    state: State
    origin: Origin | None

    def value(self, declared: Kpi, *, of_now: bool = True) -> float | None:
        """The ratio in the KPI's unit; None for an empty cohort, and as a value of now for a silent source."""
        if self.numerator is None or not self.denominator or (of_now and self.state is State.SILENT):
            return None
        return self.numerator / self.denominator * declared.factor


def list_kpis(principal: Principal) -> tuple[KpiEntry, ...]:
    """The catalogue of KPIs."""
    check_permission(principal, Permission.READ)
    return tuple(
        KpiEntry(
            one.id,
            one.title.vi,
            one.title.en,
            one.unit,
            one.decimals,
            one.numerator,
            one.denominator,
            one.span,
            one.target,
            one.better.value,
            one.source.vi,
            one.source.en,
            one.owner.vi,
            one.owner.en,
        )
        for one in KPIS.values()
    )


def kpi(
    principal: Principal,
    province: Province,
    kpi_id: str,
    asked: Asked,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    origin: Origin | None = None,
) -> KpiAnswer:
    """A KPI at a place over [start, end); by default over its own span that ends now.

    What a period was is said however old it is; what is true now is not, once its source is silent.
    """
    check_permission(principal, Permission.READ)
    if kpi_id not in KPIS:
        raise NotFound(f"there is no KPI {kpi_id!r}: GET /api/v1/kpis lists them")
    declared = KPIS[kpi_id]
    with province.reading(principal) as (connection, atlas):
        clock = province.clock(connection, atlas, now)
        finish = clock.now if end is None else milliseconds(end)
        span = (declared.span or SERIES[declared.numerator].current_span) * 1000
        begin = finish - span if start is None else milliseconds(start)
        if begin >= finish:
            raise BadRequest("`from` must lie before `to`")
        place = atlas.find(principal, asked, atlas.day(max(begin, finish - 1)))
        origins = (origin,) if origin is not None else province.preferred_origins()
        named = {place.kind.value: place.key}
        spans = atlas.seen_between(principal, place, begin, finish)
        if declared.denominator is not None:
            pieces = [piece for one in spans for piece in pieces_of_span(*one, clock)]
            found = ratios(connection, atlas, (declared,), (place.number,), origins, clock, pieces, finish)
            of_now = start is None and end is None
            return _ratio_answer(declared, found[declared.id, place.number], named, of_now=of_now)
        if start is None and end is None:
            only = SERIES[declared.numerator]
            values = current_values(connection, atlas, (only,), (place.number,), origins, clock)
            return _current_answer(declared, values[only.id, place.number], named)
        return _past_answer(connection, atlas, declared, place, origins, clock, spans, named)


def ratios(
    connection: Connection,
    atlas: Atlas,
    declared: Collection[Kpi],
    places: Collection[int],
    origins: Iterable[Origin],
    clock: Clock,
    pieces: Sequence[Piece],
    finish: int,
) -> dict[tuple[str, int], Ratio]:
    """Each ratio at each place (KPI id, place number) over the pieces, which end at `finish`.

    Numerator and denominator are of one origin: the first of `origins` that either of them has there.
    """
    numbers = {one: atlas.numbers.series[one] for kpi in declared for one in (kpi.numerator, kpi.denominator) if one}
    newest = read_latest(connection, tuple(numbers.values()), places)
    ranked = tuple(origins)
    totals = read_totals(connection, pieces, tuple(numbers.values()), places, tuple(int(one) for one in ranked))
    found: dict[tuple[str, int], Ratio] = {}
    for kpi in declared:
        over, under = SERIES[kpi.numerator], SERIES[kpi.denominator or kpi.numerator]
        for place in places:
            keys = {
                one: (Key(numbers[over.id], place, int(one)), Key(numbers[under.id], place, int(one))) for one in ranked
            }
            chosen = next((one for one in ranked if any(key in newest or key in totals for key in keys[one])), None)
            if chosen is None:
                found[kpi.id, place] = Ratio(None, None, None, State.SILENT, None)
                continue
            ends = [newest[key].as_of for key in keys[chosen] if key in newest]
            as_of = min(max(ends), finish) if ends else None
            found[kpi.id, place] = Ratio(
                _sum(over, totals.get(keys[chosen][0])),
                _sum(under, totals.get(keys[chosen][1])),
                as_of,
                State.SILENT if as_of is None else under.state((min(finish, clock.now) - as_of) / 1000),
                chosen,
            )
    return found


def _sum(declared: Series, total: Total | None) -> float:
    return 0.0 if total is None else total.sum / declared.scale


def _ratio_answer(declared: Kpi, ratio: Ratio, named: Mapping[str, str], *, of_now: bool) -> KpiAnswer:
    return KpiAnswer(
        declared.id,
        ratio.value(declared, of_now=of_now),
        ratio.numerator,
        ratio.denominator,
        declared.target,
        moment_of(ratio.as_of),
        ratio.state,
        ratio.origin.slug if ratio.origin is not None else None,
        **named,
    )


def _current_answer(declared: Kpi, current: Current, named: Mapping[str, str]) -> KpiAnswer:
    return KpiAnswer(
        declared.id,
        None if current.value is None else current.value * declared.factor,
        current.value,
        None,
        declared.target,
        moment_of(current.as_of),
        current.state,
        current.origin.slug if current.origin is not None else None,
        **named,
    )


def _past_answer(
    connection: Connection,
    atlas: Atlas,
    declared: Kpi,
    place: Place,
    origins: Iterable[Origin],
    clock: Clock,
    spans: Sequence[tuple[int, int]],
    named: Mapping[str, str],
) -> KpiAnswer:
    """A KPI of one series over a stated span: its windows combined over time."""
    only = SERIES[declared.numerator]
    pieces = [piece for one in spans for piece in pieces_of_span(*one, clock)]
    for origin in origins:
        rows = read_windows(connection, pieces, (atlas.numbers.series[only.id],), (place.number,), (int(origin),))
        whole = merged(0, (Window(*row) for row in rows[START:].T.tolist()))
        if whole is not None:
            finish = min(spans[-1][1], clock.now)
            state = only.state((finish - whole.last_at) / 1000)
            current = Current(whole.value(only.over_time, only.scale), None, whole.last_at, state, origin)
            return _current_answer(declared, current, named)
    return _current_answer(declared, UNHEARD, named)
