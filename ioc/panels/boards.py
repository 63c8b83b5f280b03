"""The boards: units in order of need, slowest road segments, sources. Pure functions of data.

A board has a fixed number of rows (slots); the browser fills them anew and hides those that are left over, so that no
element comes or goes under the reader's eyes. A rank never stands without its distance to the target.
"""

from collections.abc import Sequence
from typing import Any, Final

from dash.development.base_component import Component

from ioc.panels.document import Segment, SourceRow, UnitRow
from ioc.panels.faces import RATE_DECIMALS, Reader, segment_kind, source_face, unit_face
from ioc.panels.formats import DASH, number, quantity, rounded
from ioc.panels.pieces import heading, piece, sign
from ioc.panels.words import origin_word

SMALLEST_SCALE: Final = 5.0
"""Points of per cent that fill a gap bar where nobody is farther behind: a gap of 0,3 must not look like a cliff."""

_WORST_FIRST: Final = {"silent": 0, "stale": 1, "late": 2, "on_time": 3}


def shade_of(value: float | None, target: float | None) -> int:
    """Shade 1 (well above the target) to 5 (far below), 0 without a value; a step falls on the target itself."""
    if value is None or target is None:
        return 0
    distance = rounded(value, RATE_DECIMALS) - target
    return next((shade for shade, least in ((1, 3.0), (2, 1.5), (3, 0.0), (4, -3.0)) if distance >= least), 5)


def gap_scale(rows: Sequence[UnitRow]) -> float:
    gaps = [abs(row["gap"]) for row in rows if row["gap"] is not None and row["state"] != "silent"]
    return max([SMALLEST_SCALE, *gaps])


def _is_ranked(row: UnitRow) -> bool:
    """A unit without a current rate has no place among the others."""
    return row["value"] is not None and row["state"] != "silent"


def _unit_row(row: UnitRow | None, rank: str, scale: float, reader: Reader) -> Component:
    if row is None:
        return _unit_slot(hidden=True)
    face = unit_face(row, reader)
    distance = 0.0
    if row["value"] is not None and row["target"] is not None and row["state"] != "silent":
        distance = row["value"] - row["target"]
    short = min(100.0, max(0.0, -distance) / scale * 100)
    over = min(100.0, max(0.0, distance) / scale * 300)
    return _unit_slot(
        rank, row["name"], face.note, short, over, face.value, face.gap, face.open, face.overdue, face.speed,
        unit=row["unit"],
        state=face.state,
        verdict=face.verdict,
        shade=shade_of(row["value"], row["target"]),
    )  # fmt: skip


def _unit_slot(
    rank: str = "",
    name: str = "",
    note: str = "",
    short: float = 0,
    over: float = 0,
    value: str = "",
    gap: str = "",
    opened: str = "",
    overdue: str = "",
    speed: str = "",
    **marks: Any,
) -> Component:
    return piece(
        "Li",
        piece("Span", rank, css="rank", field="rank"),
        piece("Span", piece("B", name, field="name"), piece("Small", note, field="note"), css="who"),
        piece(
            "Span",
            piece("Span", piece("I", field="short", style={"width": f"{short:.1f}%"}), css="short"),
            piece("Span", piece("I", field="over", style={"width": f"{over:.1f}%"}), css="over"),
            css="gap-bar",
            aria_hidden="true",
        ),
        piece("Span", piece("B", value, field="value"), piece("Small", gap, field="gap"), css="rate"),
        piece("Span", opened, css="count open", field="open"),
        piece("Span", overdue, css="count overdue", field="overdue"),
        piece("Span", speed, css="count speed", field="speed"),
        css="unit-row",
        **marks,
    )


def units_summary(rows: Sequence[UnitRow], reader: Reader) -> str:
    """How many units are behind, of how many, and the target: one sentence for the heading."""
    words = reader.words
    target = next((row["target"] for row in rows if row["target"] is not None), None)
    if target is None:
        return ""
    verdicts = [unit_face(row, reader).verdict for row in rows]
    missed, judged = verdicts.count("missed"), len(verdicts) - verdicts.count("")
    text = quantity(target, 0 if float(target).is_integer() else 1, "%", words, reader.language)
    if not judged:
        return words.units_note.format(value=text)
    if not missed:
        return words.units_all_met.format(n=judged, value=text)
    return words.units_summary.format(missed=missed, n=judged, value=text)


def units_board(
    rows: Sequence[UnitRow],
    title: str,
    slots: int,
    reader: Reader,
    *footer: Component,
    columns: bool = False,
    strip: bool = False,
) -> Component:
    """Units in the order of the document, largest gap first: `slots` rows of them.

    `columns`: heads and counts, on a desk. `strip`: all units on one axis above the rows, where only some fit.
    """
    words = reader.words
    scale = gap_scale(rows)
    filled = []
    rank = sum(map(_is_ranked, rows))
    for i in range(slots):
        row = rows[i] if i < len(rows) else None
        ranked = row is not None and _is_ranked(row)
        filled.append(_unit_row(row, number(rank, 0, reader.language) if ranked else DASH, scale, reader))
        rank -= ranked
    heads = (
        words.unit_name, words.unit_gap, words.unit_rate, words.unit_open, words.unit_overdue, words.unit_speed
    )  # fmt: skip
    return piece(
        "Section",
        heading(title, units_summary(rows, reader), "units-note"),
        piece("Div", css="strip", field="strip", aria_hidden="true") if strip else None,
        piece("Div", *(piece("Span", head) for head in heads), css="unit-heads") if columns else None,
        piece("Ol", *filled, css="unit-rows"),
        piece("P", words.units_empty, css="empty", field="units-empty", hidden=bool(rows)),
        *footer,
        css="panel units",
        panel="units",
    )


def slowest(rows: Sequence[Segment]) -> list[Segment]:
    """Segments that have a current value, congested ones first, then by speed."""
    known = [row for row in rows if row["value"] is not None and row["state"] in ("on_time", "late")]
    return sorted(known, key=lambda row: (not row["congested"], row["value"] or 0.0))


def segments_board(rows: Sequence[Segment], slow_below: float | None, slots: int, reader: Reader) -> Component:
    """The slowest segments; what is congested or slow carries shape and word."""
    words, language = reader.words, reader.language
    ordered = slowest(rows)
    said = {"congested": words.segment_congested, "slow": words.segment_slow, "free": words.segment_free}
    shapes = {"congested": "critical", "slow": "missed"}
    slot_rows = []
    for i in range(slots):
        row = ordered[i] if i < len(ordered) else None
        kind = segment_kind(row, slow_below) if row else ""
        title = "" if row is None else row["title_vi"] if language == "vi" else row["title_en"]
        value = "" if row is None or row["value"] is None else number(row["value"], 0, language)
        slot_rows.append(
            piece(
                "Li",
                sign(shapes.get(kind, ""), field="sign"),
                piece("B", title, field="title"),
                piece("Span", said.get(kind, ""), css="kind", field="kind"),
                piece("Span", value, css="count", field="speed"),
                css="segment-row",
                kind=kind,
                hidden=row is None,
            )
        )
    return piece(
        "Section",
        heading(words.segments, segments_note(rows, reader), "segments-note"),
        piece("Ol", *slot_rows, css="segment-rows"),
        piece("P", words.segments_empty, css="empty", field="segments-empty", hidden=bool(ordered)),
        css="panel segments",
        panel="segments",
    )


def segments_note(rows: Sequence[Segment], reader: Reader) -> str:
    known = slowest(rows)
    if not known:
        return ""
    congested = number(sum(row["congested"] for row in known), 0, reader.language)
    return reader.words.segments_note.format(congested=congested, n=number(len(known), 0, reader.language))


def worst_first(rows: Sequence[SourceRow]) -> list[SourceRow]:
    return sorted(rows, key=lambda row: _WORST_FIRST[row["state"]])


def sources_note(rows: Sequence[SourceRow], reader: Reader) -> str:
    bad = sum(row["state"] != "on_time" for row in rows)
    n = number(len(rows), 0, reader.language)
    return reader.words.sources_note.format(n=n, bad=number(bad, 0, reader.language)) if rows else ""


def sources_board(rows: Sequence[SourceRow], feeds: dict[str, str], slots: int, reader: Reader) -> Component:
    """The connectors: who sends what, how it arrives, and what was refused. `feeds` gives the titles."""
    words = reader.words
    ordered = worst_first(rows)
    heads = (
        words.source_state,
        words.source_name,
        words.source_last,
        words.source_lag,
        words.source_rate,
        words.source_rejected,
    )
    return piece(
        "Section",
        heading(words.sources, sources_note(rows, reader), "sources-note"),
        piece("Div", *(piece("Span", head) for head in heads), css="source-heads", field="source-heads"),
        piece(
            "Ol",
            *(_source_row(ordered[i] if i < len(ordered) else None, feeds, reader) for i in range(slots)),
            css="source-rows",
        ),
        piece("P", words.sources_empty, css="empty", field="sources-empty", hidden=bool(rows)),
        css="panel sources",
        panel="sources",
    )


def _labelled(field: str, text: str, label: str) -> Component:
    """A count with its name; the name is hidden where the column has a head."""
    return piece(
        "Span", piece("Small", label, css="cell-label"), piece("Span", text, field=field), css=f"count cell-{field}"
    )


def _source_row(row: SourceRow | None, feeds: dict[str, str], reader: Reader) -> Component:
    face, words = (source_face(row, reader) if row else None), reader.words
    return piece(
        "Li",
        piece(
            "Span",
            sign(face.state if face else "", "shape-state", field="state"),
            piece("Span", face.word if face else "", field="state-word"),
            css="source-state as-of",
        ),
        piece(
            "Span",
            piece("B", row["source"] if row else "", field="source"),
            piece(
                "Span",
                piece("Span", feeds.get(row["feed"], row["feed"]) if row else "", field="feed"),
                sign((row["origin"] or "") if row else "", field="origin-sign"),
                piece("Span", origin_word(words, row["origin"]) if row else "", css="origin-word", field="origin"),
                css="source-feed",
            ),
            css="source-name",
        ),
        piece("Span", face.last if face else "", css="count", field="last"),
        piece("Span", face.lag if face else "", css="count", field="lag"),
        _labelled("rate", face.rate if face else "", words.source_rate),
        _labelled("rejected", face.rejected if face else "", words.source_rejected),
        css="source-row",
        state=face.state if face else "",
        hidden=row is None,
    )
