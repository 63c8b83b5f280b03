"""What the running application answers, found by walking through it: routes, what is mounted, the gate's own paths.

Nothing here names a route. What is of a kind that the walk does not know makes the test fail.
"""

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from ioc.web import gate as gate_module
from ioc.web.gate import Gate
from tests.access_matrix.canaries import FOREIGN, MARKS, OWN
from tests.access_matrix.parameters import EXCLUSIVE, HISTORY, KINDS, UnknownParameter, Values, values_of
from tests.access_matrix.wire import FORM, JSON, Asked

READS: Final = frozenset({"GET"})
_PASSED_OVER: Final = frozenset({"HEAD", "OPTIONS"})
MOST_COMBINATIONS: Final = 40


Body = tuple[str, bytes, tuple[str, ...]]
"""Its type, its bytes, and what it names."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    values: Values
    required: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One route. `template` has its parameters in braces."""

    method: str
    template: str
    in_path: tuple[Parameter, ...] = ()
    in_query: tuple[Parameter, ...] = ()
    is_socket: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def found_routes(app: Any) -> tuple[Found, ...]:
    """Every route of the application that the server is given, from its outermost part inwards."""
    return tuple(dict.fromkeys(_walk(app, "")))


def _walk(app: Any, prefix: str) -> Iterator[Found]:
    if isinstance(app, Gate):
        yield from _of_the_gate()
        yield from _walk(app._app, prefix)
    elif isinstance(app, Starlette):
        yield from _walk(app.router, prefix)
    elif isinstance(app, Router):
        for route in app.routes:
            yield from _of_route(route, prefix)
    elif isinstance(app, StaticFiles):
        yield Found("GET", f"{prefix}/{{path}}", (Parameter("path", _files(app), required=True),))
    else:
        raise UnknownParameter(
            f"What is mounted at {prefix or '/'} ({type(app).__name__}) is nothing that the matrix can walk through:"
            " say in tests/access_matrix/routes.py what it answers."
        )


def _of_route(route: Any, prefix: str) -> Iterator[Found]:
    if isinstance(route, APIRoute):
        where = f"{prefix}{route.path}"
        in_query = tuple(_declared(route, "query_params").values())
        for method in sorted((route.methods or set()) - _PASSED_OVER):
            yield Found(method, where, _in_path(route, where), in_query)
    elif isinstance(route, Route):
        where = f"{prefix}{route.path}"
        for method in sorted((route.methods or set()) - _PASSED_OVER):
            yield Found(method, where, _in_path(route, where))
    elif isinstance(route, WebSocketRoute):
        where = f"{prefix}{route.path}"
        yield Found("GET", where, _in_path(route, where), is_socket=True)
    elif isinstance(route, Mount):
        yield from _walk(route.app, prefix + route.path)
    elif hasattr(route, "original_router"):  # what FastAPI keeps of an included router
        for inner in route.original_router.routes:
            yield from _of_route(inner, prefix + route.include_context.prefix)
    else:
        raise UnknownParameter(
            f"The route {route!r} is of a kind that the matrix does not know: teach it in"
            " tests/access_matrix/routes.py."
        )


def _in_path(route: Any, where: str) -> tuple[Parameter, ...]:
    """What stands in braces; a function that takes the whole request declares none of it."""
    declared = _declared(route, "path_params") if isinstance(route, APIRoute) else {}
    return tuple(
        declared.get(name) or Parameter(name, values_of(name, str, where), required=True)
        for name in route.param_convertors
    )


def _declared(route: APIRoute, kind: str) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}

    def look(dependant: Any) -> None:
        for field in getattr(dependant, kind):
            annotation = field.field_info.annotation
            values = values_of(field.alias, annotation, route.path)
            found[field.alias] = Parameter(field.alias, values, field.field_info.is_required())
        for below in dependant.dependencies:
            look(below)

    look(route.dependant)
    return found


def _files(app: StaticFiles) -> Values:
    known = sorted(
        str(path.relative_to(folder))
        for folder in app.all_directories
        for path in Path(folder).rglob("*")
        if path.is_file()
    )
    return Values(tuple(known[:3]), ("../app.py", "..%2fapp.py", "....//", "\x00", "/etc/passwd"))


def _of_the_gate() -> Iterator[Found]:
    """What the gate answers by itself: every path that it, or what it calls, knows by a name."""
    modules = {gate_module}
    for name in dir(gate_module):
        module = sys.modules.get(getattr(getattr(gate_module, name), "__module__", None) or "")
        if module is not None and module.__name__.startswith("ioc.web."):
            modules.add(module)
    paths = sorted({path for module in modules for path in _paths_of(module)})
    token = Parameter("token", values_of("token", str, "the gate"), required=True)
    query = tuple(Parameter(name, values_of(name, str, "the gate"), required=False) for name in ("next", "lang"))
    for path in paths:
        for method in ("GET", "POST"):
            yield Found(method, path, (), query)
            yield Found(method, f"{path.rstrip('/')}/{{token}}", (token,))


def _paths_of(module: Any) -> Iterator[str]:
    for name, value in vars(module).items():
        if name.isupper():
            texts = [value] if isinstance(value, str) else value if isinstance(value, frozenset | tuple) else ()
            yield from (
                text for text in texts if isinstance(text, str) and text.startswith("/") and len(text.strip("/")) > 0
            )


# --- requests --------------------------------------------------------------------------------------------------


def requests_to(route: Found) -> Iterator[Asked]:
    """Everything that the matrix asks of a route; the same for everybody."""
    paths = itertools.islice(
        itertools.product(*(parameter.values.good for parameter in route.in_path)), MOST_COMBINATIONS
    )
    queries = {parameter.name: parameter.values for parameter in route.in_query}
    required = {one.name: one.values.good[0] for one in route.in_query if one.required}
    places = [(name, place) for name in EXCLUSIVE if name in queries for place in queries[name].good]
    options = [dict([place]) for place in places] or [{}]
    history = {name: value for name, value in HISTORY.items() if name in queries}
    first = tuple(parameter.values.good[0] for parameter in route.in_path)
    made, briefly = partial(_made, route), partial(_made, route, bodies=BODIES[1:2])
    if not queries:  # a function that takes the whole request may look for any of these
        for at in (0, 1):
            yield from briefly(first, {name: values.good[at % len(values.good)] for name, values in KINDS.items()})
    for path in paths:
        if path != first:  # all bodies with the first path; with the others forms, which say the same
            made = partial(_made, route, bodies=[one for one in BODIES if one[0] == FORM][:2])
        for option in options:
            yield from made(path, required | option)
            if history:
                yield from made(path, required | option | history)
        if places:
            yield from made(path, required)
    for place in options[:2]:
        for parameter in route.in_query:
            if parameter.name not in EXCLUSIVE:
                for value in (*parameter.values.good, *parameter.values.bad):
                    yield from briefly(first, required | place | {parameter.name: value})
    for name in EXCLUSIVE:
        if name in queries:
            for value in queries[name].bad:
                yield from briefly(first, required | {name: value})
    for at, parameter in enumerate(route.in_path):
        for value in parameter.values.bad:
            yield from briefly((*first[:at], value, *first[at + 1 :]), required | options[0])


def _made(
    route: Found, in_path: tuple[str, ...], query: Mapping[str, str], bodies: Sequence[Body] | None = None
) -> Iterator[Asked]:
    path = route.template
    for parameter, value in zip(route.in_path, in_path, strict=True):
        path = path.replace(f"{{{parameter.name}}}", value).replace(f"{{{parameter.name}:path}}", value)
    values = (*in_path, *query.values())
    named = tuple(
        {one for value in values for one in (value, value.partition(":")[2], value.rpartition("/")[2]) if one}
    )
    text = urlencode(query)
    if route.method in READS:
        yield Asked(route.method, path, text, named=named)
        return
    for kind, body, said in BODIES if bodies is None else bodies:
        yield Asked(route.method, path, text, body, kind, (*named, *said))


def _bodies() -> Iterator[Body]:
    """Bodies for routes that change something: nothing, and forms and objects that name everything own or foreign."""
    yield "", b"", ()
    for group, person, key in (
        (OWN, "viewer.of.own", "reads"),
        (FOREIGN, f"viewer.{MARKS[FOREIGN]}", f"key-{MARKS[FOREIGN]}"),
    ):
        mark = MARKS[group]
        said: dict[str, Any] = {
            "id": f"r-{mark}", "login": person, "person": f"p-{person}", "key": key, "session": key, "screen": key,
            "name": f"x-{mark}", "centre": f"c-{mark}", "centres": [f"c-{mark}"], "unit": f"u-{mark}",
            "asset": f"r-{mark}", "office": f"o-{mark}", "page": "wall", "view": f"wall:c-{mark}", "role": "viewer",
            "password": "một mật khẩu dài", "text": f"r-{mark}", "type": "Dossier",
        }  # fmt: skip
        named = tuple({one for value in said.values() for one in (value if isinstance(value, list) else [value])})
        yield JSON, json.dumps(said).encode(), named
        yield JSON, json.dumps([said]).encode(), named
        yield FORM, urlencode(dict(list(said.items())[:9]), doseq=True).encode(), named
    yield JSON, b'{"a": ', ()
    yield FORM, quote("a=\x00&token=x").encode(), ()


BODIES: Final = tuple(_bodies())
