"""The smallest parts of a page: an element with its marks, and a sign. Widgets are made of nothing else.

`data-field` marks what the browser fills in afterwards; a test finds "the number" by it.
"""

from typing import Any

from dash import html
from dash.development.base_component import Component

Child = Component | str | None


def piece(tag: str, *children: Child, css: str = "", field: str = "", **marks: Any) -> Component:
    """An HTML element. `field` becomes `data-field`, other marks `data-…`, except `aria_…` and those below.

    `id`, `href`, `title`, `style`, `role`, `hidden`, `lang` and `colSpan` are the element's own attributes.
    """
    own = {"id", "href", "title", "style", "role", "hidden", "lang", "colSpan", "scope"}
    attributes: dict[str, Any] = {"className": css} if css else {}
    if field:
        attributes["data-field"] = field
    for name, value in marks.items():
        if name in own:
            attributes[name] = value
        elif name.startswith("aria_"):
            attributes[name.replace("_", "-")] = value
        else:
            attributes["data-" + name.replace("_", "-")] = value
    component: Component = getattr(html, tag)(list(_kept(children)), **attributes)
    return component


def _kept(children: tuple[Child, ...]) -> list[Component | str]:
    return [child for child in children if child is not None]


def sign(shape: str, css: str = "", field: str = "") -> Component:
    """A sign of shapes.css in the colour of the text. It never stands alone: the word is beside it."""
    return piece("I", css=f"shape {css}".rstrip(), field=field, shape=shape, aria_hidden="true")


def heading(title: str, note: str = "", field: str = "", *more: Child) -> Component:
    """A panel's heading with its small note; `field` lets the browser rewrite the note."""
    return piece("H2", piece("Span", title), piece("Small", note, field=field), *more, css="heading")
