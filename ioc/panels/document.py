"""The view document: what a page is told, first whole and then as changes. The browser reads the same shape.

Types only. A document is made by operations, within the scope of its principal; panels never ask for more.
Times are ISO 8601 with offset, durations are seconds, `points` are (UTC ms, value, final).
"""

from typing import Final, Literal, TypedDict

UNITS_KPI: Final = "dossiers.on_time_rate"
"""The KPI that the rows of `units` show for each unit: its card has their target and their limits of age."""

Freshness = Literal["on_time", "late", "stale", "silent"]
Page = Literal["wall", "centre", "leader"]
Point = tuple[int, float | None, bool]


class CentreTitle(TypedDict):
    id: str
    title_vi: str
    title_en: str


class Card(TypedDict):
    """One KPI. `late_after` and its like are ages, counted from `as_of`, at which the state turns."""

    id: str
    series: str
    value: float | None
    last_value: float | None
    numerator: float | None
    denominator: float | None
    target: float | None
    better: Literal["higher", "lower"]
    unit: str
    decimals: int
    as_of: str | None
    state: Freshness
    late_after: float
    stale_after: float
    silent_after: float
    origin: str | None
    reporting: int
    expected: int
    spark: list[float | None]
    spark_span: float


class Trend(TypedDict):
    series: str
    unit: str
    origin: str | None
    step: str
    points: list[Point]


class UnitRow(TypedDict):
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
    state: Freshness
    as_of: str | None
    origin: str | None


class Segment(TypedDict):
    asset: str
    title_vi: str
    title_en: str
    value: float | None
    congested: bool
    state: Freshness
    as_of: str | None
    lat: float
    lon: float
    group: str | None
    origin: str | None


class SourceRow(TypedDict):
    source: str
    feed: str
    origin: str | None
    last_message: str | None
    lag_s: float | None
    per_minute: float | None
    rejected_share: float | None
    duplicates: int | None
    state: Freshness


class View(TypedDict):
    view: str
    n: int
    at: str
    centre: CentreTitle
    cards: list[Card]
    trend: Trend
    units: list[UnitRow]
    segments: list[Segment]
    sources: list[SourceRow]
    origins: list[str]
    notices: list[Literal["disk_low", "messages_lost"]]
