"""Mistakes as somebody may make them one day: each must be found by the matrix, or it looks at nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from dash import Dash, Input, Output
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from ioc.model.access import Principal
from ioc.operations import cases, places, series, snapshots, views
from ioc.operations.places import Atlas, Place, PlaceKind, Scope
from ioc.operations.view_parts import frame_of
from ioc.panels import app as panels_app
from ioc.panels.permissions import UndeclaredCallback
from ioc.web import app as web_app
from ioc.web import gate as gate_module
from ioc.web import live as live_module
from ioc.web.app import WebApp
from tests.access_matrix.canaries import FOREIGN, MARKS, NUMBERS, PARENT, ROOT
from tests.access_matrix.conftest import ON_SQLITE, Guarded
from tests.access_matrix.matrix import Findings, ask_callbacks, ask_routes, callbacks_of, people_who_ask
from tests.access_matrix.parameters import UnknownParameter
from tests.access_matrix.payloads import Payloads
from tests.access_matrix.routes import found_routes
from tests.access_matrix.streams import listen_to_all
from tests.access_matrix.test_anonymous import answered_to_anybody, is_open
from tests.access_matrix.wire import ask

VIEWER = "viewer of own"
ASKERS = (VIEWER, "leader of foreign", "person without a centre", "reading key")
Caught = Callable[[str], None]

pytestmark = [pytest.mark.slow, ON_SQLITE]


def small_matrix(
    guarded: Guarded,
    web: WebApp,
    *templates: str,
    callbacks: bool = False,
    streams: bool = False,
) -> Findings:
    """The same matrix over some routes and some people."""
    findings = Findings()

    async def running() -> None:
        async with guarded.running(web) as held:
            people = people_who_ask([one for one in guarded.everybody if one.name in ASKERS], held)
            routes = [one for one in found_routes(web.app) if one.template in templates and one.method == "GET"]
            assert routes or not templates
            await ask_routes(web, routes, people, findings)
            if callbacks:
                found = await callbacks_of(web, held[VIEWER])
                pathnames = tuple(f"/wall/c-{MARKS[group]}" for group in (FOREIGN, PARENT))
                await ask_callbacks(web, found, pathnames, people, findings)
            if streams:
                await listen_to_all(web, guarded.store, tuple(findings.streams.values()), people, findings)

    asyncio.run(running())
    return findings


def as_root(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The operation for somebody who sees everything, whoever asks."""

    def unscoped(_who: Principal, *args: Any, **named: Any) -> Any:
        return operation(ROOT, *args, **named)

    return unscoped


def test_a_matrix_without_a_mistake_finds_none(guarded: Guarded) -> None:
    templates = ("/api/v1/units", "/api/v1/snapshot", "/live", "/panels/roads.geojson")
    findings = small_matrix(guarded, guarded.build(), *templates, callbacks=True, streams=True)
    findings.check()
    assert findings.shown["api"], "and they are shown what is theirs"


def test_a_scope_that_bounds_nothing(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    def unbounded(self: Atlas, _who: Principal, day: date) -> Scope:
        return self._built_scope(ROOT, day)

    monkeypatch.setattr(Atlas, "scope", unbounded)
    assert small_matrix(guarded, guarded.build(), "/api/v1/units").leaks
    caught("scope")


@pytest.mark.parametrize(
    ("module", "operation", "template"),
    [
        (places, "list_units", "/api/v1/units"),
        (places, "list_assets", "/api/v1/assets"),
        (places, "list_centres", "/api/v1/centres"),
        (snapshots, "snapshot", "/api/v1/snapshot"),
        (series, "series", "/api/v1/series/{series_id}"),
        (cases, "cases", "/api/v1/cases/{feed}"),
        (web_app, "seen_places", "/panels/roads.geojson"),
    ],
)
def test_an_operation_without_scope(
    guarded: Guarded,
    monkeypatch: pytest.MonkeyPatch,
    caught: Caught,
    module: Any,
    operation: str,
    template: str,
) -> None:
    monkeypatch.setattr(module, operation, as_root(getattr(module, operation)))
    assert small_matrix(guarded, guarded.build(), template).leaks
    caught(operation)


def test_a_callback_that_asks_for_everything(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    monkeypatch.setattr(web_app, "view_document", as_root(views.view_document))
    assert small_matrix(guarded, guarded.build(), callbacks=True).leaks
    caught("callback")


def test_a_callback_without_a_permission(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    close = panels_app._close_side_doors

    def with_another_callback(app: Dash, server: FastAPI) -> None:
        close(app, server)
        app.callback(Output("panels-page", "title"), Input("panels-address", "href"))(lambda href: href)

    monkeypatch.setattr(panels_app, "_close_side_doors", with_another_callback)
    with pytest.raises(UndeclaredCallback, match=r"panels-page\.title"):
        guarded.build()
    caught("undeclared callback")


def test_a_live_topic_that_anybody_may_open(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    monkeypatch.setattr(live_module, "check_view", as_root(views.check_view))
    assert small_matrix(guarded, guarded.build(), "/live").leaks
    caught("live view")


def test_a_live_topic_without_a_filter(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    """The snapshot is right; what comes after it is of another centre."""
    update = views.Board.update

    def update_of_another(self: Any, *args: Any) -> None:
        def frame_of_another(connection: Any, atlas: Atlas, province: Any, _centre: Place, clock: Any) -> Any:
            other = f"c-{MARKS[PARENT]}"
            place = Place(PlaceKind.CENTRE, other, atlas.numbers.places[other])
            return frame_of(connection, atlas, province, place, clock)

        with monkeypatch.context() as within:
            within.setattr(views, "frame_of", frame_of_another)
            update(self, *args)

    monkeypatch.setattr(views.Board, "update", update_of_another)
    monkeypatch.setattr(views, "_places_by_series", _all_of_them(views._places_by_series))
    findings = small_matrix(guarded, guarded.build(), "/live", streams=True)
    assert findings.leaks
    assert all("GET /live" in leak for leak in findings.leaks)
    caught("live changes")


def _all_of_them(places_by_series: Callable[..., dict[str, set[int]]]) -> Callable[..., dict[str, set[int]]]:
    def every_place(*args: Any) -> dict[str, set[int]]:
        found = places_by_series(*args)
        return {one: set(range(1, 200)) for one in found}

    return every_place


def test_a_route_outside_the_gate(guarded: Guarded, caught: Caught) -> None:
    web = guarded.build()

    def export(_request: Any) -> Response:
        return PlainTextResponse("all of it")

    outer: Any = Starlette(routes=[Route("/export", export), Mount("/", web.app)])
    assert not_open(replace(web, app=outer)) == {"/export"}
    caught("route outside the gate")


def test_a_path_that_the_gate_leaves_open(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    monkeypatch.setattr(gate_module, "OPEN", gate_module.OPEN | {"/api/docs"})
    assert not_open(guarded.build()) == {"/api/docs"}
    caught("open path")


def not_open(web: WebApp) -> set[str]:
    _, paths = asyncio.run(answered_to_anybody(web))
    return {path for path in paths if not is_open(path)}


def added(web: WebApp, path: str, endpoint: Callable[..., Any]) -> WebApp:
    """The application with one more route, as somebody may add it."""
    web.server.add_api_route(path, endpoint, methods=["GET"])
    return web


def test_a_route_with_a_parameter_that_nobody_declared(guarded: Guarded, caught: Caught) -> None:
    def camera(camera: str) -> str:
        return camera

    with pytest.raises(UnknownParameter, match=r"/api/v1/cameras takes 'camera'.*declare it in KINDS"):
        found_routes(added(guarded.build(), "/api/v1/cameras", camera).app)
    caught("unknown parameter")


def test_a_new_route_is_found_by_itself(guarded: Guarded, caught: Caught) -> None:
    def camera(unit: str) -> Response:
        return PlainTextResponse("", headers={"X-Camera": str(NUMBERS[FOREIGN])})

    findings = small_matrix(guarded, added(guarded.build(), "/api/v1/frames", camera), "/api/v1/frames")
    assert findings.leaks
    caught("foreign header")


def test_a_route_that_breaks(guarded: Guarded, caught: Caught) -> None:
    def broken() -> str:
        raise LookupError("nothing there")

    findings = small_matrix(guarded, added(guarded.build(), "/api/v1/broken", broken), "/api/v1/broken")
    assert findings.failures
    caught("answer of 500")


def test_calls_that_dash_stumbles_over(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    monkeypatch.setattr(panels_app, "check_calls", lambda _server: None)
    findings = Findings()

    async def calling() -> None:
        web = guarded.build()
        async with guarded.running(web) as held:
            who = next(one for one in guarded.everybody if one.name == VIEWER)
            payloads = Payloads(await callbacks_of(web, held[VIEWER]), ("/",), 1)
            for _ in range(300):
                asked = payloads.next()
                findings.look(who, asked, await ask(web.app, asked, held[VIEWER]))

    asyncio.run(calling())
    assert findings.failures
    caught("crafted calls")
