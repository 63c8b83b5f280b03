"""KPIs: ratios over exactly their span, targets, and what has no value."""

from datetime import timedelta

import pytest

from ioc.errors import BadRequest, NotFound
from ioc.model.origins import Origin
from ioc.model.series import State
from ioc.operations.kpis import KpiAnswer, kpi, list_kpis
from ioc.operations.places import Asked, milliseconds
from tests.operations.rows import NOW, Rows, at, moment, reader

WHO = reader("c-all")
UNIT = Asked(unit="u-m1")
DUE, ON_TIME = "dossiers.due", "dossiers.due_on_time"


def rate(rows: Rows, origin: Origin | None = None) -> KpiAnswer:
    return kpi(WHO, rows.province, "dossiers.on_time_rate", UNIT, now=NOW, origin=origin)


def due(rows: Rows, level: str, start: int, count: int, on_time: int, origin: Origin = Origin.LIVE) -> None:
    rows.window(level, DUE, "u-m1", start, total=count, count=count, origin=origin)
    if on_time:
        rows.window(level, ON_TIME, "u-m1", start, total=on_time, count=on_time, origin=origin)


def heard(rows: Rows, time: int, origin: Origin = Origin.LIVE) -> None:
    rows.newest(DUE, "u-m1", time, origin=origin)


def test_the_cohort_is_what_was_due_in_the_last_seven_days(rows: Rows) -> None:
    heard(rows, at(7, 50))
    due(rows, "1d", at(17, days=-3), 100, 80)
    due(rows, "1h", at(5), 10, 10)
    due(rows, "10s", at(8), 4, 1)
    due(rows, "10s", at(12), 1000, 1000)  # not yet due
    due(rows, "1h", at(7, days=-7), 1000, 1000)  # the hour before the span began
    answer = rate(rows)
    assert (answer.numerator, answer.denominator) == (91, 114)
    assert answer.value == pytest.approx(91 / 114 * 100)
    assert (answer.target, answer.state, answer.origin, answer.unit) == (95, State.ON_TIME, "live", "u-m1")
    assert answer.as_of is not None
    assert milliseconds(answer.as_of) == at(7, 50)


def test_the_edges_of_the_span_are_as_fine_as_what_is_kept(rows: Rows) -> None:
    rows.keep_from(at(0, days=-2), at(0, days=-14), at(0, days=-90), at(0, days=-730))
    heard(rows, at(8))
    due(rows, "1m", at(7, 33, days=-7), 1, 1)  # the minute in which the span begins
    due(rows, "1m", at(7, 32, days=-7), 100, 0)
    due(rows, "15m", at(7, 30, days=-7), 100, 0)
    due(rows, "10s", at(7, 33, 20), 2, 2)
    due(rows, "10s", at(7, 33, 30), 100, 0)  # begins when the span ends
    answer = kpi(WHO, rows.province, "dossiers.on_time_rate", UNIT, now=NOW, end=moment(at(7, 33, 34)))
    assert (answer.numerator, answer.denominator) == (3, 3)


def test_an_empty_cohort_has_no_value(rows: Rows) -> None:
    heard(rows, at(8))
    answer = rate(rows)
    assert (answer.value, answer.numerator, answer.denominator, answer.state) == (None, 0, 0, State.ON_TIME)


def test_what_was_never_heard_has_neither_value_nor_origin(rows: Rows) -> None:
    answer = rate(rows)
    assert (answer.value, answer.denominator, answer.as_of, answer.state, answer.origin) == (
        None,
        None,
        None,
        State.SILENT,
        None,
    )


def test_both_sums_are_of_one_origin(rows: Rows) -> None:
    heard(rows, at(8), Origin.SIMULATED)
    due(rows, "1h", at(5), 10, 5, Origin.SIMULATED)
    assert (rate(rows).value, rate(rows).origin) == (50, "simulated")
    heard(rows, at(8))
    due(rows, "1h", at(5), 4, 4)
    assert (rate(rows).value, rate(rows).origin) == (100, "live")
    assert rate(rows, Origin.SIMULATED).value == 50
    assert rate(rows, Origin.REPLAY).value is None


def test_a_stated_span_is_answered_as_of_its_end(rows: Rows) -> None:
    heard(rows, at(7))
    due(rows, "1h", at(5, days=-20), 8, 6)
    start, end = moment(at(5, days=-20)), moment(at(6, days=-20))
    answer = kpi(WHO, rows.province, "dossiers.on_time_rate", UNIT, now=NOW, start=start, end=end)
    assert (answer.value, answer.state) == (75, State.ON_TIME)
    assert answer.as_of == end
    with pytest.raises(BadRequest):
        kpi(WHO, rows.province, "dossiers.on_time_rate", UNIT, now=NOW, start=end, end=start)


def test_a_current_kpi_is_the_current_value(rows: Rows) -> None:
    rows.newest("dossiers.overdue", "u-m1", at(8), value=12)
    answer = kpi(WHO, rows.province, "dossiers.overdue_now", UNIT, now=NOW)
    assert (answer.value, answer.numerator, answer.denominator, answer.target) == (12, 12, None, 200)


def test_a_current_kpi_over_a_stated_span_combines_its_windows(rows: Rows) -> None:
    rows.window("1h", "traffic.mean_speed", "u-m1", at(5), total=10 * 2000, weight=10)
    rows.window("1h", "traffic.mean_speed", "u-m1", at(6), total=30 * 4000, weight=30)
    speed = kpi(
        WHO, rows.province, "traffic.speed", UNIT, now=NOW, start=moment(at(5)), end=moment(at(5)) + timedelta(hours=2)
    )
    assert speed.value == 35
    nothing = kpi(WHO, rows.province, "traffic.speed", UNIT, now=NOW, start=moment(at(1)), end=moment(at(2)))
    assert (nothing.value, nothing.state) == (None, State.SILENT)


def test_an_unknown_kpi_is_not_found(rows: Rows) -> None:
    with pytest.raises(NotFound, match="GET /api/v1/kpis"):
        kpi(WHO, rows.province, "traffic.joy", UNIT, now=NOW)


def test_the_catalogue_says_target_direction_and_source() -> None:
    entry = {one.id: one for one in list_kpis(WHO)}["dossiers.on_time_rate"]
    assert (entry.target, entry.better, entry.span, entry.denominator) == (95, "higher", 7 * 86_400, DUE)
    assert "766/QĐ-TTg" in entry.source_vi
