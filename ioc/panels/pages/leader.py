"""The leader's tablet: each panel answers a question, and the question is its heading."""

from typing import Final

from dash.development.base_component import Component

from ioc.panels.boards import sources_board, units_board
from ioc.panels.cards import kpi_panel
from ioc.panels.frame import band, centre_title, clock, connection, date, page_frame, switches
from ioc.panels.graphs import map_panel, trend_panel
from ioc.panels.pages.parts import Parts
from ioc.panels.pieces import piece, sign

UNIT_SLOTS: Final = 6
SOURCE_SLOTS: Final = 4


def leader_page(parts: Parts) -> Component:
    view, reader, theme = parts.view, parts.reader, parts.theme
    words = reader.words
    head = piece(
        "Header",
        piece("Div", piece("H1", centre_title(view["centre"], reader)), connection(reader), css="name"),
        piece("Div", date(reader), clock(reader), css="now"),
        switches(theme, words, reader.language, administers=parts.administers),
        css="head",
    )
    more = piece(
        "A",
        words.units_more.format(n=len(view["units"])),
        sign("chevron"),
        css="more",
        href=f"/centre/{view['centre']['id']}",
        hidden=len(view["units"]) <= UNIT_SLOTS,
    )
    return page_frame(
        "leader",
        view,
        parts.feeds,
        theme,
        reader,
        head,
        band(view["origins"], reader),
        kpi_panel(view["cards"], parts.kpis, words.kpis_leader, reader),
        units_board(view["units"], words.units_leader, UNIT_SLOTS, reader, more, strip=True),
        map_panel(view["units"], words.map_leader, theme, reader, drawn=parts.drawn, schematic=parts.schematic),
        trend_panel(view["trend"], theme, reader),
        sources_board(view["sources"], parts.feeds, SOURCE_SLOTS, reader),
    )
