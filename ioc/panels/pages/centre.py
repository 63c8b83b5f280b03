"""The desk of a centre: read from half a metre for a whole shift; panels scroll inside where the window is low."""

from typing import Final

from dash.development.base_component import Component

from ioc.panels.boards import segments_board, sources_board, units_board
from ioc.panels.cards import kpi_panel
from ioc.panels.frame import band, centre_title, clock, connection, date, page_frame, switches
from ioc.panels.graphs import map_panel, trend_panel
from ioc.panels.pages.parts import Parts
from ioc.panels.pieces import piece

SEGMENT_SLOTS: Final = 24
SOURCE_SLOTS: Final = 16


def centre_page(parts: Parts) -> Component:
    view, reader, theme = parts.view, parts.reader, parts.theme
    words = reader.words
    head = piece(
        "Header",
        piece("Div", piece("H1", centre_title(view["centre"], reader)), connection(reader), css="name"),
        switches(theme, words, reader.language, administers=parts.administers),
        piece("Div", clock(reader), date(reader), css="now"),
        css="head",
    )
    return page_frame(
        "centre",
        view,
        parts.feeds,
        theme,
        reader,
        head,
        band(view["origins"], reader),
        kpi_panel(view["cards"], parts.kpis, words.kpis, reader),
        map_panel(view["units"], words.map, theme, reader, drawn=parts.drawn, schematic=parts.schematic),
        piece(
            "Div",
            units_board(view["units"], words.units, max(1, len(view["units"])), reader, columns=True),
            segments_board(view["segments"], parts.slow_below, SEGMENT_SLOTS, reader),
            css="column near",
        ),
        piece(
            "Div",
            trend_panel(view["trend"], theme, reader),
            sources_board(view["sources"], parts.feeds, SOURCE_SLOTS, reader),
            css="column far",
        ),
    )
