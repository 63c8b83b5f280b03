"""The front page: every page that the principal may open, and the messages that stand in a page's place."""

from collections.abc import Sequence

from dash.development.base_component import Component

from ioc.model.places import Centre
from ioc.panels.frame import switches
from ioc.panels.pieces import piece, sign
from ioc.panels.tokens import Theme
from ioc.panels.words import Language, Words


def _choice(centre: Centre, words: Words, language: Language) -> Component:
    pages = (
        ("wall", words.page_wall, words.page_wall_note),
        ("centre", words.page_centre, words.page_centre_note),
        ("leader", words.page_leader, words.page_leader_note),
    )
    links = (
        piece("A", piece("B", title), piece("Small", note), sign("chevron"), href=f"/{page}/{centre.id}", css="choice")
        for page, title, note in pages
    )
    title = centre.title_en if language == "en" else centre.title_vi
    return piece("Section", piece("H2", title), piece("Div", *links, css="choices"), css="panel")


def front_page(
    centres: Sequence[Centre], theme: Theme, words: Words, language: Language, *, administers: bool = False
) -> Component:
    """Centres in the order given, each with its three pages."""
    return _framed(
        words.front,
        words.front_note if centres else words.front_empty,
        theme, words, language,
        piece("Main", *(_choice(centre, words, language) for centre in centres), css="centres"),
        piece(
            "Nav",
            piece("A", words.own_sessions, href="/sign-in/sessions"),
            piece("A", words.own_sign_in, href="/sign-in/password"),
            css="switches own",
        ),
        administers=administers,
    )  # fmt: skip


def message_page(text: str, theme: Theme, words: Words, language: Language) -> Component:
    """A sentence instead of a page: what is wrong, and what to do."""
    return _framed(text, "", theme, words, language)


def _framed(
    title: str, note: str, theme: Theme, words: Words, language: Language, *body: Component, administers: bool = False
) -> Component:
    name = piece("Div", piece("H1", title), piece("P", note), css="name")
    head = piece("Header", name, switches(theme, words, language, administers=administers), css="head")
    return piece("Div", head, *body, css="page front", id="panels-front", page="front", theme=theme)
