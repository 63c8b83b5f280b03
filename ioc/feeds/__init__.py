"""All declared domains. A new one costs its own file and one line here; ids are unique, or start-up fails."""

from collections.abc import Iterable
from typing import Final, TypeVar

from ioc.feeds import dossiers, traffic
from ioc.feeds.feed import Feed
from ioc.model.series import Kpi, Series

_Declared = TypeVar("_Declared", Feed, Series, Kpi)


def _by_id(declared: Iterable[_Declared]) -> dict[str, _Declared]:
    known: dict[str, _Declared] = {}
    for one in declared:
        if one.id in known:
            raise ValueError(f"{one.id} is declared twice: give one of them another id")
        known[one.id] = one
    return known


FEEDS: Final = _by_id((traffic.FEED, dossiers.FEED))
SERIES: Final = _by_id(series for feed in FEEDS.values() for series in feed.series)
KPIS: Final = _by_id(kpi for feed in FEEDS.values() for kpi in feed.kpis)
FEED_OF_SERIES: Final = {series.id: feed.id for feed in FEEDS.values() for series in feed.series}
