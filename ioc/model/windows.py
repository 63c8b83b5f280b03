"""Windows of event time: the levels, where a bucket begins, and what one bucket holds.

Arithmetic only. All times are milliseconds since 1970 in UTC; the local day is the one bucket that depends on
the time zone, and Viet Nam has had one fixed offset since 1975.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ioc.model.series import Combine

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Level:
    """One size of bucket. `number` orders the levels from fine to coarse; `width` is in milliseconds."""

    number: int
    id: str
    width: int

    @property
    def daily(self) -> bool:
        """Whether it is kept and dropped by whole days in UTC: the two that hold most of all rows."""
        return self.width <= MINUTE


LEVELS: Final = (
    Level(0, "10s", 10 * SECOND),
    Level(1, "1m", MINUTE),
    Level(2, "15m", 15 * MINUTE),
    Level(3, "1h", HOUR),
    Level(4, "1d", DAY),
)
FINEST: Final = LEVELS[0]
COARSEST: Final = LEVELS[-1]
BY_ID: Final = {level.id: level for level in LEVELS}


def bucket_start(at: int, level: Level, day_offset: int) -> int:
    """Start of the bucket of `level` that holds `at`; `day_offset` is local time minus UTC in milliseconds."""
    if level is COARSEST:
        return (at + day_offset) // DAY * DAY - day_offset
    return at // level.width * level.width


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long each level is kept, in milliseconds from fine to coarse; the day level is kept for ever."""

    ages: tuple[int, int, int, int]

    def first_kept(self, level: Level, now: int, day_offset: int) -> int:
        """From when `level` is to be kept: the start of a bucket of the level above, or of a day in UTC.

        No answer for the coarsest.
        """
        parent = LEVELS[level.number + 1]
        if level.daily:
            return (now - self.ages[level.number]) // DAY * DAY
        return bucket_start(now - self.ages[level.number], parent, day_offset)

    def starts(self, now: int, day_offset: int) -> tuple[int, ...]:
        """`first_kept` of every level but the coarsest."""
        return tuple(self.first_kept(level, now, day_offset) for level in LEVELS[:-1])


@dataclass(frozen=True, slots=True)
class Window:
    """What one bucket of one series at one place holds: scaled integers, never a mean.

    `sum` is Σ value × weight, `weight` Σ weight; `last` is the value of the newest event time (`last_at`, then
    the larger value).
    """

    start: int
    count: int
    weight: int
    sum: int
    min: int
    max: int
    last_at: int
    last: int

    def value(self, combine: Combine, scale: int) -> float | None:
        """The one number of the bucket in the unit of the series; None for a mean without weight."""
        if self.count == 0:
            return None
        match combine:
            case Combine.SUM:
                return self.sum / scale
            case Combine.MEAN:
                return self.sum / (self.weight * scale) if self.weight else None
            case Combine.MIN:
                return self.min / scale
            case Combine.MAX:
                return self.max / scale
            case Combine.LAST:
                return self.last / scale


def merged(start: int, windows: Iterator[Window]) -> Window | None:
    """All of `windows` as one bucket that begins at `start`; None if there is none."""
    total: Window | None = None
    for window in windows:
        if total is None:
            total = Window(
                start,
                window.count,
                window.weight,
                window.sum,
                window.min,
                window.max,
                window.last_at,
                window.last,
            )
            continue
        last_at, last = max((total.last_at, total.last), (window.last_at, window.last))
        total = Window(
            start,
            total.count + window.count,
            total.weight + window.weight,
            total.sum + window.sum,
            min(total.min, window.min),
            max(total.max, window.max),
            last_at,
            last,
        )
    return total
