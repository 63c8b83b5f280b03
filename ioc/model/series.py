"""What a number means: how it combines over time and over territory, when it is old, when it is bad.

A declaration only. Values are kept as scaled integers (`value × scale`), because sums of floats depend on
their order and a replay would then give other figures than the first run.
"""

from dataclasses import dataclass
from enum import StrEnum

from ioc.errors import InvalidMessage


@dataclass(frozen=True, slots=True)
class Text:
    """Words in both languages of the product."""

    vi: str
    en: str

    def in_language(self, language: str) -> str:
        return self.en if language == "en" else self.vi


class Combine(StrEnum):
    """One rule to make one value out of many."""

    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    LAST = "last"


class State(StrEnum):
    """How fresh a value is; judged against the period of its own series."""

    ON_TIME = "on_time"
    LATE = "late"
    STALE = "stale"
    SILENT = "silent"


class Better(StrEnum):
    """Which way a figure should move."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of number, declared by its feed.

    `over_time` and `over_territory` are two rules: a stock of dossiers is the last value of one office but the
    sum of a province. `scale` is the number of steps in one unit (100: kept to the hundredth). `low` and `high`
    bound what a message may say, in `unit`. Durations are seconds.
    """

    id: str
    title: Text
    unit: str
    over_time: Combine
    over_territory: Combine
    scale: int
    low: float
    high: float
    period: int
    delay: int
    current_span: int
    decimals: int = 0
    better: Better | None = None
    counted: bool = False
    """Transitions of cases: added and taken back, so only count and sum mean anything."""

    stock: bool = False
    """Computed by a job from what is known now, never sent by a source."""

    @property
    def adds_upward(self) -> bool:
        """Whether a partial aggregate of an asset may be added to the places above it as it is."""
        return self.over_time == self.over_territory and self.over_time is not Combine.LAST

    def scaled(self, value: float) -> int:
        """`value` in steps of the series' resolution; InvalidMessage outside [low, high] or not finite."""
        if not self.low <= value <= self.high:  # NaN is nowhere, and integers may be larger than any float
            name = self.id.rpartition(".")[2]
            advice = f"send a number from {self.low:g} to {self.high:g} {self.unit}"
            raise InvalidMessage(
                f"{name} is {repr(value)[:40]}: {advice}", rule=f"{name} is out of its range: {advice}"
            )
        return round(value * self.scale)

    def state(self, age: float) -> State:
        """Freshness of a value that is `age` seconds old: late after one period, stale after 3, silent after 12."""
        if age <= self.period + self.delay:
            return State.ON_TIME
        if age <= 3 * self.period + self.delay:
            return State.LATE
        if age <= 12 * self.period + self.delay:
            return State.STALE
        return State.SILENT


@dataclass(frozen=True, slots=True)
class Kpi:
    """A ratio of two series (or one series against a target) over a span that ends now.

    `numerator` and `denominator` are series ids; `span` is in seconds, or None for the current value of a stock
    or of a measurement. `factor` turns the ratio into the shown unit (100 for per cent).
    """

    id: str
    title: Text
    unit: str
    numerator: str
    denominator: str | None
    span: int | None
    factor: float
    target: float | None
    better: Better
    source: Text
    owner: Text
    decimals: int = 1
