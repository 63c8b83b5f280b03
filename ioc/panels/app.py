"""Puts the pages on the server: routes, Dash, its one callback. Called once by ioc.web.

Refused: a callback without a declared permission, debug tools, the MCP server, compression (event streams must not be
buffered), and Dash's catch-all route, which would answer 200 to every unknown path. Who is signed in is somebody
else's matter: the gate stands in front, and `principal` says who asks.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import dash
from anyio import to_thread
from dash import Dash, dcc, html
from dash.backends._fastapi import reset_current_request, set_current_request
from dash.dependencies import Input, Output
from dash.development.base_component import Component
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from ioc import logs
from ioc.errors import IocError, NotFound, Refused, UnknownPlace
from ioc.model.access import Permission, Principal
from ioc.model.places import Centre
from ioc.model.series import Kpi, Text
from ioc.panels.calls import check_calls
from ioc.panels.document import Page, View
from ioc.panels.faces import Reader
from ioc.panels.formats import ZONE
from ioc.panels.geography import Geographies, Part
from ioc.panels.graphs import ROADS_URL, UNITS_URL
from ioc.panels.pages.centre import centre_page
from ioc.panels.pages.front import front_page, message_page
from ioc.panels.pages.leader import leader_page
from ioc.panels.pages.parts import Parts
from ioc.panels.pages.wall import wall_page
from ioc.panels.permissions import Callbacks
from ioc.panels.tokens import THEMES, Theme, colours
from ioc.panels.words import CATALOGUE, LANGUAGES, Language, Words
from ioc.settings import Settings

CSRF_COOKIE: Final = "ioc_csrf"
CSRF_HEADER: Final = "X-CSRFToken"
LANGUAGE_COOKIE: Final = "ioc_language"
THEME_COOKIE: Final = "ioc_theme"
_YEAR: Final = 31_536_000

PAGES: Final[dict[Page, Callable[[Parts], Component]]] = {
    "wall": wall_page,
    "centre": centre_page,
    "leader": leader_page,
}
DEFAULT_THEMES: Final[dict[str, Theme]] = {"wall": "wall", "centre": "dark", "leader": "light"}

Views = Callable[[Principal, Page, str], View]
Centres = Callable[[Principal], Sequence[Centre]]
Places = Callable[[Principal], frozenset[str]]

_log = logs.get_logger("ioc.panels")

_INDEX: Final = """<!DOCTYPE html>
<html lang="vi" data-theme="light" data-page="front">
<head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
<body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body>
</html>"""
_INDEX_MARKS: Final = 'lang="vi" data-theme="light" data-page="front"'


def mount(
    server: FastAPI,
    settings: Settings,
    *,
    principal: Callable[[], Principal],
    views: Views,
    centres: Centres,
    places: Places,
    kpis: Mapping[str, Kpi],
    feeds: Mapping[str, Text],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Dash:
    """Add the pages to `server` and return the Dash app.

    `principal` says who the current request comes from. `views` makes the first document of a page within the
    principal's scope (it may block: it runs in a thread, with the request's context); `centres` lists the centres
    that the principal may open, `places` the units and assets that maps may show them. `kpis` and `feeds` say what
    the declared things are called.
    """
    # Ours first, so that they match before anything that Dash adds.
    pages = _Pages(settings, principal, views, centres, places, dict(kpis), feeds, now)
    pages.add_routes(server)
    app = Dash(
        "ioc.panels",
        server=server,  # type: ignore[arg-type]  # its types know Flask only
        backend="fastapi",
        serve_locally=True,
        compress=False,
        enable_mcp=False,
        add_log_handler=False,
        title=CATALOGUE[settings.default_language].product,
        update_title="",
        index_string=_INDEX,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        csrf_token_name=CSRF_COOKIE,
        csrf_header_name=CSRF_HEADER,
    )
    app.logger.setLevel(logging.WARNING)
    _close_side_doors(app, server)
    app.layout = html.Div([dcc.Location(id="panels-address", refresh=False), html.Div(id="panels-page")])
    callbacks = Callbacks(app, principal)
    callbacks.add(
        Output("panels-page", "children"),
        Input("panels-address", "pathname"),
        Input("panels-address", "search"),
        permission=Permission.READ,
        for_screens=True,
    )(pages.answer)
    callbacks.verify()
    # Dash does this before the first request to one of its own routes; ours must not find the list of assets empty.
    app._setup_server()  # type: ignore[no-untyped-call]  # noqa: SLF001
    check_calls(server)
    pages.app = app
    return app


def csp_script_hashes(app: Dash) -> tuple[str, ...]:
    """What `script-src` needs beside 'self': the hashes of Dash's own inline scripts."""
    return tuple(app.csp_hashes())


def _close_side_doors(app: Dash, server: FastAPI) -> None:
    """Dash has no switch for its catch-all route, nor for callbacks over a WebSocket, which no page here uses."""
    app.backend._setup_catchall = lambda: None  # type: ignore[attr-defined]  # noqa: SLF001
    app.backend.websocket_capability = False
    server.router.routes[:] = [
        route for route in server.router.routes if not getattr(route, "path", "").endswith("/_dash-ws-callback")
    ]


class _Pages:
    """The pages of one server. Holds what `mount` was given; keeps nothing about any viewer."""

    app: Dash

    def __init__(
        self,
        settings: Settings,
        principal: Callable[[], Principal],
        views: Views,
        centres: Centres,
        places: Places,
        kpis: dict[str, Kpi],
        feeds: Mapping[str, Text],
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._principal = principal
        self._views = views
        self._centres = centres
        self._places = places
        self._kpis = kpis
        self._feeds = feeds
        self._now = now
        self._geographies = Geographies(settings.province_dir / settings.province)

    def add_routes(self, server: FastAPI) -> None:
        server.add_api_route("/", self._index, methods=["GET"], include_in_schema=False)
        for page in PAGES:
            server.add_api_route(f"/{page}/{{centre}}", self._index, methods=["GET"], include_in_schema=False)
        server.add_api_route(UNITS_URL, self._units, methods=["GET"], include_in_schema=False)
        server.add_api_route(ROADS_URL, self._roads, methods=["GET"], include_in_schema=False)

    # --- routes

    async def _index(self, request: Request) -> Response:
        """The empty page; the theme stands in it from the first byte, so that no wall ever flashes white."""
        page, centre = _page_and_centre(request.url.path)
        language, theme = self._reading(page, request.url.query, dict(request.cookies))
        who = self._principal()
        known = page == "front" or centre in {one.id for one in await to_thread.run_sync(self._centres, who)}
        ground = colours(theme)["ground"]
        marks = f'lang="{language}" data-theme="{theme}" data-page="{page}" style="background:{ground}"'
        token = set_current_request(request)  # type: ignore[no-untyped-call]
        try:
            index = str(self.app.index())  # type: ignore[no-untyped-call]
        finally:
            reset_current_request(token)  # type: ignore[no-untyped-call]
        response = HTMLResponse(
            index.replace(_INDEX_MARKS, marks, 1),
            status_code=200 if known else 404,
            headers={"Cache-Control": "no-store"},
        )
        asked = parse_qs(request.url.query)
        for cookie, name in ((LANGUAGE_COOKIE, "lang"), (THEME_COOKIE, "theme")):
            if name in asked:
                chosen = language if name == "lang" else theme
                response.set_cookie(
                    cookie, chosen, max_age=_YEAR, samesite="lax", secure=self._settings.production, httponly=True
                )
        return response

    async def _units(self, request: Request) -> Response:
        return await self._geojson("units")

    async def _roads(self, request: Request) -> Response:
        return await self._geojson("roads")

    async def _geojson(self, part: Part) -> Response:
        geography = await to_thread.run_sync(self._geographies.on, self._now().astimezone(ZONE).date())
        if geography is None:
            return Response(status_code=404)
        places = await to_thread.run_sync(self._places, self._principal())
        # Not for long: at local midnight the units of today may be others. And not for who signs in next.
        headers = {"Cache-Control": "private, max-age=600", "Vary": "Cookie"}
        return Response(geography.text(part, places), media_type="application/geo+json", headers=headers)

    # --- the callback

    async def answer(self, who: Principal, pathname: str | None, search: str | None) -> Component:
        page, centre = _page_and_centre(pathname or "/")
        language, theme = self._reading(page, (search or "").removeprefix("?"), dict(dash.ctx.cookies))
        words = CATALOGUE[language]
        try:
            if page == "front":
                centres = await to_thread.run_sync(self._centres, who)
                return front_page(centres, theme, words, language, administers=who.may(Permission.ADMINISTER))
            if page not in PAGES:
                return message_page(words.page_unknown, theme, words, language)
            return await to_thread.run_sync(self._page, who, page, centre, theme, language)
        except (NotFound, UnknownPlace):
            return message_page(words.page_unknown, theme, words, language)
        except Refused:
            return message_page(words.page_refused, theme, words, language)
        except IocError as error:
            _log.warning("page failed", page=page, centre=centre, reason=str(error))
            return message_page(words.page_failed, theme, words, language)

    def _page(self, who: Principal, page: Page, centre: str, theme: Theme, language: Language) -> Component:
        words: Words = CATALOGUE[language]
        view = self._views(who, page, centre)
        now = self._now()
        geography = self._geographies.on(now.astimezone(ZONE).date())
        feeds = {key: title.in_language(language) for key, title in self._feeds.items()}
        return PAGES[page](
            Parts(
                view=view,
                kpis=self._kpis,
                feeds=feeds,
                theme=theme,
                reader=Reader(language, words, now),
                drawn=geography is not None,
                schematic=geography is not None and geography.schematic,
                administers=who.may(Permission.ADMINISTER),
            )
        )

    def _reading(self, page: str, query: str, cookies: dict[str, str]) -> tuple[Language, Theme]:
        """Language and theme: what the address asks for, else the cookie, else the default. A wall has one theme."""
        asked = parse_qs(query)
        language = _choice(asked.get("lang"), cookies.get(LANGUAGE_COOKIE), LANGUAGES)
        theme = _choice(asked.get("theme"), cookies.get(THEME_COOKIE), THEMES[1:])
        if page == "wall":
            theme = "wall"
        return language or self._settings.default_language, theme or DEFAULT_THEMES.get(page, "light")


def _choice(asked: list[str] | None, kept: str | None, choices: Sequence[Any]) -> Any:
    return next((choice for choice in (*(asked or ()), kept) if choice in choices), None)


def _page_and_centre(path: str) -> tuple[Any, str]:
    """`/wall/ben-cat` → ("wall", "ben-cat"); the root is the front page; anything else is a page that we have not."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "front", ""
    return (parts[0], parts[1]) if len(parts) == 2 else ("unknown", "")
