"""The wall: seen from three to ten metres, nobody touches it, nothing scrolls, every length is a multiple of --u."""

from typing import Final

from dash.development.base_component import Component

from ioc.panels.boards import sources_board, units_board
from ioc.panels.cards import kpi_panel
from ioc.panels.frame import band, centre_title, clock, connection, date, page_frame
from ioc.panels.graphs import map_panel, trend_panel
from ioc.panels.pages.parts import Parts
from ioc.panels.pieces import piece

UNIT_SLOTS: Final = 13  # a wall of 16:9 shows the first eleven
SOURCE_SLOTS: Final = 5


def wall_page(parts: Parts) -> Component:
    view, reader, theme = parts.view, parts.reader, parts.theme
    words = reader.words
    head = piece(
        "Header",
        piece("Div", piece("H1", centre_title(view["centre"], reader)), connection(reader), css="name"),
        date(reader),
        clock(reader),
        css="head",
    )
    return page_frame(
        "wall",
        view,
        parts.feeds,
        theme,
        reader,
        band(view["origins"], reader),
        head,
        units_board(view["units"], words.units, UNIT_SLOTS, reader),
        trend_panel(view["trend"], theme, reader),
        map_panel(view["units"], words.map, theme, reader, drawn=parts.drawn, schematic=parts.schematic),
        kpi_panel(view["cards"], parts.kpis, words.kpis, reader),
        sources_board(view["sources"], parts.feeds, SOURCE_SLOTS, reader),
    )
