"""The two graphs that plotly draws: the 24-hour trend and the map. Pure functions from a theme to what stays.

Style, order of layers and colours stand here; what is measured is filled in by the browser, for the first document
and for every change by the same code (assets/trend.js, assets/map.js). The map's style has no source, no sprite and no
glyphs, so that it asks no other host for anything; names are HTML above it, because glyphs would have to be served.
"""

from typing import Any, Final

from dash import dcc
from dash.development.base_component import Component

from ioc.panels.boards import units_summary
from ioc.panels.document import Trend, UnitRow
from ioc.panels.faces import Reader
from ioc.panels.pieces import heading, piece, sign
from ioc.panels.tokens import Theme, colours
from ioc.panels.words import unit_word

UNITS_URL: Final = "/panels/units.geojson"
ROADS_URL: Final = "/panels/roads.geojson"
ROAD_KINDS: Final = ("free", "silent", "slow", "congested")
# Nothing draws it. Without any source, plotly drops the empty dict at the first restyle, and MapLibre refuses the rest.
_NO_SOURCE: Final = {"type": "geojson", "data": {"type": "Point", "coordinates": [0, 0]}}
_QUIET: Final[Any] = {
    "displayModeBar": False,
    "scrollZoom": False,
    "doubleClick": False,
    "showTips": False,
    "responsive": True,
}


def trend_figure(theme: Theme) -> dict[str, Any]:
    """Layers from behind: the measured line, its last point. Time never gets a line across a gap."""
    colour = colours(theme)
    # No labels before trend.js knows the hours: plotly would show months of the year 2000.
    axis = {
        "showticklabels": False,
        "fixedrange": True,
        "zeroline": False,
        "showline": False,
        "color": colour["ink-3"],
        "ticks": "",
    }
    line: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "x": [],
        "y": [],
        "connectgaps": False,
        "line": {"color": colour["series"], "shape": "linear"},
        "hoverinfo": "skip" if theme == "wall" else "x+y",
    }
    last = {
        "type": "scatter",
        "mode": "markers",
        "x": [],
        "y": [],
        "marker": {"color": colour["series"]},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    return {
        "data": [line, last],
        "layout": {
            "uirevision": "trend",
            "autosize": True,
            "showlegend": False,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": '"IOC Digits", "Be Vietnam Pro", sans-serif', "color": colour["ink-3"]},
            "hoverlabel": {"bgcolor": colour["raised"], "bordercolor": colour["edge"]},
            "margin": {"l": 40, "r": 10, "t": 24, "b": 28},
            "xaxis": {**axis, "type": "date", "showgrid": False},
            "yaxis": {**axis, "range": [0, 60], "gridcolor": colour["hair"], "rangemode": "tozero"},
        },
    }


def map_figure(theme: Theme) -> dict[str, Any]:
    """Layers from behind: other units, the centre's units by their distance to the target, roads by how they flow."""
    colour = colours(theme)

    def areas(scale: list[list[Any]], high: int) -> dict[str, Any]:
        return {
            "type": "choroplethmap",
            "geojson": UNITS_URL,
            "featureidkey": "properties.unit",
            "locations": [],
            "z": [],
            "zmin": 0,
            "zmax": high,
            "colorscale": scale,
            "showscale": False,
            "below": "between",
            "marker": {"line": {"color": colour["map-line"], "width": 1}},
            "hoverinfo": "skip",
        }

    shades = [colour["no-data"], *(colour[f"shade-{i}"] for i in range(1, 6))]
    steps = [[edge / 6, shade] for i, shade in enumerate(shades) for edge in (i, i + 1)]
    covered = areas(steps, 6)
    if theme != "wall":
        covered |= {"hoverinfo": "text", "text": []}
    road_colours = {
        "free": colour["map-road"],
        "silent": colour["silent"],
        "slow": colour["high"],
        "congested": colour["critical"],
    }
    roads: list[dict[str, Any]] = [
        {
            "type": "scattermap",
            "mode": "lines",
            "name": kind,
            "lat": [],
            "lon": [],
            "line": {"color": road_colours[kind], "width": 1},
            "hoverinfo": "skip",
        }
        for kind in ROAD_KINDS
    ]
    ground = {"id": "ground", "type": "background", "paint": {"background-color": colour["surface"]}}
    # Invisible: areas that come later than the roads still go below it, and so below the roads.
    between = {"id": "between", "type": "background", "layout": {"visibility": "none"}}
    return {
        "data": [areas([[0, colour["map-far"]], [1, colour["map-far"]]], 1), covered, *roads],
        "layout": {
            "uirevision": "map",
            "autosize": True,
            "showlegend": False,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
            "hoverlabel": {"bgcolor": colour["raised"], "bordercolor": colour["edge"]},
            "dragmode": False,
            "map": {
                "style": {"version": 8, "sources": {"none": _NO_SOURCE}, "layers": [ground, between]},
                "zoom": 9,
                "pitch": 0,
                "bearing": 0,
            },
        },
    }


def _graph(name: str, figure: dict[str, Any]) -> Component:
    return dcc.Graph(
        id=f"panels-{name}",
        figure=figure,
        config=_QUIET,
        className="graph",
        style={"height": "100%", "width": "100%"},
    )


def trend_panel(trend: Trend, theme: Theme, reader: Reader) -> Component:
    words = reader.words
    note = words.trend_note.format(unit=unit_word(words, trend["unit"]))
    empty = all(value is None for _, value, _ in trend["points"])
    return piece(
        "Section",
        heading(words.trend, note),
        piece(
            "Div",
            _graph("trend", trend_figure(theme)),
            piece("P", words.trend_empty, css="empty", field="trend-empty", hidden=not empty),
            css="graph-box",
            graph="trend",
        ),
        css="panel trend",
        panel="trend",
    )


def map_panel(
    units: list[UnitRow], title: str, theme: Theme, reader: Reader, *, drawn: bool, schematic: bool
) -> Component:
    """`drawn`: the province's folder has outlines. Without them the page says so and stays whole."""
    words = reader.words
    note = words.map_note_darker if theme == "light" else words.map_note_lighter
    if not drawn:
        body = piece("P", words.map_unavailable, css="empty")
        return piece("Section", heading(title, ""), body, css="panel map", panel="map")
    steps = [
        piece("Div", piece("I", shade=i), piece("Span", field=f"shade-{i}"), css="step apart" if i == 1 else "step")
        for i in range(1, 6)
    ]
    legend = piece(
        "Div",
        piece("Div", piece("I", road="free"), piece("Span", words.map_road), css="step"),
        piece("Div", piece("I", road="slow"), piece("Span", field="road-slow"), css="step"),
        piece("Div", piece("I", road="congested"), piece("Span", words.map_congested), css="step"),
        piece("Div", piece("I", road="silent"), piece("Span", words.map_silent), css="step"),
        piece("Div", piece("I", shade=0), piece("Span", words.map_no_data), css="step apart"),
        *(steps[:3]),
        piece("Div", piece("I"), piece("Span", field="shade-target"), css="step-target"),
        *(steps[3:]),
        piece("Div", words.map_schematic, css="schematic") if schematic else None,
        css="legend",
    )
    return piece(
        "Section",
        heading(title, note),
        piece(
            "Div",
            _graph("map", map_figure(theme)),
            piece("Div", css="names", field="names", aria_hidden="true"),
            piece("P", sign("silent"), piece("Span", words.map_impossible), css="empty", field="map-impossible",
                  hidden=True),
            css="graph-box",
            graph="map",
            role="img",
            aria_label=f"{title}. {units_summary(units, reader)}",
        ),
        legend,
        css="panel map",
        panel="map",
    )  # fmt: skip
