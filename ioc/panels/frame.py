"""What stands around every page: the band of origins, the header with clock and connection, and the page's own data.

The band names every origin that is not of the real world; a page without such data has none.
"""

import json
from collections.abc import Sequence
from typing import Final

from dash.development.base_component import Component

from ioc.panels.document import UNITS_KPI, CentreTitle, Page, View
from ioc.panels.faces import Reader
from ioc.panels.formats import ZONE, long_date
from ioc.panels.pieces import Child, piece, sign
from ioc.panels.tokens import Theme
from ioc.panels.words import Language, Words, words_json

UNREAL: Final = ("simulated", "replay", "exercise")


def centre_title(centre: CentreTitle, reader: Reader) -> str:
    return centre["title_en"] if reader.language == "en" else centre["title_vi"]


def band(origins: Sequence[str], reader: Reader) -> Component:
    """One band for all origins that are not real; hidden where all data is."""
    named = [str(getattr(reader.words, f"band_{origin}")) for origin in UNREAL if origin in origins]
    return piece(
        "Div",
        piece("B", " · ".join(named), field="band"),
        piece("Span", reader.words.band_note),
        css="band",
        role="note",
        hidden=not named,
    )


def connection(reader: Reader) -> Component:
    """Says whether the page still hears the server; the browser keeps it true."""
    return piece(
        "Div",
        sign("late", "shape-state", field="connection-sign"),
        piece("Span", reader.words.connecting, field="connection"),
        css="connection",
        role="status",
    )


def clock(reader: Reader) -> Component:
    local = reader.now.astimezone(ZONE)
    return piece(
        "Div",
        piece("Span", f"{local.hour}:{local.minute:02}", field="clock"),
        piece("Small", f"{local.second:02}", field="seconds"),
        css="clock",
        role="timer",
        aria_live="off",
    )


def date(reader: Reader) -> Component:
    return piece("Div", long_date(reader.now, reader.words), css="date", field="date")


def switches(theme: Theme, words: Words, language: Language, *, administers: bool) -> Component:
    """Language, light and dark, the way to administration (for who administers) and back to all pages.

    Plain links: the server answers with a cookie.
    """
    other = "vi" if language == "en" else "en"
    other_theme = "dark" if theme == "light" else "light"
    return piece(
        "Nav",
        piece("A", words.other_language, href=f"?lang={other}", title=words.other_language_hint, lang=other),
        piece("A", sign("theme"), href=f"?theme={other_theme}", title=words.other_theme_hint,
              aria_label=words.other_theme_hint),
        piece("A", words.administration, href="/administration") if administers else None,
        piece("A", words.all_pages, href="/"),
        css="switches",
    )  # fmt: skip


def page_frame(page: Page, view: View, feeds: dict[str, str], theme: Theme, reader: Reader, *parts: Child) -> Component:
    """The page with everything that the browser script needs to carry it on: words, titles of feeds, document."""
    return piece(
        "Div",
        *parts,
        css=f"page {page}",
        id="panels-view",
        view=view["view"],
        page=page,
        theme=theme,
        language=reader.language,
        unit_kpi=UNITS_KPI,
        words=words_json(reader.language),
        feeds=json.dumps(feeds, ensure_ascii=False),
        document=json.dumps(view, ensure_ascii=False),
        role="main",
    )
