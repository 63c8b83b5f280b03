"""KPI cards: pure functions from a card of the view document to components.

One tree of elements for wall, desk and tablet; the style sheets place its parts. The browser rewrites the marked
fields and the `data-` attributes, never the tree.
"""

import json

from dash.development.base_component import Component

from ioc.model.series import Kpi
from ioc.panels.document import Card
from ioc.panels.faces import Reader, card_face
from ioc.panels.pieces import heading, piece, sign
from ioc.panels.words import is_word, origin_word


def kpi_card(card: Card, title: str, reader: Reader) -> Component:
    """One KPI: value, unit, target with its verdict, movement, freshness, origin, and how many places reported."""
    face = card_face(card, reader)
    bar = None
    if face.target_share is not None:
        bar = piece(
            "Div",
            piece("I", field="share", style={"width": f"{face.share or 0:.2f}%"}),
            piece("S", style={"left": f"{face.target_share:.2f}%"}),
            css="bullet",
            aria_hidden="true",
        )
    return piece(
        "Article",
        piece("H3", piece("Span", title), sign("missed", "missed-sign"), css="label"),
        piece(
            "Div",
            piece("B", face.value, field="value"),
            piece("Span", face.unit, css="unit", field="unit"),
            piece("Span", face.ratio, css="ratio", field="ratio"),
            css="value",
        ),
        piece("Div", css="spark", field="spark", spark=json.dumps(card["spark"]), aria_hidden="true"),
        bar,
        piece("Div", face.target, css="target", field="target"),
        piece("Div", sign(face.verdict, field="verdict"), piece("Span", face.judged, field="judged"), css="verdict"),
        piece(
            "Div",
            sign(face.moved, field="moved"),
            piece("Span", str(getattr(reader.words, f"moved_{face.moved}", "")), css="heard", field="moved-word"),
            piece("Span", face.movement, field="movement"),
            piece("Span", reader.words.over_span.format(span=face.span) if face.movement else "", css="of", field="of"),
            css="movement",
        ),
        piece("Div", face.span, css="span", field="span", aria_hidden="true"),
        piece(
            "Div",
            sign(face.as_of.state, "shape-state", field="state"),
            piece("B", face.as_of.word, css="state-word", field="state-word"),
            piece("Span", face.as_of.text, field="as-of"),
            css="as-of",
        ),
        piece(
            "Div",
            sign(card["origin"] or "", field="origin-sign"),
            piece("Span", origin_word(reader.words, card["origin"]), field="origin"),
            css="origin",
        ),
        piece("Div", face.reporting, css="reporting", field="reporting"),
        css="card",
        card=card["id"],
        state=face.as_of.state,
        verdict=face.verdict,
        # Where room is short, a unit that is a word is left out: it stands in the title.
        unit_is="word" if is_word(card["unit"]) else "sign",
    )


def missed_of(cards: list[Card], reader: Reader) -> tuple[int, int]:
    """How many targets are missed, of how many that can be judged now."""
    verdicts = [card_face(card, reader).verdict for card in cards]
    return verdicts.count("missed"), len(verdicts) - verdicts.count("")


def kpi_panel(cards: list[Card], kpis: dict[str, Kpi], title: str, reader: Reader) -> Component:
    """All cards in the order of the document, which never changes live: people learn places."""
    missed, judged = missed_of(cards, reader)
    note = reader.words.kpis_note.format(missed=missed, n=judged) if judged else ""
    shown = [
        kpi_card(card, kpis[card["id"]].title.in_language(reader.language), reader)
        for card in cards
        if card["id"] in kpis
    ]
    return piece(
        "Section", heading(title, note, "kpis-note"), piece("Div", *shown, css="cards"), css="panel kpis", panel="kpis"
    )
