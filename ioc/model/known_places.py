"""What may be spoken of: the ids that messages may name, and the territory in numbers as the windows carry it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock

from ioc.model.columns import Ancestry
from ioc.model.territory import Interval, Territory


@dataclass(frozen=True, slots=True)
class KnownIds:
    """What a message may name: the assets, each with its kind, and the units that figures are stated of."""

    kinds: Mapping[str, str]
    units: frozenset[str]

    @classmethod
    def of(cls, territory: Territory) -> "KnownIds":
        return cls({asset.id: asset.kind for asset in territory.assets}, frozenset(unit.id for unit in territory.units))


@dataclass(frozen=True, slots=True)
class KnownPlaces:
    """Numbers of the assets by id, and their ancestry; `day_offset` is local time minus UTC in milliseconds."""

    ids: KnownIds
    assets: dict[str, int]
    ancestry: Ancestry
    day_offset: int

    @classmethod
    def of(cls, territory: Territory, numbers: dict[str, int], day_offset: int) -> "KnownPlaces":
        zone = timezone(timedelta(milliseconds=day_offset))
        assets = {asset.id: numbers[asset.id] for asset in territory.assets}
        intervals = {
            number: [
                (from_ms, tuple(numbers[place] for place in places))
                for from_ms, places in _since(territory.memberships_intervals(asset_id), zone)
            ]
            for asset_id, number in assets.items()
        }
        return cls(KnownIds.of(territory), assets, Ancestry.of(intervals), day_offset)


def _since(intervals: tuple[Interval, ...], zone: timezone) -> list[tuple[int, tuple[str, ...]]]:
    """Periods as "from then on": an asset that belongs to nothing after its last period says so."""
    since: list[tuple[int, tuple[str, ...]]] = []
    for number, (from_day, to_day, places) in enumerate(intervals):
        since.append((_midnight(from_day, zone) if from_day else 0, places))
        goes_on = number + 1 < len(intervals) and intervals[number + 1][0] == to_day
        if to_day is not None and not goes_on:
            since.append((_midnight(to_day, zone), ()))
    return since


def _midnight(day: date, zone: timezone) -> int:
    return round(datetime.combine(day, clock(), zone).timestamp() * 1000)
