"""Records of the territory: units, assets, centres, and the facts that tie them together for a period.

A period is `valid_from` to `valid_to` in local days of the province: the first day that counts (None: since
before anybody noted) and the first day that no longer counts (None: open). The records refuse nothing;
`Territory` does, because most of what can be wrong with them shows only when they are seen together.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True)
class Level:
    """A rung of the administration; rank 0 is the top. Code compares ranks and never names a level."""

    id: str
    title_vi: str
    title_en: str
    rank: int


@dataclass(frozen=True, slots=True)
class Unit:
    """An administrative unit valid for a period. Codes are re-used with other meanings: the id is the key."""

    id: str
    code: str
    name: str
    level: str
    parent: str | None
    valid_from: date | None
    valid_to: date | None
    lat: float
    lon: float
    area_km2: float | None = None


@dataclass(frozen=True, slots=True)
class Succession:
    """`share` of the older unit went to the newer one; `is_default` is where its open cases move to."""

    from_unit: str
    to_unit: str
    kind: Literal["whole", "divided"]
    share: float
    method: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Centre:
    """An operations centre. `parent` is where its deadlines escalate to, not what it covers."""

    id: str
    title_vi: str
    title_en: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """The centre watches over the unit, and over all units below it, for a period."""

    centre: str
    unit: str
    valid_from: date | None
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Asset:
    """A thing that is observed: a road segment, camera, station, office. `group` is the road of a segment."""

    id: str
    kind: str
    title_vi: str
    title_en: str
    lat: float
    lon: float
    group: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The asset belongs to the unit for a period; it changes unit at local midnight only."""

    asset: str
    unit: str
    valid_from: date | None
    valid_to: date | None


Dated = Unit | Coverage | Asset | Membership


def is_valid_on(record: Dated, day: date) -> bool:
    """Whether the record counts on that local day."""
    return (record.valid_from is None or record.valid_from <= day) and (
        record.valid_to is None or day < record.valid_to
    )


def period_text(valid_from: date | None, valid_to: date | None) -> str:
    """A period in words, for messages."""
    return f"{valid_from or 'an unknown start'} to {valid_to or 'now'}"
