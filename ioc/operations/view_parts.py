"""The parts of a view: cards, trend, units and segments of one centre, each computed for all or for a few of them.

Made of the same operations as the read API, so a screen and a request never tell different numbers. Nothing here asks
who may see: `views` does, once for the centre; a part holds only what the centre covers.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from ioc.feeds import FEED_OF_SERIES, FEEDS, KPIS, SERIES
from ioc.model.columns import START, Integers
from ioc.model.origins import Origin
from ioc.model.places import Asset, Unit
from ioc.model.series import Kpi, State
from ioc.model.windows import BY_ID, HOUR, Level, Window, bucket_start
from ioc.operations.kpis import Ratio, ratios
from ioc.operations.places import Atlas, Place, Province, moment_of
from ioc.operations.series import read_buckets, watermark
from ioc.operations.snapshots import (
    REPORTING_PERIODS,
    UNHEARD,
    Current,
    current_values,
    reporting_counts,
)
from ioc.store.access import Connection
from ioc.store.series_reading import Clock, pieces_of_span, read_latest

TREND: Final = "traffic.mean_speed"
SPEED: Final = "traffic.mean_speed"
CONGESTED: Final = "traffic.congested"
OPEN: Final = "dossiers.open"
OVERDUE: Final = "dossiers.overdue"
ON_TIME: Final = KPIS["dossiers.on_time_rate"]
UNIT_SERIES: Final = (SPEED, OPEN, OVERDUE)

SPARK_POINTS: Final = 12
TREND_STEP: Final = BY_ID["15m"]
TREND_SPAN: Final = 24 * HOUR
SILENT_PERIODS: Final = 12

TrendPoint = tuple[int, float | None, bool]


@dataclass(frozen=True, slots=True)
class Frame:
    """What all parts of one computation share: one transaction, one moment, one centre and what it covers today."""

    connection: Connection
    atlas: Atlas
    clock: Clock
    origins: tuple[Origin, ...]
    centre: Place
    units: Mapping[int, Unit]
    segments: Mapping[int, Asset]
    assets: Mapping[str, Collection[int]]
    """Numbers of the assets that each feed speaks of in the centre."""


def frame_of(connection: Connection, atlas: Atlas, province: Province, centre: Place, clock: Clock) -> Frame:
    today = atlas.day(clock.now)
    assets = {feed.id: atlas.assets_in(centre, feed.asset_kind, today) for feed in FEEDS.values()}
    return Frame(
        connection,
        atlas,
        clock,
        province.preferred_origins(),
        centre,
        _units(atlas, centre, today),
        assets[FEED_OF_SERIES[SPEED]],
        assets,
    )


def _units(atlas: Atlas, centre: Place, today: date) -> dict[int, Unit]:
    """The units that the centre covers; where that is one unit, the units below it."""
    territory, numbers = atlas.territory, atlas.numbers.places
    covered = territory.units_of_centre(centre.key, today)
    if len(covered) == 1 and (below := territory.children(covered[0], today)):
        covered = tuple(unit.id for unit in below)
    return {numbers[unit]: territory.unit(unit) for unit in covered if unit in numbers}


# --- cards -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Card:
    """One KPI of the centre. `…_after` are ages in seconds, counted from `as_of`, at which the state turns."""

    id: str
    series: str
    value: float | None
    last_value: float | None
    numerator: float | None
    denominator: float | None
    target: float | None
    better: str
    unit: str
    decimals: int
    as_of: str | None
    state: State
    late_after: int
    stale_after: int
    silent_after: int
    origin: str | None
    reporting: int
    expected: int
    spark: tuple[float | None, ...]
    spark_span: int


def cards(frame: Frame, kpis: Collection[Kpi]) -> dict[str, Card]:
    """The cards of these KPIs, by id."""
    centre = frame.centre.number
    judged = {kpi.id: SERIES[kpi.denominator or kpi.numerator] for kpi in kpis}
    plain = {kpi.numerator: SERIES[kpi.numerator] for kpi in kpis if kpi.denominator is None}
    values = current_values(frame.connection, frame.atlas, list(plain.values()), (centre,), frame.origins, frame.clock)
    sums = _ratios(frame, [kpi for kpi in kpis if kpi.denominator is not None], (centre,))
    origins = {
        kpi.id: (sums[kpi.id, centre] if kpi.denominator else values[kpi.numerator, centre]).origin for kpi in kpis
    }
    reporting = reporting_counts(frame.connection, frame.atlas, set(judged.values()), frame.assets, frame.clock)
    sparks = _sparks(frame, kpis, origins)
    found: dict[str, Card] = {}
    for kpi in kpis:
        series = judged[kpi.id]
        ratio = sums[kpi.id, centre] if kpi.denominator else None
        current = _as_current(kpi, ratio) if ratio else values.get((kpi.numerator, centre), UNHEARD)
        factor = 1 if ratio else kpi.factor
        value, spark = rounded(current.value, factor), sparks[kpi.id]
        found[kpi.id] = Card(
            kpi.id,
            kpi.numerator,
            value,
            rounded(current.last_value, factor),
            ratio.numerator if ratio else None,
            ratio.denominator if ratio else None,
            kpi.target,
            kpi.better.value,
            kpi.unit,
            kpi.decimals,
            iso(current.as_of),
            current.state,
            series.period + series.delay,
            REPORTING_PERIODS * series.period + series.delay,
            SILENT_PERIODS * series.period + series.delay,
            slug(current.origin),
            reporting.get((series.id, current.origin), 0),
            len(frame.assets[FEED_OF_SERIES[series.id]]),
            # The running bucket has only begun: its point is the value of now, as the card says it.
            spark if value is None else (*spark[:-1], value),
            SPARK_POINTS * _spark_step(kpi).width // 1000,
        )
    return found


def _ratios(frame: Frame, kpis: Sequence[Kpi], places: Collection[int]) -> dict[tuple[str, int], Ratio]:
    found: dict[tuple[str, int], Ratio] = {}
    for span in {kpi.span or 0 for kpi in kpis}:
        pieces = pieces_of_span(frame.clock.now - span * 1000, frame.clock.now, frame.clock)
        of_span = [kpi for kpi in kpis if (kpi.span or 0) == span]
        found |= ratios(
            frame.connection, frame.atlas, of_span, places, frame.origins, frame.clock, pieces, frame.clock.now
        )
    return found


def _as_current(kpi: Kpi, ratio: Ratio) -> Current:
    last = (
        ratio.numerator / ratio.denominator * kpi.factor if ratio.numerator is not None and ratio.denominator else None
    )
    return Current(ratio.value(kpi), last, ratio.as_of, ratio.state, ratio.origin)


def _spark_step(kpi: Kpi) -> Level:
    """Days for a share over a span and for a stock, which are counted at the ends of days; hours for the rest."""
    return BY_ID["1d" if kpi.denominator or SERIES[kpi.numerator].stock else "1h"]


def _sparks(
    frame: Frame, kpis: Iterable[Kpi], origins: Mapping[str, Origin | None]
) -> dict[str, tuple[float | None, ...]]:
    """Twelve points up to now for each KPI, each what its card would have said at the end of that hour or day."""
    found: dict[str, tuple[float | None, ...]] = {}
    by_step: dict[Level, list[Kpi]] = defaultdict(list)
    for kpi in kpis:
        by_step[_spark_step(kpi)].append(kpi)
    for level, of_level in by_step.items():
        last = bucket_start(frame.clock.now, level, frame.clock.day_offset)
        starts = [last - back * level.width for back in range(SPARK_POINTS - 1, -1, -1)]
        series = {one for kpi in of_level for one in (kpi.numerator, kpi.denominator) if one}
        shown = {int(origin) for kpi in of_level if (origin := origins[kpi.id]) is not None}
        windows = _by_key(
            read_buckets(
                frame.connection,
                level,
                tuple(frame.atlas.numbers.series[one] for one in series),
                (frame.centre.number,),
                tuple(shown),
                starts[0] - (max(_buckets(kpi, level) for kpi in of_level) - 1) * level.width,
                last + level.width,
                frame.clock,
            )
        )
        for kpi in of_level:
            found[kpi.id] = tuple(_spark_value(frame, kpi, origins[kpi.id], start, level, windows) for start in starts)
    return found


def _buckets(kpi: Kpi, level: Level) -> int:
    """How many buckets of the level one point tells: the span of a share, one of everything else."""
    return max(1, (kpi.span or 0) * 1000 // level.width) if kpi.denominator else 1


Windows = Mapping[tuple[int, int, int, int], Window]


def _by_key(table: Integers) -> Windows:
    return {(row[0], row[1], row[2], row[3]): Window(*row[3:]) for row in table.T.tolist()}


def _spark_value(
    frame: Frame, kpi: Kpi, origin: Origin | None, start: int, level: Level, windows: Windows
) -> float | None:
    if origin is None:
        return None

    def at(series: str, start: int) -> Window | None:
        return windows.get((frame.atlas.numbers.series[series], frame.centre.number, int(origin), start))

    def total(series: str) -> float:
        starts = (start - back * level.width for back in range(_buckets(kpi, level)))
        return sum(window.sum for one in starts if (window := at(series, one))) / SERIES[series].scale

    if kpi.denominator is None:
        over, window = SERIES[kpi.numerator], at(kpi.numerator, start)
        return None if window is None else rounded(window.value(over.over_time, over.scale), kpi.factor)
    below = total(kpi.denominator)
    return rounded(total(kpi.numerator) / below, kpi.factor) if below else None


# --- trend -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trend:
    """One series of the centre over the last 24 hours; a point is (start in UTC ms, value, final)."""

    series: str
    unit: str
    origin: str | None
    step: str
    points: tuple[TrendPoint, ...]


def trend(frame: Frame, *, since: int | None = None) -> Trend:
    """The trend, whole or from the bucket that holds `since`."""
    series = SERIES[TREND]
    number, centre, clock = frame.atlas.numbers.series[TREND], frame.centre.number, frame.clock
    spoke = {key.origin for key in read_latest(frame.connection, (number,), (centre,))}
    origin = next((one for one in frame.origins if int(one) in spoke), None)
    if origin is None:
        return Trend(TREND, series.unit, None, TREND_STEP.id, ())
    first = bucket_start(clock.now, TREND_STEP, 0) + TREND_STEP.width - TREND_SPAN if since is None else since
    final_until = watermark(frame.connection, series, clock) - series.delay * 1000
    table = read_buckets(
        frame.connection, TREND_STEP, (number,), (centre,), (int(origin),), first, clock.now + TREND_STEP.width, clock
    )
    # A bucket that has just begun holds the few assets that spoke first: until it ends, it shows the value of now.
    running = current_values(frame.connection, frame.atlas, (series,), (centre,), (origin,), clock)
    now = running.get((TREND, centre), UNHEARD).value
    points = tuple(
        (
            window.start,
            rounded(
                window.value(series.over_time, series.scale)
                if now is None or window.start + TREND_STEP.width <= clock.now
                else now
            ),
            window.start + TREND_STEP.width <= final_until,
        )
        for window in (Window(*row) for row in table[START:].T.tolist())
    )
    return Trend(TREND, series.unit, origin.slug, TREND_STEP.id, points)


# --- units -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit against the on-time target; `gap` is what it lacks (negative: above the target)."""

    unit: str
    name: str
    value: float | None
    numerator: float | None
    denominator: float | None
    target: float | None
    gap: float | None
    open: float | None
    overdue: float | None
    speed: float | None
    state: State
    as_of: str | None
    origin: str | None


def unit_rows(frame: Frame, numbers: Collection[int]) -> dict[int, UnitRow]:
    """Rows of these units, by their numbers."""
    declared = [SERIES[one] for one in UNIT_SERIES]
    values = current_values(frame.connection, frame.atlas, declared, numbers, frame.origins, frame.clock)
    sums = _ratios(frame, [ON_TIME], numbers)
    found: dict[int, UnitRow] = {}
    for number in numbers:
        unit, ratio = frame.units[number], sums[ON_TIME.id, number]
        value = rounded(ratio.value(ON_TIME))
        found[number] = UnitRow(
            unit.id,
            unit.name,
            value,
            ratio.numerator,
            ratio.denominator,
            ON_TIME.target,
            None if value is None or ON_TIME.target is None else rounded(ON_TIME.target - value),
            values[OPEN, number].value,
            values[OVERDUE, number].value,
            rounded(values[SPEED, number].value),
            ratio.state,
            iso(ratio.as_of),
            slug(ratio.origin),
        )
    return found


def in_order_of_need(rows: Iterable[UnitRow]) -> tuple[UnitRow, ...]:
    """The largest gap to the target first, then the most overdue; units of which nothing is known last."""

    def need(row: UnitRow) -> tuple[bool, float, float, str]:
        return (row.gap is None, -(row.gap or 0), -(row.overdue or 0), row.name)

    return tuple(sorted(rows, key=need))


# --- segments --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Segment:
    """A road segment on the map; `value` is its mean speed now, in km/h."""

    asset: str
    title_vi: str
    title_en: str
    value: float | None
    congested: bool
    state: State
    as_of: str | None
    lat: float
    lon: float
    group: str | None
    origin: str | None


def segments(frame: Frame, numbers: Collection[int]) -> dict[int, Segment]:
    """These segments, by their numbers."""
    declared = (SERIES[SPEED], SERIES[CONGESTED])
    values = current_values(frame.connection, frame.atlas, declared, numbers, frame.origins, frame.clock)
    found: dict[int, Segment] = {}
    for number in numbers:
        asset, speed, jam = frame.segments[number], values[SPEED, number], values[CONGESTED, number]
        found[number] = Segment(
            asset.id,
            asset.title_vi,
            asset.title_en,
            rounded(speed.value),
            bool(jam.value),
            speed.state,
            iso(speed.as_of),
            asset.lat,
            asset.lon,
            asset.group,
            slug(speed.origin),
        )
    return found


# --- small things ----------------------------------------------------------------------------------------------


def rounded(value: float | None, factor: float = 1) -> float | None:
    """A number as a screen needs it; three decimals are more than any page shows."""
    return None if value is None else round(value * factor, 3)


def iso(at: int | None) -> str | None:
    moment = moment_of(at)
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def slug(origin: Origin | None) -> str | None:
    return None if origin is None else origin.slug
