"""Newest values of places above, for series whose partials may not be added upward as they come."""

from ioc.jobs.newest import keep_newest_above
from tests.streams.history import DAY, MINUTE, Offsets, air, flow
from tests.streams.small_centre import MIDNIGHT, SmallCentre
from tests.streams.stored import count, stored

NOW = MIDNIGHT + DAY


def _newest(centre: SmallCentre, series: str, origin: int = 0) -> dict[str, int]:
    latest = stored(centre.store).latest.items()
    return {place: value for (one, place, of), (_, _, value) in latest if one == series and of == origin}


def test_the_rule_over_territory_makes_one_value_of_all_assets(centre: SmallCentre) -> None:
    history = [
        flow("a1", NOW - MINUTE, length=0, congested=True),
        flow("a2", NOW - 2 * MINUTE, length=0, congested=True),
        flow("a3", NOW, length=0),
        air("a1", NOW - MINUTE, dust=7),
        air("a2", NOW, dust=9),
        flow("a4", NOW, length=0, congested=True, origin=2),
    ]
    centre.ingest().apply(Offsets().batch(*history), NOW)
    keep_newest_above(centre.store, centre.rules, NOW)
    congested = _newest(centre, "traffic.congested")
    assert congested == {"a1": 1, "a2": 1, "a3": 0, "u-m1": 1, "u-m2": 1, "u-top": 2, "c-all": 2, "c-d1": 1}
    assert _newest(centre, "air.dust") == {"a1": 7, "a2": 9, "u-m1": 7, "u-m2": 9, "u-top": 9, "c-all": 9, "c-d1": 7}
    assert _newest(centre, "traffic.congested", origin=2) == {"a4": 1, "u-same": 1, "u-top": 1, "c-all": 1}
    assert stored(centre.store).latest["traffic.congested", "u-m2", 0] == (NOW, NOW, 1)


def test_an_asset_counts_until_it_is_stale(centre: SmallCentre) -> None:
    history = [flow("a1", NOW, length=0, congested=True), flow("a4", NOW + 3 * MINUTE, length=0, congested=True)]
    centre.ingest().apply(Offsets().batch(*history), NOW)
    keep_newest_above(centre.store, centre.rules, NOW + 210_000)
    assert _newest(centre, "traffic.congested")["u-top"] == 2
    keep_newest_above(centre.store, centre.rules, NOW + 210_001)
    assert _newest(centre, "traffic.congested")["u-top"] == 1


def test_what_has_not_changed_is_not_written_again(centre: SmallCentre) -> None:
    centre.ingest().apply(Offsets().batch(flow("a1", NOW, length=0, congested=True)), NOW)
    assert keep_newest_above(centre.store, centre.rules, NOW) > 0
    changes = count(centre.store, "changes WHERE writer = 'jobs'")
    assert changes == 1
    assert keep_newest_above(centre.store, centre.rules, NOW + 1_000) == 0
    assert count(centre.store, "changes WHERE writer = 'jobs'") == changes


def test_an_asset_that_changed_its_unit_counts_where_it_belongs_now(centre: SmallCentre) -> None:
    history = [flow("a3", MIDNIGHT - 2 * MINUTE, length=0, congested=True)]
    centre.ingest().apply(Offsets().batch(*history), NOW)
    keep_newest_above(centre.store, centre.rules, MIDNIGHT + MINUTE)
    assert _newest(centre, "traffic.congested") == {"a3": 1, "u-m2": 1, "u-top": 1, "c-all": 1}
