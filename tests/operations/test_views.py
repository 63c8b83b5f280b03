"""Views: what the document holds, in which order, and that updating a board gives the same as computing it anew."""

import random
from typing import Any, get_type_hints

import msgspec
import numpy as np
import pytest

from ioc.errors import BadRequest, NotFound
from ioc.model.columns import Integers
from ioc.model.origins import Origin
from ioc.operations.places import Asked
from ioc.operations.view_parts import in_order_of_need
from ioc.operations.views import Board, Page, View, check_view, view_document
from ioc.panels import document as shapes
from ioc.store.schema import gaps, latest, windows
from tests.operations.rows import NOW, Rows, at, moment, reader

WALL = View(Page.WALL, "c-all")
WHO = reader("c-all")
SPEED, CONGESTED = "traffic.mean_speed", "traffic.congested"


def speed(rows: Rows, place: str, start: int, kmh: float, origin: Origin = Origin.LIVE) -> None:
    rows.window("10s", SPEED, place, start, total=round(kmh * 100), origin=origin)


@pytest.fixture
def busy(rows: Rows) -> Rows:
    """Speeds of two segments, their units and the centre; on-time sums of two units; stocks; a source."""
    for place, kmh in (("a1", 20), ("u-m1", 20), ("a2", 40), ("u-m2", 40), ("c-all", 30), ("c-d1", 20)):
        speed(rows, place, at(7, 59), kmh)
        rows.newest(SPEED, place, at(8), since=at(7, 59))
    rows.newest(CONGESTED, "a1", at(8), value=1)
    rows.newest(CONGESTED, "c-all", at(8), value=1)
    for place, due, on_time, overdue in (("u-m1", 100, 50, 3), ("u-m2", 100, 90, 9), ("c-all", 200, 140, 12)):
        rows.newest("dossiers.due", place, at(7))
        rows.window("1h", "dossiers.due", place, at(5), total=due, count=due)
        rows.window("1h", "dossiers.due_on_time", place, at(5), total=on_time, count=on_time)
        rows.newest("dossiers.overdue", place, at(8), value=overdue)
    return rows


def document(rows: Rows, view: View = WALL) -> dict[str, Any]:
    return view_document(WHO, rows.province, view, now=NOW)


def card(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [one for one in found["cards"] if one["id"] == name]
    assert isinstance(one, dict)
    return one


def test_the_document_has_the_shape_that_panels_declare(busy: Rows) -> None:
    found = document(busy)
    assert found.keys() == get_type_hints(shapes.View).keys()
    for part, shape in (
        ("cards", shapes.Card), ("units", shapes.UnitRow), ("segments", shapes.Segment),
    ):  # fmt: skip
        assert found[part]
        for one in found[part]:
            assert shape.__required_keys__ <= one.keys()
    assert found["trend"].keys() == get_type_hints(shapes.Trend).keys()
    assert (found["view"], found["centre"]["id"], found["at"]) == (
        "wall:c-all",
        "c-all",
        "2026-11-21T08:00:30.000+00:00",
    )
    msgspec.json.encode(found)


def test_cards_tell_value_freshness_and_who_reported(busy: Rows) -> None:
    found = document(busy)
    assert [one["id"] for one in found["cards"]] == [
        "traffic.speed", "traffic.congested_segments", "dossiers.on_time_rate", "dossiers.online_share",
        "dossiers.open_now", "dossiers.overdue_now",
    ]  # fmt: skip
    now = card(found, "traffic.speed")
    assert (now["value"], now["target"], now["better"], now["origin"]) == (30, 30, "higher", "live")
    assert (now["late_after"], now["stale_after"], now["silent_after"]) == (90, 210, 750)
    assert (now["reporting"], now["expected"], now["state"]) == (2, 4, "on_time")
    assert len(now["spark"]) == 12
    assert now["spark"][-2:] == [30, 30], "the running hour has begun half a minute ago: it tells the value of now"
    ratio = card(found, "dossiers.on_time_rate")
    assert (ratio["value"], ratio["numerator"], ratio["denominator"]) == (70, 140, 200)
    assert ratio["spark"][-1] == 70
    assert card(found, "dossiers.open_now")["state"] == "silent"


def test_the_small_line_of_a_share_tells_the_span_of_its_card(busy: Rows) -> None:
    def due(days: int, total: int, on_time: int) -> None:
        begin = at(-7, days=days)  # local midnight
        busy.window("1d", "dossiers.due", "c-all", begin, total=total, count=total)
        busy.window("1d", "dossiers.due_on_time", "c-all", begin, total=on_time, count=on_time)

    due(-3, 600, 600)
    due(-9, 100, 0)
    due(-10, 300, 300)
    found = card(document(busy), "dossiers.on_time_rate")
    assert found["spark"][-1] == found["value"] == 92.5  # 740 of 800 in the last seven days
    # At the end of a day the seven days up to it: single days were 100, 0 and 100 %.
    assert found["spark"][:-1] == [None, 100, 75, 75, 75, 75, 75, 75, 85.714, 100, 100]
    assert found["spark_span"] == 12 * 86_400


def test_the_small_line_of_a_stock_tells_the_ends_of_days(busy: Rows) -> None:
    for days, total in ((-2, 7), (-1, 9)):
        busy.window("1d", "dossiers.overdue", "c-all", at(-7, days=days), total=total)
    found = card(document(busy), "dossiers.overdue_now")
    assert found["spark"] == [*[None] * 9, 7, 9, 12]
    assert (found["value"], found["spark_span"]) == (12, 12 * 86_400)


def test_units_stand_in_order_of_need(busy: Rows) -> None:
    rows = document(busy)["units"]
    assert [(row["unit"], row["gap"], row["overdue"], row["speed"]) for row in rows] == [
        ("u-m1", 45, 3, 20),
        ("u-m2", 5, 9, 40),
        ("u-same", None, None, None),
    ]
    assert document(busy, View(Page.CENTRE, "c-d1"))["units"][0]["unit"] == "u-m1"
    assert in_order_of_need([]) == ()


def test_a_view_holds_only_what_its_centre_covers(busy: Rows) -> None:
    found = document(busy, View(Page.CENTRE, "c-d1"))
    assert [one["asset"] for one in found["segments"]] == ["a1"]
    assert [one["unit"] for one in found["units"]] == ["u-m1"]
    assert card(found, "traffic.speed")["value"] == 20


def test_the_trend_is_a_day_of_quarter_hours_with_their_finality(busy: Rows) -> None:
    busy.window("15m", SPEED, "c-all", at(7), total=2500)
    busy.window("15m", SPEED, "c-all", at(7, days=-1), total=9999)
    busy.position("ioc.traffic", 0, at(7, 50), updated_at=at(8))
    found = document(busy)["trend"]
    assert found["points"] == [[at(7), 25, True], [at(7, 45), 30, False]]
    assert (found["series"], found["step"], found["origin"], found["unit"]) == (SPEED, "15m", "live", "km/h")


def test_the_running_quarter_hour_shows_the_value_of_now(busy: Rows) -> None:
    speed(busy, "c-all", at(8), 90)  # one early and unusual voice in a bucket that has just begun
    found = document(busy)
    (last,) = [point for point in found["trend"]["points"] if point[0] == at(8)]
    assert last == [at(8), card(found, "traffic.speed")["value"], False]
    assert last[1] == 30


def test_all_shown_origins_are_named(busy: Rows) -> None:
    assert document(busy)["origins"] == ["live"]
    speed(busy, "a4", at(7, 59), 10, Origin.SIMULATED)
    busy.newest(SPEED, "a4", at(8), origin=Origin.SIMULATED)
    assert document(busy)["origins"] == ["live", "simulated"]


def test_views_are_refused_to_whoever_may_not_see_the_centre(rows: Rows) -> None:
    with pytest.raises(NotFound):
        check_view(reader("c-d1"), rows.province, WALL, now=NOW)
    assert check_view(WHO, rows.province, View(Page.LEADER, "c-d1"), now=NOW).key == "c-d1"
    for wrong in ("wall", "c-all", "door:c-all", ":", ""):
        with pytest.raises(BadRequest):
            View.from_id(wrong)
    assert View.from_id("wall:c-all") == WALL
    assert Asked(centre="c-all").centre == "c-all"


# --- boards ----------------------------------------------------------------------------------------------------


def board_of(rows: Rows, view: View = WALL) -> Board:
    board = Board(rows.province, view, check_view(WHO, rows.province, view, now=NOW))
    board.refresh(NOW)
    board.changes()
    return board


def triples(rows: Rows, *touched: tuple[str, str]) -> Integers:
    return np.array([(rows.series(series), rows.place(place), 0) for series, place in touched], np.int64)


def set_speed(rows: Rows, place: str, kmh: float) -> None:
    """Another speed in the newest ten seconds."""
    number, where = rows.series(SPEED), rows.place(place)
    with rows.small.store.writing() as connection:
        for table, time in ((windows[0], windows[0].c.start), (latest, latest.c.as_of)):
            is_it = (table.c.series == number) & (table.c.place == where) & (time >= at(8))
            connection.execute(table.delete().where(is_it))
    speed(rows, place, at(8), kmh)
    rows.newest(SPEED, place, at(8, 0, 20), since=at(8))


def test_a_change_tells_only_what_changed(busy: Rows) -> None:
    board = board_of(busy)
    set_speed(busy, "a1", 55)
    set_speed(busy, "c-all", 45)
    board.update(triples(busy, (SPEED, "a1"), (SPEED, "c-all")), NOW)
    changed = plain(board.changes())
    assert changed.keys() == {"cards", "trend", "segments"}
    assert [(one["id"], one["value"]) for one in changed["cards"]] == [("traffic.speed", 37.5)]
    assert [(one["asset"], one["value"]) for one in changed["segments"]] == [("a1", 37.5)]
    assert [point[0] for point in changed["trend"]["points"]] == [at(8)]
    assert board.changes() == {}, "told once"


def test_what_belongs_to_another_centre_changes_nothing(busy: Rows) -> None:
    board = board_of(busy, View(Page.CENTRE, "c-d1"))
    set_speed(busy, "a2", 55)
    board.update(triples(busy, (SPEED, "a2"), (SPEED, "u-m2"), (SPEED, "c-all")), NOW)
    assert board.changes() == {}


def test_units_go_out_whole_and_not_with_every_commit(busy: Rows) -> None:
    board = board_of(busy)
    set_speed(busy, "u-m2", 55)
    board.update(triples(busy, (SPEED, "u-m2")), NOW)
    assert "units" not in board.changes(), "the list went out less than two seconds ago"
    board.update(triples(busy, (SPEED, "a1")), moment(at(8, 0, 33)))
    units = plain(board.changes())["units"]
    assert {row["unit"]: row["speed"] for row in units} == {"u-m1": 20, "u-m2": 47.5, "u-same": None}


@pytest.mark.parametrize("seed", range(5))
def test_updating_gives_the_same_as_computing_anew(busy: Rows, seed: int) -> None:
    chance = random.Random(seed)
    board = board_of(busy)
    told = plain(board.document(0))
    later = moment(at(8, 0, 40))
    for _ in range(10):
        touched = []
        for place in chance.sample(["a1", "a2", "a3", "a4", "u-m1", "u-m2", "u-same", "c-all"], 3):
            set_speed(busy, place, chance.randrange(5, 90))
            touched.append((SPEED, place))
        board.update(triples(busy, *touched), later)
        apply(told, plain(board.changes()))
    later = moment(at(8, 0, 43))
    board.update(triples(busy, (SPEED, "a1")), later)
    apply(told, plain(board.changes()))
    anew = view_document(WHO, busy.province, WALL, now=later)
    for part in ("cards", "trend", "units", "segments", "sources"):
        assert told[part] == anew[part], part


def plain(part: dict[str, Any]) -> dict[str, Any]:
    """As it arrives in a browser."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(part))
    return decoded


def apply(told: dict[str, Any], changes: dict[str, Any]) -> None:
    """What a browser does with a change."""
    for part, changed in changes.items():
        if part in ("cards", "segments"):
            key = "id" if part == "cards" else "asset"
            new = {one[key]: one for one in changed}
            told[part] = [new.get(one[key], one) for one in told[part]]
        elif part == "trend" and "series" not in changed:
            points = {point[0]: point for point in [*told["trend"]["points"], *changed["points"]]}
            told["trend"] = {**told["trend"], "points": [points[start] for start in sorted(points)]}
        else:
            told[part] = changed


def test_pages_say_for_a_day_that_the_log_has_lost_messages(rows: Rows) -> None:
    gap = {"topic": "ioc.traffic", "partition": 1, "from_offset": 3, "to_offset": 9}
    rows.insert(gaps, **gap, noticed_at=at(7, days=-1))
    assert view_document(WHO, rows.province, WALL, now=NOW)["notices"] == []
    rows.insert(gaps, **gap, noticed_at=at(7))
    assert view_document(WHO, rows.province, WALL, now=NOW)["notices"] == ["messages_lost"]
