"""The parts that pages are made of: headings, tables, fields with their errors, what is asked before a change."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ioc.web.administration.asking import Asked, Wrong
from ioc.web.administration.markup import Content, Html, element, together
from ioc.web.forms import CSRF_FIELD

ROWS_PER_PAGE = 100
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    title: str
    note: str = ""


def heading(title: str, count: str = "", *actions: Content, note: str = "") -> Html:
    """A page's title, how many there are of what it lists, and what can be done."""
    words = element(
        "div",
        element("h1", title),
        element("span", count, css="count") if count else None,
        element("p", note, css="note") if note else None,
        css="words",
    )
    return element("div", words, element("div", *actions, css="actions") if any(actions) else None, css="heading")


def panel(title: str, *content: Content, count: str = "") -> Html:
    head = element("h2", title, element("span", count, css="count") if count else None)
    return element("section", head, *content, css="panel")


def button_link(title: str, href: str, *, kind: str = "") -> Html:
    return element("a", title, css=f"button {kind}".rstrip(), href=href)


def table(heads: Sequence[str], rows: Iterable[Sequence[Content]], empty: str) -> Html:
    """A table with a head that stays in view; every cell knows its column, for narrow screens. `empty` if no rows."""
    body = [
        element("tr", *(element("td", cell, data_label=head) for head, cell in zip(heads, cells, strict=True)))
        for cells in rows
    ]
    if not body:
        return element("p", empty, css="empty")
    head = element("thead", element("tr", *(element("th", one, scope="col") for one in heads)))
    return element("table", head, element("tbody", *body))


def whole(text: str) -> Html:
    """Words that stay on one line."""
    return element("span", text, css="whole")


def state(word: str, *, off: bool = False) -> Html:
    """A state in words with its sign; the colour never stands alone."""
    return element("span", element("i", aria_hidden="true"), word, css="state off" if off else "state")


def page_of(asked: Asked, entries: Sequence[Entry]) -> tuple[Sequence[Entry], Html | None]:
    """Those entries of a list that its asked page shows, and the way to its other pages."""
    last = max(1, -(-len(entries) // ROWS_PER_PAGE))
    text = asked.query.get("page", "1")
    stated = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    number = min(max(1, stated), last)
    return entries[(number - 1) * ROWS_PER_PAGE : number * ROWS_PER_PAGE], _pages(asked, number, last)


def _pages(asked: Asked, number: int, last: int) -> Html | None:
    if last == 1:
        return None
    say = asked.reader.say
    before = element("a", say("page_before"), href=asked.here(page=str(number - 1))) if number > 1 else None
    after = element("a", say("page_after"), href=asked.here(page=str(number + 1))) if number < last else None
    return element("nav", before, element("span", say("page_of", number=number, last=last)), after, css="pages")


def notice(text: str) -> Html:
    return element("p", text, css="notice", role="status")


def alarm(text: str) -> Html | None:
    return element("p", text, css="alarm", role="alert") if text else None


# --- forms -----------------------------------------------------------------------------------------------------


def form(asked: Asked, *content: Content, action: str = "", css: str = "") -> Html:
    """A form that a page of ours made: it carries the session's token."""
    token = element("input", type="hidden", name=CSRF_FIELD, value=asked.csrf)
    return element("form", token, *content, css=css, method="post", action=action or asked.path, novalidate=True)


def submit(title: str, *, kind: str = "primary") -> Html:
    return element("button", title, css=f"button {kind}".rstrip(), type="submit")


def text_field(
    name: str, label: str, value: str, wrong: Wrong, *, hint: str = "", longest: int = 200, spelled: bool = True
) -> Html:
    """A line of text; `spelled` is False for what is no word, like a login."""
    marks = {} if spelled else {"autocapitalize": "none", "spellcheck": "false"}
    box = element(
        "input",
        id=name,
        name=name,
        type="text",
        value=value,
        maxlength=longest,
        autocomplete="off",
        required=True,
        **_described(name, hint, wrong),
        **marks,
    )
    return _field(name, label, box, hint, wrong)


def long_text_field(name: str, label: str, value: str, wrong: Wrong, *, hint: str = "") -> Html:
    box = element("textarea", value, id=name, name=name, rows=3, spellcheck="false", **_described(name, hint, wrong))
    return _field(name, label, box, hint, wrong)


def select_field(name: str, label: str, choices: Iterable[Choice], chosen: str, wrong: Wrong) -> Html:
    options = (element("option", one.title, value=one.value, selected=one.value == chosen) for one in choices)
    return _field(
        name, label, element("select", *options, id=name, name=name, **_described(name, "", wrong)), "", wrong
    )


def choice_field(
    name: str,
    label: str,
    choices: Iterable[Choice],
    chosen: Collection[str],
    wrong: Wrong,
    *,
    several: bool,
    css: str = "",
) -> Html:
    """Boxes to tick, or buttons of which one is chosen."""
    boxes = (
        element(
            "label",
            element(
                "input",
                type="checkbox" if several else "radio",
                name=name,
                value=one.value,
                checked=one.value in chosen,
            ),
            element("span", one.title, element("small", one.note) if one.note else None),
            css="choice",
        )
        for one in choices
    )
    described = _described(name, "", wrong)
    return element(
        "fieldset",
        element("legend", label),
        _error(name, wrong),
        element("div", *boxes, css=f"choices {css}".rstrip()),
        css="field wrong" if wrong.at(name) else "field",
        **described,
    )


def _field(name: str, label: str, box: Html, hint: str, wrong: Wrong) -> Html:
    return element(
        "div",
        element("label", label, for_=name),
        box,
        element("p", hint, css="hint", id=f"{name}-hint") if hint else None,
        _error(name, wrong),
        css="field wrong" if wrong.at(name) else "field",
    )


def _error(name: str, wrong: Wrong) -> Html | None:
    return element("p", wrong.at(name), css="error", id=f"{name}-error") if wrong.at(name) else None


def _described(name: str, hint: str, wrong: Wrong) -> dict[str, Any]:
    """What a screen reader reads with the field."""
    parts = [f"{name}-hint"] * bool(hint) + [f"{name}-error"] * bool(wrong.at(name))
    return {"aria_describedby": " ".join(parts) or None, "aria_invalid": "true" if wrong.at(name) else None}


# --- before and after a change ---------------------------------------------------------------------------------


def confirmation(asked: Asked, question: str, note: str, title: str, back: str, above: str = "") -> Html:
    """A change that cannot be undone is asked about once, on a page of its own."""
    buttons = element("div", submit(title, kind="danger"), button_link(asked.reader.say("cancel"), back), css="buttons")
    return element(
        "section", element("h1", question), alarm(above), element("p", note), form(asked, buttons), css="panel ask"
    )


def secret(asked: Asked, title: str, label: str, text: str, note: str, back: Html) -> Html:
    """What can be read this one time."""
    shown = element("output", text, css="secret", id="secret", tabindex=0)
    return element(
        "section",
        element("h1", title),
        element("p", element("b", label), element("span", asked.reader.say("at_once"), css="tag"), css="label"),
        shown,
        element("p", note),
        element("div", back, css="buttons"),
        css="panel ask",
    )


def stacked(*parts: Content) -> Html:
    return element("div", *parts, css="stack")


def beside(left: Html, *right: Content) -> Html:
    return together(element("div", left, element("div", *right, css="stack"), css="beside"))
