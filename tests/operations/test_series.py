"""Series at a place: open buckets out of finer ones, the limit on points, finality, origins."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.errors import BadRequest, NotFound
from ioc.model.origins import Origin
from ioc.model.windows import DAY, HOUR, LEVELS, SECOND, Level
from ioc.operations.places import Asked, milliseconds
from ioc.operations.series import Point, SeriesAnswer, list_series, series
from ioc.store import schema
from ioc.store.series_reading import Clock, pieces_by_step, pieces_of_span
from tests.operations.rows import NOW, Rows, at, moment, reader
from tests.streams.small_centre import DAY_OFFSET

WHO = reader("c-all")
UNIT = Asked(unit="u-m1")
SPEED = "traffic.mean_speed"
INTENSITY = "traffic.intensity"


def ask(rows: Rows, name: str, start: int, end: int, step: str | None, origin: Origin | None = None) -> SeriesAnswer:
    return series(
        WHO, rows.province, name, UNIT, now=NOW, start=moment(start), end=moment(end), step=step, origin=origin
    )


def starts(points: tuple[Point, ...]) -> list[int]:
    return [milliseconds(point.start) for point in points]


def test_closed_buckets_come_from_their_level_and_the_open_one_from_finer_levels(rows: Rows) -> None:
    rows.window("1h", INTENSITY, "u-m1", at(6), total=60)
    rows.window("1h", INTENSITY, "u-m1", at(7), total=999_999)  # not made anew yet: must not be believed
    rows.window("15m", INTENSITY, "u-m1", at(7), total=1)
    rows.window("15m", INTENSITY, "u-m1", at(7, 30), total=2)
    rows.window("15m", INTENSITY, "u-m1", at(7, 45), total=999_999)
    rows.window("1m", INTENSITY, "u-m1", at(7, 45), total=4)
    rows.window("1m", INTENSITY, "u-m1", at(7, 58), total=8)
    rows.window("1m", INTENSITY, "u-m1", at(7, 59), total=999_999)
    rows.window("10s", INTENSITY, "u-m1", at(7, 59), total=16)
    rows.window("10s", INTENSITY, "u-m1", at(8, 0, 20), total=32, count=2)
    answer = ask(rows, INTENSITY, at(6, 20), at(8, 0, 30), "1h")
    assert starts(answer.points) == [at(6), at(7), at(8)], "whole buckets that overlap the asked time"
    assert [point.value for point in answer.points] == [60, 1 + 2 + 4 + 8 + 16, 32]
    assert [point.count for point in answer.points] == [1, 5, 2]
    assert (answer.step, answer.origin, answer.unit) == ("1h", "live", "u-m1")


def test_a_local_day_that_has_begun_is_put_together(rows: Rows) -> None:
    midnight = at(17, days=-1)  # 00:00 in Viet Nam
    rows.window("1d", INTENSITY, "u-m1", midnight - DAY, total=1000)
    rows.window("1h", INTENSITY, "u-m1", midnight, total=1)
    rows.window("1h", INTENSITY, "u-m1", at(6), total=2)
    rows.window("10s", INTENSITY, "u-m1", at(8, 0, 10), total=4)
    answer = ask(rows, INTENSITY, midnight - DAY, at(8), "1d")
    assert [(milliseconds(one.start), one.value) for one in answer.points] == [(midnight - DAY, 1000), (midnight, 3)]
    answer = ask(rows, INTENSITY, midnight - DAY, at(8, 1), "1d")
    assert [one.value for one in answer.points] == [1000, 7]


def test_means_are_weighted_and_buckets_without_data_are_absent(rows: Rows) -> None:
    rows.window("1m", SPEED, "u-m1", at(7), total=10 * 5000 + 30 * 2000, count=2, weight=40, least=2000, most=5000)
    rows.window("1m", SPEED, "u-m1", at(7, 2), total=0, weight=0)
    first, second = ask(rows, SPEED, at(7), at(7, 5), "1m").points
    assert (first.value, first.sum, first.weight, first.min, first.max) == (27.5, 1100, 40, 20, 50)
    assert starts((second,)) == [at(7, 2)]
    assert second.value is None, "a mean of no vehicles is not zero"


def test_counted_series_have_no_least_and_most(rows: Rows) -> None:
    rows.window("1h", "dossiers.opened", "u-m1", at(5), total=7, count=7, least=0, most=0)
    (point,) = ask(rows, "dossiers.opened", at(5), at(6), "1h").points
    assert (point.count, point.value, point.min, point.max) == (7, 7, None, None)


def test_too_many_points_are_refused_with_the_step_that_fits(rows: Rows) -> None:
    with pytest.raises(BadRequest, match=r"19,440 points.*step=15m"):
        ask(rows, SPEED, at(0, days=-2), at(6), "10s")
    assert ask(rows, SPEED, at(2), at(7, 33, 20), "10s").points == (), "exactly 2,000 are answered"
    with pytest.raises(BadRequest, match="step=10s"):
        ask(rows, SPEED, at(2), at(7, 33, 30), "10s")
    assert ask(rows, SPEED, at(0, days=-2), at(6), None).step == "15m", "without a step, the finest that fits"
    with pytest.raises(BadRequest, match="even days"):
        ask(rows, SPEED, at(0, days=-3000), at(6), None)


def test_a_step_that_is_no_longer_kept_is_refused_with_the_one_that_is(rows: Rows) -> None:
    rows.keep_from(at(0, days=-2), at(0, days=-14), at(0, days=-90), at(0, days=-730))
    with pytest.raises(BadRequest, match="step=1m"):
        ask(rows, SPEED, at(1, days=-5), at(2, days=-5), "10s")
    assert ask(rows, SPEED, at(1, days=-5), at(2, days=-5), None).step == "1m"
    assert ask(rows, SPEED, at(1, days=-20), at(2, days=-20), "1h").step == "1h"


@pytest.mark.parametrize(("start", "end", "step"), [(7, 7, "1m"), (8, 7, "1m"), (6, 7, "5m")])
def test_what_makes_no_sense_is_refused(rows: Rows, start: int, end: int, step: str) -> None:
    with pytest.raises(BadRequest):
        ask(rows, SPEED, at(start), at(end), step)


def test_an_unknown_series_is_not_found(rows: Rows) -> None:
    with pytest.raises(NotFound, match="GET /api/v1/series"):
        ask(rows, "traffic.noise", at(6), at(7), "1m")


def test_a_bucket_is_final_once_event_time_has_passed_it_by_the_delay(rows: Rows) -> None:
    for minute in (50, 51, 52):
        rows.window("1m", SPEED, "u-m1", at(7, minute), total=3000)

    def finals() -> list[bool]:
        return [point.final for point in ask(rows, SPEED, at(7, 50), at(7, 53), "1m").points]

    assert finals() == [False, False, False], "nothing was read of the topic yet"
    rows.position("ioc.traffic", 0, at(7, 52, 30), updated_at=at(8, 0, 20))
    rows.position("ioc.traffic", 1, at(7, 58), updated_at=at(8, 0, 20))
    assert finals() == [True, True, False], "the slowest partition decides; the delay is 30 s"
    rows.empty(schema.positions)
    rows.position("ioc.traffic", 0, at(7, 0), updated_at=at(7, 0))
    rows.position("ioc.traffic", 1, at(7, 58), updated_at=at(8, 0, 20))
    assert finals() == [True, True, True], "an idle partition holds nothing back"


def test_origins_never_mix_and_live_comes_first(rows: Rows) -> None:
    for origin, total in ((Origin.SIMULATED, 100), (Origin.REPLAY, 1000)):
        rows.window("1m", INTENSITY, "u-m1", at(7), total=total, origin=origin)
        rows.newest(INTENSITY, "u-m1", at(7), origin=origin)
    answer = ask(rows, INTENSITY, at(7), at(7, 5), "1m")
    assert (answer.origin, [point.value for point in answer.points]) == ("simulated", [100])
    rows.window("1m", INTENSITY, "u-m1", at(7), total=1)
    rows.newest(INTENSITY, "u-m1", at(7))
    answer = ask(rows, INTENSITY, at(7), at(7, 5), "1m")
    assert (answer.origin, [point.value for point in answer.points]) == ("live", [1])
    answer = ask(rows, INTENSITY, at(7), at(7, 5), "1m", Origin.REPLAY)
    assert (answer.origin, [point.value for point in answer.points]) == ("replay", [1000])


def test_the_catalogue_names_every_series_with_its_feed() -> None:
    found = {entry.id: entry for entry in list_series(WHO)}
    assert found[SPEED].feed == "traffic"
    assert (found[SPEED].over_time, found[SPEED].period, found["dossiers.opened"].counted) == ("mean", 60, True)


# --- which level answers for which time ------------------------------------------------------------------------

KEPT = (at(0, days=-2), at(0, days=-14), at(0, days=-90), at(0, days=-730))
CLOCK = Clock(at(8, 0, 30), 60 * SECOND, KEPT, DAY_OFFSET)
TIMES = st.integers(min_value=at(0, days=-200), max_value=at(9))


@given(TIMES, st.integers(min_value=0, max_value=40 * DAY))
def test_a_span_is_covered_once_and_without_a_gap(start: int, length: int) -> None:
    end = start + length
    at_time = CLOCK.floor(start)
    for piece in pieces_of_span(start, end, CLOCK):
        assert piece.start == at_time, "no gap, no overlap"
        assert piece.end > piece.start
        assert piece.start % min(piece.level.width, HOUR) == 0
        assert piece.level.number == 0 or piece.end <= CLOCK.settled_until(piece.level)
        assert piece.level.number >= CLOCK.level_for(piece.start).number, "finer rows are dropped there"
        at_time = piece.end
    assert at_time == max(CLOCK.floor(end), CLOCK.floor(start))


@given(TIMES, st.integers(min_value=1, max_value=3 * DAY), st.sampled_from(LEVELS))
def test_buckets_of_a_step_are_covered_once_and_without_a_gap(start: int, length: int, step: Level) -> None:
    end = start + length
    pieces = pieces_by_step(step, start, end, CLOCK)
    assert pieces[0].start <= start
    assert pieces[-1].end == end
    for one, following in pairwise(pieces):
        assert one.end == following.start
        assert one.level.number > following.level.number


def test_a_week_is_read_in_few_pieces() -> None:
    end = at(7, 33, 34)
    pieces = pieces_of_span(end - 7 * DAY, end, CLOCK)
    assert [piece.level.id for piece in pieces] == ["1m", "15m", "1h", "1d", "1h", "15m", "1m", "10s"]
    assert pieces[0].start == at(7, 33, days=-7), "minutes are the finest that is kept so far back"
    assert pieces[-1].end == at(7, 33, 30)
