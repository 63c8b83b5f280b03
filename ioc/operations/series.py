"""How a series went: its aggregates at a place, bucket by bucket, and the catalogue of what there is.

Buckets that roll-ups have not reached yet are put together from finer ones. A bucket in which nothing was observed
is absent, never zero. Refused: more than 2,000 points, and steps finer than what is still kept.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET, UnsetType

from ioc.errors import BadRequest, NotFound
from ioc.feeds import FEED_OF_SERIES, FEEDS, SERIES
from ioc.model.access import Permission, Principal
from ioc.model.columns import Integers, coarser
from ioc.model.origins import Origin
from ioc.model.series import Series
from ioc.model.windows import BY_ID, LEVELS, Level, Window, bucket_start
from ioc.operations.access import check_permission
from ioc.operations.places import Asked, Place, Province, milliseconds, moment_of
from ioc.store.access import Connection
from ioc.store.series_reading import Clock, pieces_by_step, read_latest, read_watermarks, read_windows

MOST_POINTS: Final = 2_000
IDLE_AFTER_MS: Final = 60_000
DEFAULT_SPAN: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket. `value` follows the series' rule over time; a counted series has no `min` and `max`."""

    start: datetime
    count: int
    weight: int
    sum: float
    min: float | None
    max: float | None
    value: float | None
    final: bool


@dataclass(frozen=True, slots=True)
class SeriesAnswer:
    """`points` stand in the order of time; `origin` is the one that answered."""

    series: str
    step: str
    origin: str
    points: tuple[Point, ...]
    unit: str | UnsetType = UNSET
    centre: str | UnsetType = UNSET
    asset: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """One declared series; `period` and `delay` in seconds."""

    id: str
    feed: str
    title_vi: str
    title_en: str
    unit: str
    decimals: int
    over_time: str
    over_territory: str
    better: str | None
    period: int
    delay: int
    current_span: int
    counted: bool
    stock: bool


def list_series(principal: Principal) -> tuple[SeriesEntry, ...]:
    """The catalogue of series."""
    check_permission(principal, Permission.READ)
    return tuple(
        SeriesEntry(
            series.id,
            FEED_OF_SERIES[series.id],
            series.title.vi,
            series.title.en,
            series.unit,
            series.decimals,
            series.over_time.value,
            series.over_territory.value,
            series.better.value if series.better else None,
            series.period,
            series.delay,
            series.current_span,
            series.counted,
            series.stock,
        )
        for series in SERIES.values()
    )


def series(
    principal: Principal,
    province: Province,
    series_id: str,
    asked: Asked,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    step: str | None = None,
    origin: Origin | None = None,
) -> SeriesAnswer:
    """The buckets of `step` that overlap [start, end); by default the last 24 hours in the finest step."""
    check_permission(principal, Permission.READ)
    declared = known_series(series_id)
    until = end or now
    since = start or until - DEFAULT_SPAN
    with province.reading(principal) as (connection, atlas):
        clock = province.clock(connection, atlas, now)
        first, last = milliseconds(since), milliseconds(until)
        level = _level_of(step, first, last, clock)
        place = atlas.find(principal, asked, atlas.day(max(first, last - 1)))
        number = atlas.numbers.series[declared.id]
        chosen = origin if origin is not None else chosen_origin(connection, province, (number,), place)
        spans = atlas.seen_between(principal, place, first, last)
        tables = [
            read_buckets(connection, level, (number,), (place.number,), (int(chosen),), begin, finish, clock)
            for begin, finish in spans
        ]
        final_until = _final_until(connection, declared, clock)
    points = tuple(
        _point(declared, window, level, final_until)
        for table in tables
        for window in (Window(*row) for row in table[3:].T.tolist())
    )
    return SeriesAnswer(declared.id, level.id, chosen.slug, points, **{place.kind.value: place.key})


def known_series(series_id: str) -> Series:
    if series_id not in SERIES:
        raise NotFound(f"there is no series {series_id!r}: GET /api/v1/series lists them")
    return SERIES[series_id]


def read_buckets(
    connection: Connection,
    level: Level,
    series_numbers: tuple[int, ...],
    place_numbers: tuple[int, ...],
    origins: tuple[int, ...],
    start: int,
    end: int,
    clock: Clock,
) -> Integers:
    """Buckets of `level` over [start, end), open ones made of finer ones; ordered by series, place, origin, start."""
    pieces = pieces_by_step(level, start, end, clock)
    rows = read_windows(connection, pieces, series_numbers, place_numbers, origins)
    return coarser(rows, level, clock.day_offset)


def chosen_origin(connection: Connection, province: Province, series_numbers: Collection[int], place: Place) -> Origin:
    """The first of the preferred origins that spoke of any of the series at the place; live where none did."""
    spoke = {key.origin for key in read_latest(connection, series_numbers, (place.number,))}
    return next((origin for origin in province.preferred_origins() if int(origin) in spoke), Origin.LIVE)


def watermark(connection: Connection, declared: Series, clock: Clock) -> int:
    """How far event time has come for the series: nothing older is expected, but for its declared delay."""
    if declared.stock:
        return clock.now
    topic = FEEDS[FEED_OF_SERIES[declared.id]].topic
    return read_watermarks(connection, (topic,), idle_before=clock.now - IDLE_AFTER_MS).get(topic, 0)


def _final_until(connection: Connection, declared: Series, clock: Clock) -> int:
    """Buckets that end by then are final."""
    return watermark(connection, declared, clock) - declared.delay * 1000


def _point(declared: Series, window: Window, level: Level, final_until: int) -> Point:
    scale = declared.scale
    start = moment_of(window.start)
    assert start is not None  # noqa: S101 - a window has a start
    return Point(
        start,
        window.count,
        window.weight,
        window.sum / scale,
        None if declared.counted else window.min / scale,
        None if declared.counted else window.max / scale,
        window.value(declared.over_time, scale),
        window.start + level.width <= final_until,
    )


# --- steps -----------------------------------------------------------------------------------------------------


def _level_of(step: str | None, start: int, end: int, clock: Clock) -> Level:
    if start >= end:
        raise BadRequest("`from` must lie before `to`")
    if step is None:
        return _finest_that_fits(start, end, clock)
    if step not in BY_ID:
        raise BadRequest(f"step {step!r} is not known: use one of {', '.join(BY_ID)}")
    level = BY_ID[step]
    if _points(level, start, end, clock) > MOST_POINTS:
        raise BadRequest(
            f"step={step} gives {_points(level, start, end, clock):,} points, and at most {MOST_POINTS:,} are answered:"
            f" ask with step={_finest_that_fits(start, end, clock).id}, or for a shorter time"
        )
    kept = clock.level_for(end - 1)
    if level.number < kept.number:
        raise BadRequest(f"step={step} is no longer kept for that time: ask with step={kept.id}")
    return level


def _points(level: Level, start: int, end: int, clock: Clock) -> int:
    first = bucket_start(start, level, clock.day_offset)
    return -((first - end) // level.width)


def _finest_that_fits(start: int, end: int, clock: Clock) -> Level:
    """The finest level of at most 2,000 points that is still kept at `start`."""
    kept = clock.level_for(start)
    for level in LEVELS[kept.number :]:
        if _points(level, start, end, clock) <= MOST_POINTS:
            return level
    raise BadRequest(f"even days give more than {MOST_POINTS:,} points: ask for a shorter time")
