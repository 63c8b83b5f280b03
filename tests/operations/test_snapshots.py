"""What holds now: spans that end at a place's own newest data, freshness, who reported, which origin speaks."""

import pytest

from ioc.model.origins import Origin
from ioc.model.series import State
from ioc.operations.places import Asked, milliseconds
from ioc.operations.snapshots import SnapshotValue, snapshot
from ioc.settings import Settings
from tests.operations.rows import NOW, Rows, at, reader

WHO = reader("c-all")
SPEED = "traffic.mean_speed"


def value_of(rows: Rows, name: str, asked: Asked, origin: Origin | None = None) -> SnapshotValue:
    found = snapshot(WHO, rows.province, asked, now=NOW, origin=origin)
    (value,) = [one for one in found.values if one.series == name]
    return value


def speeds(rows: Rows, place: str, as_of: int, *kmh: int) -> None:
    """One speed a minute, the last of them ending at `as_of`."""
    for back, speed in enumerate(reversed(kmh)):
        start = as_of - (back + 1) * 60_000
        rows.window("10s", SPEED, place, start // 10_000 * 10_000, total=speed * 100)
    rows.newest(SPEED, place, as_of, since=as_of - 60_000, value=kmh[-1] * 100)


def test_a_value_combines_over_the_span_that_ends_at_the_newest_data(rows: Rows) -> None:
    speeds(rows, "u-m1", at(8), 90, 10, 20, 30, 40, 50)  # the first one began six minutes before the end
    value = value_of(rows, SPEED, Asked(unit="u-m1"))
    assert (value.value, value.state, value.origin) == (30.0, State.ON_TIME, "live")
    assert value.as_of is not None
    assert milliseconds(value.as_of) == at(8)


@pytest.mark.parametrize(
    ("as_of", "state"),
    [
        (at(7, 59), State.ON_TIME),
        (at(7, 58, 59), State.LATE),
        (at(7, 57), State.LATE),
        (at(7, 56, 59), State.STALE),
        (at(7, 48), State.STALE),
        (at(7, 47, 59), State.SILENT),
    ],
)
def test_a_value_ages_by_the_period_of_its_series(rows: Rows, as_of: int, state: State) -> None:
    speeds(rows, "u-m1", as_of, 20, 40)
    value = value_of(rows, SPEED, Asked(unit="u-m1"))
    assert value.state is state
    assert value.last_value == 30.0
    assert value.value == (None if state is State.SILENT else 30.0), "silent places have no value"


def test_the_last_value_of_a_place_long_silent_comes_from_what_is_kept(rows: Rows) -> None:
    rows.keep_from(at(0, days=-2), at(0, days=-14), at(0, days=-90), at(0, days=-730))
    then = at(3, days=-30)
    rows.window("15m", SPEED, "u-m1", then, total=4200)
    rows.newest(SPEED, "u-m1", then + 60_000, since=then)
    value = value_of(rows, SPEED, Asked(unit="u-m1"))
    assert (value.value, value.last_value, value.state) == (None, 42.0, State.SILENT)


def test_what_was_never_heard_is_silent_without_any_value(rows: Rows) -> None:
    value = value_of(rows, SPEED, Asked(unit="u-m1"))
    assert (value.value, value.last_value, value.as_of, value.state, value.origin) == (
        None,
        None,
        None,
        State.SILENT,
        None,
    )


def test_reporting_counts_assets_that_are_not_stale_of_those_expected_today(rows: Rows) -> None:
    speeds(rows, "c-all", at(8), 30)
    rows.newest(SPEED, "a1", at(8))
    rows.newest(SPEED, "a2", at(7, 57))
    rows.newest(SPEED, "a3", at(7, 56, 59))  # stale
    rows.newest(SPEED, "a4", at(8), origin=Origin.REPLAY)  # another origin
    rows.newest(SPEED, "a6", at(8))  # belongs to nothing today
    value = value_of(rows, SPEED, Asked(centre="c-all"))
    assert (value.reporting, value.expected) == (2, 4)


def test_each_series_falls_back_by_itself(rows: Rows) -> None:
    rows.newest("traffic.congested", "u-m1", at(8), value=3)
    rows.newest("traffic.congested", "u-m1", at(8), value=9, origin=Origin.SIMULATED)
    rows.newest("dossiers.open", "u-m1", at(8), value=7, origin=Origin.SIMULATED)
    assert value_of(rows, "traffic.congested", Asked(unit="u-m1")).value == 3
    stock = value_of(rows, "dossiers.open", Asked(unit="u-m1"))
    assert (stock.value, stock.origin) == (7, "simulated")
    assert value_of(rows, "traffic.congested", Asked(unit="u-m1"), Origin.SIMULATED).value == 9
    assert value_of(rows, "dossiers.open", Asked(unit="u-m1"), Origin.LIVE).value is None


def test_a_centre_that_refuses_simulated_data_does_not_show_old_ones_by_itself(rows: Rows) -> None:
    rows.newest("dossiers.open", "u-m1", at(8), value=7, origin=Origin.SIMULATED)
    rows.settings = Settings.load(
        {"IOC_DATA": str(rows.settings.data), "IOC_ALLOW_SIMULATED": "false"}, folder=rows.settings.data
    )
    assert value_of(rows, "dossiers.open", Asked(unit="u-m1")).value is None


def test_counted_series_say_what_happened_in_the_span_up_to_now(rows: Rows) -> None:
    rows.newest("dossiers.opened", "u-m1", at(8))
    rows.window("1h", "dossiers.opened", "u-m1", at(9, days=-1), total=5, count=5)
    rows.window("1h", "dossiers.opened", "u-m1", at(7, days=-1), total=100, count=100)  # more than 24 hours ago
    rows.window("10s", "dossiers.opened", "u-m1", at(8, 0, 10), total=2, count=2)
    rows.window("10s", "dossiers.opened", "u-m1", at(9), total=100, count=100)  # still to come
    assert value_of(rows, "dossiers.opened", Asked(unit="u-m1")).value == 7
    rows.newest("dossiers.closed", "u-m1", at(8))
    assert value_of(rows, "dossiers.closed", Asked(unit="u-m1")).value == 0, "heard, and nothing happened"


def test_an_asset_has_the_series_of_its_kind(rows: Rows) -> None:
    road = snapshot(WHO, rows.province, Asked(asset="a1"), now=NOW)
    office = snapshot(WHO, rows.province, Asked(asset="o1"), now=NOW)
    assert {one.series.partition(".")[0] for one in road.values} == {"traffic"}
    assert {one.series.partition(".")[0] for one in office.values} == {"dossiers"}
    assert (road.asset, {one.expected for one in road.values}) == ("a1", {1})
