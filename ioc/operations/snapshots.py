"""What holds now: the current value of each series at a place, with its as-of time, state and origin.

A value combines over the series' current span, which ends at the place's own newest data. A place that has been
silent has no value, only the last one that was known. One origin answers for a series at a place; origins never mix.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import UNSET, UnsetType

from ioc.feeds import FEED_OF_SERIES, FEEDS, SERIES
from ioc.feeds.feed import Feed
from ioc.model.access import Permission, Principal
from ioc.model.origins import Origin
from ioc.model.series import Combine, Series, State
from ioc.model.windows import LEVELS
from ioc.operations.access import check_permission
from ioc.operations.places import Asked, Atlas, Place, PlaceKind, Province, moment_of
from ioc.store.access import Connection
from ioc.store.series_reading import (
    Clock,
    Key,
    Newest,
    Total,
    count_reporting,
    pieces_of_span,
    read_current,
    read_latest,
    read_totals,
)

REPORTING_PERIODS: Final = 3


@dataclass(frozen=True, slots=True)
class Current:
    """The value of a series at a place now. Times are UTC ms; `value` is None when silent, `last_value` is not."""

    value: float | None
    last_value: float | None
    as_of: int | None
    state: State
    origin: Origin | None


UNHEARD: Final = Current(None, None, None, State.SILENT, None)


@dataclass(frozen=True, slots=True)
class SnapshotValue:
    series: str
    value: float | None
    last_value: float | None
    as_of: datetime | None
    state: State
    origin: str | None
    reporting: int
    expected: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All current values of one place."""

    at: datetime
    values: tuple[SnapshotValue, ...]
    unit: str | UnsetType = UNSET
    centre: str | UnsetType = UNSET
    asset: str | UnsetType = UNSET


def snapshot(
    principal: Principal, province: Province, asked: Asked, *, now: datetime, origin: Origin | None = None
) -> Snapshot:
    """The current value of every series at the place; of an asset, only the series that its kind has."""
    check_permission(principal, Permission.READ)
    with province.reading(principal) as (connection, atlas):
        clock = province.clock(connection, atlas, now)
        place = atlas.find(principal, asked, atlas.day(clock.now))
        origins = (origin,) if origin is not None else province.preferred_origins()
        declared = [series for series in SERIES.values() if speaks_of(feed_of(series), atlas, place)]
        current = current_values(connection, atlas, declared, [place.number], origins, clock)
        expected = {
            feed.id: atlas.assets_in(place, feed.asset_kind, atlas.day(clock.now))
            for feed in {series.id: feed_of(series) for series in declared}.values()
        }
        reporting = reporting_counts(connection, atlas, declared, expected, clock)
    values: list[SnapshotValue] = []
    for series in declared:
        known = current[series.id, place.number]
        values.append(
            SnapshotValue(
                series.id,
                known.value,
                known.last_value,
                moment_of(known.as_of),
                known.state,
                known.origin.slug if known.origin is not None else None,
                reporting.get((series.id, known.origin), 0),
                len(expected[FEED_OF_SERIES[series.id]]),
            )
        )
    return Snapshot(now, tuple(values), **{place.kind.value: place.key})


def feed_of(series: Series) -> Feed:
    return FEEDS[FEED_OF_SERIES[series.id]]


def speaks_of(feed: Feed, atlas: Atlas, place: Place) -> bool:
    """Whether the feed can say anything about the place: everything but assets of another kind."""
    return place.kind is not PlaceKind.ASSET or atlas.territory.asset(place.key).kind == feed.asset_kind


# --- current values --------------------------------------------------------------------------------------------


def current_values(
    connection: Connection,
    atlas: Atlas,
    declared: Collection[Series],
    places: Collection[int],
    origins: Iterable[Origin],
    clock: Clock,
) -> dict[tuple[str, int], Current]:
    """The current value of each (series id, place number), of the first of `origins` that the series has there."""
    numbers = {series.id: atlas.numbers.series[series.id] for series in declared}
    newest = read_latest(connection, tuple(numbers.values()), places)
    ranked = tuple(origins)
    counted = _counted(connection, declared, numbers, places, ranked, clock)
    found: dict[tuple[str, int], Current] = {}
    for series in declared:
        chosen = {
            place: key
            for place in places
            if (key := _first_origin(newest, numbers[series.id], place, ranked)) is not None
        }
        values = _values(connection, series, {key: newest[key] for key in chosen.values()}, counted, clock)
        for place in places:
            key = chosen.get(place)
            found[series.id, place] = UNHEARD if key is None else _judged(series, key, newest[key], values, clock)
    return found


def _first_origin(newest: Mapping[Key, Newest], series: int, place: int, origins: Iterable[Origin]) -> Key | None:
    for origin in origins:
        if (key := Key(series, place, int(origin))) in newest:
            return key
    return None


def _judged(series: Series, key: Key, newest: Newest, values: Mapping[Key, float | None], clock: Clock) -> Current:
    state = series.state((clock.now - newest.as_of) / 1000)
    last = values.get(key)
    return Current(None if state is State.SILENT else last, last, newest.as_of, state, Origin(key.origin))


def _counted(
    connection: Connection,
    declared: Iterable[Series],
    numbers: Mapping[str, int],
    places: Collection[int],
    origins: Iterable[Origin],
    clock: Clock,
) -> dict[Key, Total]:
    """Sums of all counted series. Cases date their transitions, so "now" ends their span, not the newest of them."""
    by_span: dict[int, list[int]] = defaultdict(list)
    for series in declared:
        if series.counted:
            by_span[series.current_span].append(numbers[series.id])
    found: dict[Key, Total] = {}
    for span, of_span in by_span.items():
        pieces = pieces_of_span(clock.now - span * 1000, clock.now, clock)
        found |= read_totals(connection, pieces, of_span, places, [int(origin) for origin in origins])
    return found


def _values(
    connection: Connection,
    series: Series,
    keys: Mapping[Key, Newest],
    counted: Mapping[Key, Total],
    clock: Clock,
) -> dict[Key, float | None]:
    """One number for each key: the newest for what is a last value, else over the span that ends at its as-of."""
    if not keys:
        return {}
    if series.over_time is Combine.LAST:
        return {key: newest.value / series.scale for key, newest in keys.items()}
    if series.counted:
        return {key: counted[key].sum / series.scale if key in counted else 0.0 for key in keys}
    span = series.current_span * 1000
    values: dict[Key, float | None] = {}
    by_level: dict[int, list[int]] = defaultdict(list)
    for key, newest in keys.items():
        by_level[clock.level_for(newest.as_of - span).number].append(key.place)
    for number, of_level in by_level.items():
        totals = read_current(connection, LEVELS[number], next(iter(keys)).series, of_level, span=span)
        values |= {key: value_of(series, total) for key, total in totals.items() if key in keys}
    return values


def value_of(series: Series, total: Total) -> float | None:
    """The one number of a sum over windows, in the unit of the series; None for a mean without weight."""
    match series.over_time:
        case Combine.SUM:
            return total.sum / series.scale
        case Combine.MIN:
            return total.min / series.scale
        case Combine.MAX:
            return total.max / series.scale
        case _:
            return total.sum / (total.weight * series.scale) if total.weight else None


def reporting_counts(
    connection: Connection,
    atlas: Atlas,
    declared: Iterable[Series],
    expected: Mapping[str, Collection[int]],
    clock: Clock,
) -> dict[tuple[str, Origin | None], int]:
    """How many of a feed's expected assets (numbers by feed id) are not stale, by (series id, origin)."""
    by_age: dict[tuple[str, int], list[Series]] = defaultdict(list)
    for series in declared:
        feed, age = FEED_OF_SERIES[series.id], REPORTING_PERIODS * series.period + series.delay
        by_age[feed, age].append(series)
    found: dict[tuple[str, Origin | None], int] = {}
    for (feed, age), group in by_age.items():
        ids = {atlas.numbers.series[series.id]: series.id for series in group}
        counted = count_reporting(connection, ids.keys(), expected[feed], since=clock.now - age * 1000)
        found |= {(ids[number], Origin(origin)): count for (number, origin), count in counted.items()}
    return found
