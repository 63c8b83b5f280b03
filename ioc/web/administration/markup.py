"""HTML from Python: an element with its attributes, in which every text is escaped unless it is HTML already."""

from html import escape
from typing import Final

Attribute = str | int | bool | None
_VOID: Final = frozenset({"input", "link", "meta"})


class Html(str):
    """Text that is HTML; only this module makes it."""

    __slots__ = ()


Content = str | None  # an Html stands as it is, any other text is escaped


def element(tag: str, *children: Content, css: str = "", **attributes: Attribute) -> Html:
    """`<tag …>children</tag>`. `css` is its class; `for_` is `for`, `aria_label` is `aria-label`.

    An attribute that is None or False is left out; one that is True stands without a value.
    """
    marks = {"class": css or None, **attributes}
    opening = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in marks.items())
    if tag in _VOID:
        return Html(f"<{tag}{opening}>")
    return Html(f"<{tag}{opening}>{together(*children)}</{tag}>")


def together(*children: Content) -> Html:
    """Contents one after another, without an element around them."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children if child))


def whole_page(head_and_body: Html) -> Html:
    return Html(f"<!doctype html>\n{head_and_body}")


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
