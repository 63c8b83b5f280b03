"""Widgets and pages as pure functions: data in, marked components out."""

import json
from dataclasses import replace
from typing import Any

import pytest
from dash.development.base_component import Component

from ioc.model.places import Centre
from ioc.panels.boards import segments_board, shade_of, sources_board, units_board
from ioc.panels.cards import kpi_card, kpi_panel
from ioc.panels.document import View
from ioc.panels.faces import Reader
from ioc.panels.frame import band
from ioc.panels.graphs import map_figure, map_panel, trend_figure
from ioc.panels.pages.centre import centre_page
from ioc.panels.pages.front import front_page, message_page
from ioc.panels.pages.leader import leader_page
from ioc.panels.pages.parts import Parts
from ioc.panels.pages.wall import UNIT_SLOTS, wall_page
from ioc.panels.tokens import THEMES, Theme, colours
from ioc.panels.words import CATALOGUE, EN, VI, Language
from tests.panels import factories
from tests.panels.components import field, find, mark, text, walk

READER = Reader("vi", VI, factories.NOW)
FEEDS = {key: title.vi for key, title in factories.FEEDS.items()}


def _hidden(component: Component) -> bool:
    return bool(mark(component, "hidden"))


@pytest.mark.parametrize(
    ("age", "state", "shown"),
    [(4, "on_time", "34,1"), (160, "late", "34,1"), (600, "stale", "34,1"), (900, "silent", "–")],
)
def test_a_card_carries_state_as_shape_and_word(age: float, state: str, shown: str) -> None:
    made = kpi_card(factories.card(age=age), "Tốc độ", READER)
    assert mark(made, "data-state") == state
    assert mark(field(made, "state"), "data-shape") == state
    assert text(field(made, "value")) == shown
    words = {"on_time": "", "late": "trễ", "stale": "cũ", "silent": "mất tín hiệu"}
    assert text(field(made, "state-word")) == words[state]


def test_a_missed_target_has_shape_and_word_and_a_met_one_another() -> None:
    missed = kpi_card(factories.card(value=27.4), "Tốc độ", READER)
    assert (mark(missed, "data-verdict"), mark(field(missed, "verdict"), "data-shape")) == ("missed", "missed")
    assert text(field(missed, "judged")) == "thiếu 2,6\u00a0km/h"
    met = kpi_card(factories.card(value=31), "Tốc độ", READER)
    assert (mark(met, "data-verdict"), text(field(met, "judged"))) == ("met", "đạt mục tiêu")


def test_a_stale_card_is_not_judged() -> None:
    made = kpi_card(factories.card(age=600, value=12), "Tốc độ", READER)
    assert (mark(made, "data-verdict"), mark(field(made, "verdict"), "data-shape")) == ("", "")


def test_a_card_says_where_its_value_comes_from() -> None:
    made = kpi_card(factories.card(origin="replay"), "Tốc độ", READER)
    assert (mark(field(made, "origin-sign"), "data-shape"), text(field(made, "origin"))) == ("replay", "phát lại")
    assert text(field(kpi_card(factories.card(origin=None), "Tốc độ", READER), "origin")) == ""


def test_the_heading_counts_missed_targets_of_those_that_can_be_judged() -> None:
    made = kpi_panel(factories.silent_view()["cards"], factories.KPIS, "Chỉ tiêu", READER)
    assert text(field(made, "kpis-note")) == "2 trên 3 chỉ tiêu chưa đạt"


def test_cards_stand_in_the_order_of_the_document() -> None:
    made = kpi_panel(factories.cards(), factories.KPIS, "Chỉ tiêu", READER)
    shown = [mark(one, "data-card") for one in walk(made) if mark(one, "data-card")]
    assert shown == [one["id"] for one in factories.cards()]


def test_units_stand_in_order_with_rank_and_distance() -> None:
    rows = factories.units()
    made = units_board(rows, "Đơn vị", 5, READER)
    shown = find(made, css="unit-row")
    assert [mark(one, "data-unit") for one in shown] == [row["unit"] for row in rows[:5]]
    assert text(field(shown[0], "rank")) == "34"
    assert text(field(shown[0], "gap")).startswith("−")
    assert text(field(made, "units-note")) == "12 trên 34 đơn vị dưới mục tiêu 95\u00a0%"


def test_slots_that_are_left_over_are_hidden() -> None:
    made = units_board(factories.units("ben-cat"), "Đơn vị", UNIT_SLOTS, READER)
    assert [_hidden(one) for one in find(made, css="unit-row")] == [False] * 7 + [True] * (UNIT_SLOTS - 7)


def test_the_longest_gap_fills_the_bar_and_small_gaps_stay_small() -> None:
    row = {**factories.units()[0], "value": 94.7, "gap": 0.3}
    made = units_board([row], "Đơn vị", 1, READER)  # type: ignore[list-item]
    assert mark(field(made, "short"), "style") == {"width": "6.0%"}
    assert mark(field(made, "over"), "style") == {"width": "0.0%"}


@pytest.mark.parametrize(
    ("value", "shade"), [(99, 1), (98, 1), (97, 2), (95, 3), (94.96, 3), (94.9, 4), (92, 4), (91.9, 5), (None, 0)]
)
def test_a_step_of_the_shades_falls_on_the_target(value: float | None, shade: int) -> None:
    assert shade_of(value, 95) == shade


def test_congested_segments_come_first_with_shape_and_word() -> None:
    made = segments_board(factories.segments(), 30, 6, READER)
    rows = find(made, css="segment-row")
    assert [mark(one, "data-kind") for one in rows] == ["congested"] * 3 + ["slow"] * 3
    assert (mark(field(rows[0], "sign"), "data-shape"), text(field(rows[0], "kind"))) == ("critical", "ùn tắc")


def test_sources_that_are_silent_come_first() -> None:
    made = sources_board(factories.sources(), FEEDS, 4, READER)
    rows = find(made, css="source-row")
    assert text(field(rows[0], "source")) == "metr-la"
    assert (mark(rows[0], "data-state"), text(field(rows[0], "state-word"))) == ("silent", "mất tín hiệu")
    assert text(field(rows[1], "feed")) == "Giao thông"
    assert [_hidden(one) for one in rows] == [False, False, False, True]


def test_a_board_without_rows_says_so() -> None:
    made = sources_board([], FEEDS, 3, READER)
    assert not _hidden(field(made, "sources-empty"))
    assert text(field(made, "sources-empty")) == "Chưa có nguồn nào gửi tin"


@pytest.mark.parametrize(
    ("origins", "said"),
    [
        (["live", "manual"], None),
        (["simulated"], "DỮ LIỆU MÔ PHỎNG"),
        (["replay", "live", "simulated"], "DỮ LIỆU MÔ PHỎNG · DỮ LIỆU PHÁT LẠI"),
        (["exercise"], "DIỄN TẬP"),
    ],
)
def test_the_band_names_what_is_not_real(origins: list[str], said: str | None) -> None:
    made = band(origins, READER)
    assert _hidden(made) == (said is None)
    assert text(field(made, "band")) == (said or "")


@pytest.mark.parametrize("theme", THEMES)
def test_the_map_asks_nobody_for_anything(theme: Theme) -> None:
    figure = json.dumps(map_figure(theme))
    assert "http" not in figure
    assert "glyphs" not in figure
    assert "sprite" not in figure
    assert json.loads(figure)["data"][1]["geojson"] == "/panels/units.geojson"


@pytest.mark.parametrize("theme", THEMES)
def test_graphs_have_the_colours_of_their_theme_and_no_lines_over_gaps(theme: Theme) -> None:
    figure = trend_figure(theme)
    assert figure["data"][0]["connectgaps"] is False
    assert figure["data"][0]["line"]["color"] == colours(theme)["series"]


def test_without_outlines_the_page_says_so_instead_of_a_map() -> None:
    made = map_panel(factories.units(), "Bản đồ", "wall", READER, drawn=False, schematic=False)
    assert find(made, graph="map") == []
    assert "Chưa có ranh giới" in text(made)


def _parts(view: View, theme: Theme, language: Language) -> Parts:
    reader = Reader(language, CATALOGUE[language], factories.NOW)
    feeds = {key: title.in_language(language) for key, title in factories.FEEDS.items()}
    return Parts(view, factories.KPIS, feeds, theme, reader, drawn=True, schematic=True)


PAGES: dict[str, Any] = {"wall": wall_page, "centre": centre_page, "leader": leader_page}


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("scene", sorted(factories.VIEWS))
@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_page_is_made_from_its_document_alone(page: str, scene: str, language: Language) -> None:
    view = factories.VIEWS[scene](page)
    made = PAGES[page](_parts(view, "dark", language))
    assert repr(made) == repr(PAGES[page](_parts(view, "dark", language)))
    assert mark(made, "data-view") == f"{page}:binh-duong"
    assert json.loads(mark(made, "data-document")) == json.loads(json.dumps(view))
    assert len([one for one in walk(made) if mark(one, "data-card")]) == 6


@pytest.mark.parametrize("page", sorted(PAGES))
def test_what_has_no_data_yet_in_this_version_has_no_box(page: str) -> None:
    made = PAGES[page](_parts(factories.view(page), "dark", "vi"))
    panels = {mark(one, "data-panel") for one in walk(made) if mark(one, "data-panel")}
    assert panels <= {"kpis", "units", "map", "trend", "sources", "segments"}


def test_the_front_page_offers_the_pages_of_each_centre() -> None:
    centres = [Centre("ben-cat", "Trung tâm điều hành Bến Cát", "Bến Cát operations centre", "binh-duong")]
    made = front_page(centres, "light", EN, "en")
    assert [mark(one, "href") for one in find(made, css="choice")] == [
        "/wall/ben-cat", "/centre/ben-cat", "/leader/ben-cat"
    ]  # fmt: skip
    assert "Bến Cát operations centre" in text(made)
    assert "no centre yet" in text(front_page([], "light", EN, "en"))


def test_the_front_page_leads_everybody_to_their_own_sessions_and_password() -> None:
    links = {mark(one, "href") for one in walk(front_page([], "light", VI, "vi"))}
    assert {"/sign-in/sessions", "/sign-in/password"} <= links


def test_the_way_to_administration_is_shown_to_who_administers() -> None:
    for administers in (True, False):
        made = front_page([], "light", VI, "vi", administers=administers)
        assert ("/administration" in [mark(one, "href") for one in walk(made)]) is administers
        for page in ("centre", "leader"):
            parts = replace(_parts(factories.view(page), "dark", "vi"), administers=administers)
            links = [mark(one, "href") for one in walk(PAGES[page](parts))]
            assert ("/administration" in links) is administers


def test_a_message_stands_in_a_pages_place() -> None:
    assert VI.page_refused in text(message_page(VI.page_refused, "light", VI, "vi"))
