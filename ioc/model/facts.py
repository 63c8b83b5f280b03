"""The three kinds of facts that a message becomes: measurement, case, figure. Times are UTC milliseconds."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from ioc.model.series import Series

Reading: TypeAlias = tuple[Series, int, int]
"""(series, value × scale, weight): one number; the weight is 1 where the series has none of its own."""


class Measurement(msgspec.Struct, frozen=True, gc=False):
    """Numbers observed at one asset in one interval. `at` is its start (the event time), `as_of` its end."""

    asset: str
    at: int
    as_of: int
    readings: tuple[Reading, ...]


OFFICE: Final = "office"
"""The field of every case that names the asset which answers for it."""


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What one message says of one case. `fields` holds only what it speaks of; None means "known to be empty".

    Times are UTC milliseconds, everything else is text. `modified` dates the statement; `happened` are the
    oldest and the newest time that it tells as past.
    """

    case: str
    modified: int
    fields: dict[str, str | int | None]
    happened: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Case:
    """The current state of a case: for each field the value with the newest stamp.

    Merging is commutative, associative and idempotent, so states may arrive in any order and more than once:
    of two values with one stamp the larger one wins.
    """

    stamps: dict[str, int] = field(default_factory=dict)
    fields: dict[str, str | int | None] = field(default_factory=dict)

    def merged_with(self, report: CaseReport) -> "Case":
        stamps, fields = dict(self.stamps), dict(self.fields)
        for name, value in report.fields.items():
            stamp = stamps.get(name)
            newer = stamp is None or (report.modified, _order(value)) > (stamp, _order(fields[name]))
            if newer:
                stamps[name], fields[name] = report.modified, value
        return Case(stamps, fields)

    def time(self, name: str) -> int | None:
        value = self.fields.get(name)
        return value if isinstance(value, int) else None

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        return value if isinstance(value, str) else None


def _order(value: str | int | None) -> tuple[int, int, str]:
    """A total order over what a field may hold."""
    if value is None:
        return (0, 0, "")
    return (1, value, "") if isinstance(value, int) else (2, 0, value)


@dataclass(frozen=True, slots=True)
class CaseTimes:
    """What every kind of case has, whatever its feed calls it; None where it is not known (yet)."""

    opened: int | None
    due: int | None
    closed: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A stated value of a unit as of a date; the newest per (series, unit) stands."""

    series: Series
    unit: str
    as_of: int
    value: int
    numerator: int | None = None
    denominator: int | None = None
    qualifier: str = ""
    source: str = ""


Fact: TypeAlias = Measurement | CaseReport | Figure
