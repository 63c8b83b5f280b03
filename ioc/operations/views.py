"""A view is what one page of one centre shows: a document, and then only what changed in it.

A `Board` holds one view for all who look at it: it knows which parts a change concerns, computes only those, and
says what differs from what it said before. What it shows is bounded by the centre alone, so everybody who may see the
centre may share it; `check_view` is where that is asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from ioc.errors import BadRequest, Refused
from ioc.feeds import KPIS
from ioc.model.access import Permission, Principal
from ioc.model.columns import Integers
from ioc.model.windows import DAY, bucket_start
from ioc.operations.access import check_permission
from ioc.operations.disk import is_marked_low
from ioc.operations.places import Asked, Place, Province, milliseconds
from ioc.operations.sources import SourceEntry, read_source_entries
from ioc.operations.view_parts import (
    CONGESTED,
    ON_TIME,
    SPEED,
    TREND,
    TREND_STEP,
    UNIT_SERIES,
    Card,
    Segment,
    Trend,
    UnitRow,
    cards,
    frame_of,
    in_order_of_need,
    iso,
    segments,
    trend,
    unit_rows,
)
from ioc.store.access import Connection
from ioc.store.source_reading import read_gaps

UNITS_EVERY_MS: Final = 2_000
SOURCES_EVERY_MS: Final = 2_000
"""The list of units and the sources board go out whole, so not with every commit."""

DISK_LOW: Final = "disk_low"
MESSAGES_LOST: Final = "messages_lost"
LOST_SHOWN_MS: Final = DAY
"""How long the pages say that the log has lost messages; `/api/v1/sources` tells of seven days."""
"""A notice: what everybody should know of the centre itself. Its words stand in the catalogue of the pages."""


class Page(StrEnum):
    WALL = "wall"
    CENTRE = "centre"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class View:
    """One page of one centre."""

    page: Page
    centre: str

    @property
    def id(self) -> str:
        return f"{self.page}:{self.centre}"

    @classmethod
    def from_id(cls, view: str) -> "View":
        """The view of an id such as `wall:binh-duong`; BadRequest for anything else."""
        page, colon, centre = view.partition(":")
        if not (colon and centre and page in tuple(Page)):
            raise BadRequest(
                f"view {view[:80]!r} is not known: write page:centre, where page is one of {', '.join(Page)}"
            )
        return cls(Page(page), centre)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A sending system on the sources board; figures as in `SourceEntry`."""

    source: str
    feed: str
    origin: str
    last_message: str | None
    lag_s: float | None
    per_minute: float
    rejected_share: float | None
    duplicates: int
    state: str


def check_view(principal: Principal, province: Province, view: View, *, now: datetime) -> Place:
    """The centre of the view, if the principal may see it today."""
    check_permission(principal, Permission.READ)
    if principal.view is not None and principal.view != view.id:
        raise Refused(f"The screen {principal.name} shows one view only: pair it anew to show another.")
    with province.reading(principal) as (_, atlas):
        return atlas.find(principal, Asked(centre=view.centre), atlas.day(milliseconds(now)))


def view_document(principal: Principal, province: Province, view: View, *, now: datetime) -> dict[str, Any]:
    """The whole document of a view, in the plain values that a browser gets."""
    board = Board(province, view, check_view(principal, province, view, now=now))
    board.refresh(now)
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(board.document(n=0)))
    return document


class Board:
    """One view, kept current. Not safe for several threads at once: its holder calls it from one at a time."""

    def __init__(self, province: Province, view: View, centre: Place) -> None:
        self.view = view
        self._province = province
        self._centre = centre
        self._title: dict[str, str] = {}
        self._at: datetime | None = None
        self._cards: dict[str, Card] = {}
        self._trend = Trend("", "", None, TREND_STEP.id, ())
        self._units: dict[int, UnitRow] = {}
        self._segments: dict[int, Segment] = {}
        self._sources: tuple[SourceRow, ...] = ()
        self._notices: list[str] = []
        self._units_due = self._sources_due = 0
        self._stale_units: set[int] = set()
        self._changed: dict[str, Any] = {}

    @property
    def at(self) -> str | None:
        """When it was last computed, as the document says it."""
        return _at(self._at)

    def refresh(self, now: datetime) -> None:
        """Compute everything anew: time passes also where nothing is sent."""
        with self._province.reading_centre(self._centre) as (connection, atlas):
            clock = self._province.clock(connection, atlas, now)
            frame = frame_of(connection, atlas, self._province, self._centre, clock)
            centre = atlas.territory.centre(self._centre.key)
            self._title = {"id": centre.id, "title_vi": centre.title_vi, "title_en": centre.title_en}
            self._take_cards(cards(frame, list(KPIS.values())))
            self._take_trend(trend(frame), whole=True)
            self._take_segments(segments(frame, frame.segments.keys()), whole=True)
            self._take_units(unit_rows(frame, frame.units.keys()), clock.now, whole=True)
            self._take_sources(read_source_entries(connection, now), clock.now)
            self._take_notices(connection, clock.now)
        self._at = now

    def update(self, touched: Integers, now: datetime) -> None:
        """Compute what these (series, place, origin) rows concern; a no-op for those of other centres."""
        with self._province.reading_centre(self._centre) as (connection, atlas):
            clock = self._province.clock(connection, atlas, now)
            frame = frame_of(connection, atlas, self._province, self._centre, clock)
            places = _places_by_series(touched, {number: key for key, number in atlas.numbers.series.items()})
            here = {series for series, numbers in places.items() if self._centre.number in numbers}
            concerned = [kpi for kpi in KPIS.values() if {kpi.numerator, kpi.denominator} & here]
            if concerned:
                self._take_cards(cards(frame, concerned))
            if TREND in here:
                since = bucket_start(clock.now, TREND_STEP, 0) - TREND_STEP.width
                self._take_trend(trend(frame, since=since), whole=False)
            moved = _touched(places, (SPEED, CONGESTED)) & frame.segments.keys()
            if moved:
                self._take_segments(segments(frame, moved), whole=False)
            of_units = {*UNIT_SERIES, ON_TIME.numerator, ON_TIME.denominator or ON_TIME.numerator}
            self._stale_units |= _touched(places, of_units) & frame.units.keys()
            if self._stale_units and clock.now >= self._units_due:
                self._take_units(unit_rows(frame, self._stale_units), clock.now, whole=False)
            if clock.now >= self._sources_due:
                self._take_sources(read_source_entries(connection, now), clock.now)
                self._take_notices(connection, clock.now)
        self._at = now

    def document(self, n: int) -> dict[str, Any]:
        """The whole document as it stands, numbered `n`."""
        return {
            "view": self.view.id,
            "n": n,
            "at": self.at,
            "centre": self._title,
            "cards": list(self._cards.values()),
            "trend": self._trend,
            "units": in_order_of_need(self._units.values()),
            "segments": list(self._segments.values()),
            "sources": self._sources,
            "origins": self._origins(),
            "notices": self._notices,
        }

    def changes(self) -> dict[str, Any]:
        """What differs since the last call, by part; empty if nothing does."""
        changed, self._changed = self._changed, {}
        return changed

    def _take_cards(self, new: Mapping[str, Card]) -> None:
        changed = [card for card in new.values() if self._cards.get(card.id) != card]
        self._cards = {**self._cards, **new}
        self._note_each("cards", {card.id: card for card in changed})

    def _take_trend(self, new: Trend, *, whole: bool) -> None:
        before = self._trend
        known = {point[0]: point for point in before.points} if before.origin == new.origin else {}
        changed = {point[0]: point for point in new.points if known.get(point[0]) != point}
        points = new.points if whole else _merged_points(before, new)
        self._trend = Trend(new.series, new.unit, new.origin, new.step, points)
        if before.origin != new.origin:
            self._changed["trend"] = self._trend
        elif changed:
            earlier = self._changed.get("trend")
            if isinstance(earlier, Trend):
                self._changed["trend"] = self._trend
            else:
                merged = {point[0]: point for point in (earlier or {"points": []})["points"]} | changed
                self._changed["trend"] = {"points": [merged[start] for start in sorted(merged)]}

    def _take_segments(self, new: Mapping[int, Segment], *, whole: bool) -> None:
        changed = {one.asset: one for number, one in new.items() if self._segments.get(number) != one}
        self._segments = dict(new) if whole else {**self._segments, **new}
        self._note_each("segments", changed)

    def _take_units(self, new: Mapping[int, UnitRow], now: int, *, whole: bool) -> None:
        before = self._units
        self._units = dict(new) if whole else {**before, **new}
        self._stale_units = set()
        self._units_due = now + UNITS_EVERY_MS
        if self._units != before:
            self._changed["units"] = in_order_of_need(self._units.values())

    def _take_sources(self, entries: Iterable[SourceEntry], now: int) -> None:
        rows = tuple(_source_row(entry) for entry in entries)
        self._sources_due = now + SOURCES_EVERY_MS
        if rows != self._sources:
            self._sources = rows
            self._changed["sources"] = rows

    def _take_notices(self, connection: Connection, now: int) -> None:
        """What is wrong with the centre itself, the most urgent first: the pages have room for one."""
        has_lost = bool(read_gaps(connection, since=now - LOST_SHOWN_MS, limit=1))
        is_low = is_marked_low(self._province.settings.data)
        new = [notice for notice, holds in ((DISK_LOW, is_low), (MESSAGES_LOST, has_lost)) if holds]
        if new != self._notices:
            self._notices = self._changed["notices"] = new

    def _note_each(self, part: str, changed: Mapping[str, Any]) -> None:
        """Remember changed entries of a list; a later change of the same entry takes the place of the earlier."""
        if not changed:
            return
        earlier = {getattr(one, "id", None) or one.asset: one for one in self._changed.get(part, ())}
        self._changed[part] = list({**earlier, **changed}.values())

    def _origins(self) -> list[str]:
        shown = {self._trend.origin}
        shown |= {card.origin for card in self._cards.values()}
        shown |= {row.origin for row in self._units.values()}
        shown |= {one.origin for one in self._segments.values()}
        return sorted(origin for origin in shown if origin is not None)


def _places_by_series(touched: Integers, ids: Mapping[int, str]) -> dict[str, set[int]]:
    places: dict[str, set[int]] = {}
    for series, place, _ in touched.tolist():
        if series in ids:
            places.setdefault(ids[series], set()).add(place)
    return places


def _touched(places: Mapping[str, set[int]], series: Iterable[str]) -> set[int]:
    return {place for one in series for place in places.get(one, ())}


def _merged_points(before: Trend, new: Trend) -> tuple[tuple[int, float | None, bool], ...]:
    known = {point[0]: point for point in before.points} if before.origin == new.origin else {}
    known |= {point[0]: point for point in new.points}
    most = 24 * 4
    return tuple(known[start] for start in sorted(known))[-most:]


def _source_row(entry: SourceEntry) -> SourceRow:
    return SourceRow(
        entry.source,
        entry.feed,
        entry.origin,
        _at(entry.last_message),
        entry.lag_s,
        entry.per_minute,
        entry.rejected_share,
        entry.duplicates,
        entry.state.value,
    )


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else iso(milliseconds(moment))
