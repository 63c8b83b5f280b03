"""What a value says: freshness, judgement and text, each by its own rule and never mixed."""

from typing import Any

import pytest

from ioc.panels.document import SourceRow, UnitRow
from ioc.panels.faces import Reader, card_face, segment_kind, source_face, state_of, unit_face
from ioc.panels.words import EN, VI
from tests.panels.factories import NOW, card, iso, segments, sources, units

VIETNAMESE = Reader("vi", VI, NOW)
ENGLISH = Reader("en", EN, NOW)


@pytest.mark.parametrize(
    ("age", "state"),
    [(0, "on_time"), (90, "on_time"), (91, "late"), (210, "late"), (211, "stale"), (750, "stale"), (751, "silent")],
)
def test_the_state_turns_at_the_ages_that_the_series_declares(age: float, state: str) -> None:
    assert state_of(card(age=age), NOW) == state


def test_a_clock_that_is_ahead_makes_nothing_old() -> None:
    assert card_face(card(age=-30), VIETNAMESE).as_of.text == "cập nhật 0\u00a0giây trước"


def test_a_fresh_value_says_when_it_was_updated_and_nothing_more() -> None:
    face = card_face(card(age=4), VIETNAMESE)
    assert (face.value, face.unit, face.as_of.word) == ("34,1", "km/h", "")
    assert face.as_of.text == "cập nhật 4\u00a0giây trước"
    assert face.target == "mục tiêu từ 30"


def test_a_late_value_is_judged_and_says_that_it_is_late() -> None:
    face = card_face(card(age=160, value=27.4), VIETNAMESE)
    assert (face.as_of.state, face.as_of.word, face.as_of.text) == ("late", "trễ", "2\u00a0phút 40\u00a0giây")
    assert (face.verdict, face.judged) == ("missed", "thiếu 2,6\u00a0km/h")


@pytest.mark.parametrize("age", [400, 2280])
def test_what_is_stale_or_silent_is_never_judged(age: float) -> None:
    face = card_face(card(age=age, value=12.0), VIETNAMESE)
    assert (face.verdict, face.judged, face.movement) == ("", "", "")


@pytest.mark.parametrize(("age", "text"), [(150, "2\u00a0phút"), (86_000, "23\u00a0giờ\u00a053")])
def test_seconds_are_told_only_where_they_say_how_late_it_is(age: float, text: str) -> None:
    face = card_face(card("dossiers.open_now", age=age), VIETNAMESE)
    assert face.as_of.text == f"cập nhật {text} trước"


def test_a_stale_value_keeps_its_number_and_names_its_time() -> None:
    face = card_face(card(age=600), VIETNAMESE)
    assert face.value == "34,1"
    assert (face.as_of.word, face.as_of.text) == ("cũ", "10\u00a0phút, từ 17:32")


def test_a_silent_value_shows_a_dash_and_the_last_known_value_with_its_time() -> None:
    face = card_face(card("dossiers.on_time_rate", age=2_000_000, value=98.2, last_value=98.2), ENGLISH)
    assert (face.value, face.unit, face.ratio, face.share) == ("–", "", "", None)
    assert face.as_of.word == "no signal"
    assert face.target == "last 98.2%, 28/10"


def test_the_server_may_already_have_dropped_a_silent_value() -> None:
    face = card_face(card(age=2280, value=None, last_value=27.4), VIETNAMESE)
    assert face.value == "–"
    assert face.target == "lần cuối 27,4\u00a0km/h, 17:04"


def test_what_was_never_observed_is_no_loss_of_signal() -> None:
    face = card_face(card(age=None, value=None, last_value=None, spark=[None] * 12), VIETNAMESE)
    assert (face.as_of.state, face.as_of.word, face.as_of.text) == ("none", "chưa có số liệu", "")
    assert (face.value, face.verdict, face.target) == ("–", "", "mục tiêu từ 30")


@pytest.mark.parametrize(
    ("value", "verdict", "judged"),
    [(5, "met", "đạt mục tiêu"), (6, "met", "đạt mục tiêu"), (9, "missed", "vượt 3")],
)
def test_where_low_is_good_the_target_is_a_most(value: float, verdict: str, judged: str) -> None:
    face = card_face(card("traffic.congested_segments", value=value), VIETNAMESE)
    assert (face.verdict, face.judged, face.target) == (verdict, judged, "mục tiêu tối đa 6")


def test_a_value_is_judged_as_it_is_shown() -> None:
    face = card_face(card("dossiers.on_time_rate", value=94.96), VIETNAMESE)
    assert (face.value, face.verdict) == ("95,0", "met")
    row = unit_face(_unit(value=94.96, gap=0.04), VIETNAMESE)
    assert (row.value, row.gap, row.verdict) == ("95,0\u00a0%", "0,0", "met")


def test_without_a_target_there_is_no_verdict() -> None:
    face = card_face(card("dossiers.open_now", value=5894), ENGLISH)
    assert (face.value, face.verdict, face.target) == ("5,894", "", "")


def test_a_share_says_its_parts_and_its_distance_in_points() -> None:
    face = card_face(card("dossiers.online_share", value=76.2, numerator=3990, denominator=5236), VIETNAMESE)
    assert (face.ratio, face.judged) == ("3.990/5.236", "thiếu 3,8\u00a0điểm\u00a0%")
    assert (face.share, face.target_share) == (76.2, 80)


@pytest.mark.parametrize(
    ("spark", "moved", "movement"),
    [
        ([30, 31, 32.04], "up", "2,0"),
        ([31, None, 30.5], "down", "0,5"),
        ([None, 31, 30.5], "", ""),
        ([30, 40, 30.04], "level", "0,0"),
        ([None, None, 30], "", ""),
    ],
)
def test_the_movement_is_that_of_the_small_line(spark: list[float | None], moved: str, movement: str) -> None:
    face = card_face(card(spark=spark), VIETNAMESE)
    assert (face.moved, face.movement) == (moved, movement)


def test_a_share_moves_like_any_value_as_its_line_tells_the_same_span() -> None:
    face = card_face(card("dossiers.online_share", denominator=5236, spark=[74, 75, 76.2]), VIETNAMESE)
    assert (face.movement, face.moved, face.span) == ("2,2", "up", "12\u00a0ngày")


def test_how_many_places_reported_is_said() -> None:
    assert card_face(card(reporting=236, expected=1250), VIETNAMESE).reporting == "có tin 236/1.250"
    assert card_face(card(reporting=0, expected=0), VIETNAMESE).reporting == ""


def _unit(**changes: Any) -> UnitRow:
    row = units()[0]
    row.update({"value": 90.06, "gap": 4.94, "overdue": 3, "state": "on_time", "as_of": iso(NOW, 5)})
    row.update(changes)  # type: ignore[typeddict-item]
    return row


def test_a_unit_says_its_distance_to_the_target_and_what_waits() -> None:
    face = unit_face(_unit(), VIETNAMESE)
    assert (face.value, face.gap, face.verdict, face.note) == ("90,1\u00a0%", "−4,9", "missed", "3 hồ sơ quá hạn")


def test_a_unit_without_dossiers_due_has_no_rate_and_says_why() -> None:
    face = unit_face(_unit(value=None, gap=None), ENGLISH)
    assert (face.value, face.gap, face.verdict, face.note) == ("–", "", "", "no dossier was due")


def test_a_unit_that_fell_silent_has_no_rate_either() -> None:
    face = unit_face(_unit(state="silent"), ENGLISH)
    assert (face.value, face.verdict, face.note) == ("–", "", "no signal")


def test_road_segments_are_congested_slow_free_or_unknown() -> None:
    base = segments()[0]
    now = iso(NOW, 5)
    fresh = {**base, "state": "on_time", "as_of": now, "congested": False}
    kinds = [
        segment_kind({**fresh, **changes}, 30)  # type: ignore[typeddict-item]
        for changes in (
            {"value": 45.0},
            {"value": 22.0},
            {"value": 9.0, "congested": True},
            {"value": 45.0, "state": "silent"},
            {"value": None, "as_of": None},
        )
    ]
    assert kinds == ["free", "slow", "congested", "silent", "none"]


def test_a_source_says_how_it_is() -> None:
    replayed: SourceRow = sources()[2]
    face = source_face(replayed, ENGLISH)
    assert (face.state, face.word, face.last, face.lag) == ("silent", "no signal", "38\u00a0min", "5\u00a0min")
    assert (face.rate, face.rejected) == ("0", "2.1%")
    assert source_face({**replayed, "last_message": None}, ENGLISH).word == "no data yet"
