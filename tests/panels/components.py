"""Looking into component trees, as a browser would look into the page."""

from collections.abc import Iterator
from typing import Any

from dash.development.base_component import Component


def walk(component: Any) -> Iterator[Component]:
    """The component and all below it, in the order of the page."""
    if isinstance(component, list | tuple):
        for one in component:
            yield from walk(one)
    elif isinstance(component, Component):
        yield component
        yield from walk(getattr(component, "children", None))


def mark(component: Component, name: str) -> Any:
    return component.to_plotly_json()["props"].get(name)  # type: ignore[no-untyped-call]


def find(root: Component, **marks: Any) -> list[Component]:
    """Components whose attributes are these; `card="x"` means `data-card="x"`, `css` is a class among others."""

    def fits(one: Component) -> bool:
        for name, value in marks.items():
            if name == "css":
                if value not in (mark(one, "className") or "").split():
                    return False
            elif mark(one, "data-" + name.replace("_", "-")) != value:
                return False
        return True

    return [one for one in walk(root) if fits(one)]


def field(root: Component, name: str) -> Component:
    found = find(root, field=name)
    assert found, f"no field {name}"
    return found[0]


def text(component: Component) -> str:
    children = getattr(component, "children", None)
    if children is None:
        return ""
    if not isinstance(children, list):
        children = [children]
    return "".join(text(one) if isinstance(one, Component) else str(one) for one in children)
