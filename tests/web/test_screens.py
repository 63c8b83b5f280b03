"""A wall screen before the whole application: its one view, in a real browser too, and nothing else of all there is."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import Response, sync_playwright

from ioc.model.access import Kind, Permission, Principal
from ioc.operations import screens
from ioc.panels.requests import LIVE, PAGE_FILES, PAGE_REQUESTS
from ioc.panels.words import CATALOGUE
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.gate import OPEN
from ioc.web.plain_pages import CHANGE_PASSWORD, SESSIONS, SIGN_IN
from scripts.parts.server import free_port
from tests.access_matrix.routes import found_routes
from tests.operations.rows import NOW
from tests.streams.small_centre import copy_centre
from tests.waiting import eventually
from tests.web.conftest import ROOT, Web
from tests.web.test_program import start, store_url

WALL = "/wall/c-all"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def paired(web: Web) -> dict[str, str]:
    """The headers with which a paired screen's page calls."""
    store, settings = web.rows.small.store, web.rows.settings
    token = screens.add_screen(ROOT, store, settings, name="sanh", centre="c-all", page="wall", now=NOW)
    made = screens.pair_screen(store, settings, token=token, now=NOW)
    return {
        "Cookie": f"ioc_screen={made.token}; ioc_csrf={made.csrf}",
        "X-CSRFToken": made.csrf,
        "Origin": settings.public_url,
    }


def call(path: str) -> dict[str, object]:
    """What Dash's renderer sends for the callback that fills a page."""
    inputs = [
        {"id": "panels-address", "property": "pathname", "value": path},
        {"id": "panels-address", "property": "search", "value": ""},
    ]
    output = {"id": "panels-page", "property": "children"}
    changed = ["panels-address.pathname"]
    return {"output": "panels-page.children", "outputs": output, "inputs": inputs, "changedPropIds": changed}


@pytest.mark.anyio
async def test_of_all_routes_a_screen_reaches_those_that_its_page_declares(web: Web) -> None:
    screen = await paired(web)
    routes = found_routes(web.made.app)
    assert len(routes) > 10
    reached = set()
    for route in routes:
        path = re.sub(r"\{[^}]*\}", "c-all", route.template)
        # The stream never ends, and is asked for below; health and the door are there for strangers too.
        if path in (LIVE, *OPEN) or (path.startswith(SIGN_IN) and path not in (CHANGE_PASSWORD, SESSIONS)):
            continue
        if (await web.ask(route.method, path, headers=screen)).status_code != 403:
            reached.add((route.method, path))
    allowed = {(method, path) for method, path in PAGE_REQUESTS if path != LIVE} | {("GET", WALL)}
    files = {one for one in reached if one[1].startswith(PAGE_FILES)}
    assert reached - files == allowed


@pytest.mark.anyio
async def test_a_screen_follows_its_own_view_only(web: Web) -> None:
    screen = await paired(web)
    for view in ("wall:c-d1", "centre:c-all", "leader:c-all", "wall:nothing"):
        assert (await web.ask("GET", f"/live?view={view}", headers=screen)).status_code == 403, view
    for path in ("/wall/c-d1", "/centre/c-all", "/leader/c-all"):
        assert (await web.ask("GET", path, headers=screen)).status_code == 403


@pytest.mark.anyio
async def test_a_crafted_call_of_a_screen_gets_no_other_view(web: Web) -> None:
    screen = await paired(web)
    own = await web.ask("POST", "/_dash-update-component", headers=screen, json=call(WALL))
    assert own.status_code == 200
    assert "wall:c-all" in json.loads(own.text)["response"]["panels-page"]["children"]["props"]["data-view"]
    refused = CATALOGUE["vi"].page_refused
    for path in ("/wall/c-d1", "/centre/c-all", "/leader/c-all"):
        answer = await web.ask("POST", "/_dash-update-component", headers=screen, json=call(path))
        assert refused in json.dumps(answer.json(), ensure_ascii=False), path
        assert "data-document" not in answer.text


@pytest.mark.anyio
async def test_a_callback_is_for_screens_only_if_it_says_so() -> None:
    from dash import Dash
    from dash.dependencies import Input, Output
    from starlette.exceptions import HTTPException

    from ioc.panels.permissions import Callbacks

    who = Principal(Kind.SCREEN, "d", "d", frozenset({Permission.READ}), frozenset({"c"}))
    app = Dash("screens")
    callbacks = Callbacks(app, lambda: who)
    asked: list[Callable[..., object]] = []
    app.callback = lambda *_: asked.append  # type: ignore[method-assign]

    async def answer(principal: Principal, value: str) -> str:
        return f"{principal.id} {value}"

    for name, stated in (("open", True), ("shut", False)):
        callbacks.add(Output(name, "children"), Input("x", "value"), permission=Permission.READ, for_screens=stated)(
            answer
        )
    is_open, is_shut = asked
    assert await is_open("v") == "d v"  # type: ignore[misc]
    with pytest.raises(HTTPException):
        await is_shut("v")  # type: ignore[misc]


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Iterator[Path]:
    small = copy_centre(template, tmp_path)
    yield small.folder
    small.drop()


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """The web program on that port, until it answers; stopped at the end."""
    program = start(folder, port)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert program.poll() is None, program.communicate()
        try:
            return httpx.get(f"{url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(answers, "the web program answers", 60)
        yield url
    finally:
        program.terminate()
        program.communicate()


@pytest.mark.slow
@pytest.mark.chromium
def test_a_wall_is_paired_shows_its_page_survives_a_restart_and_ends_when_it_is_revoked(folder: Path) -> None:
    port = free_port()
    settings = Settings.load({"IOC_DATA": str(folder)}, folder=folder)
    store = Store.open(store_url(folder))
    token = screens.add_screen(ROOT, store, settings, name="sanh", centre="c-all", page="wall", now=datetime.now(UTC))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": 1920, "height": 1080})
        seen: set[tuple[str, str, int]] = set()

        def note(answer: Response) -> None:
            if answer.url.startswith("http"):  # the map's worker comes from a blob
                seen.add((answer.request.method, urlsplit(answer.url).path, answer.status))

        tab.on("response", note)
        with serving(folder, port) as url:
            tab.goto(f"{url}/sign-in/screen/{token}")
            tab.click("button")
            tab.wait_for_url(f"{url}{WALL}")
            is_live(tab)
            tab.wait_for_load_state("load")
            asked = {(method, path) for method, path, _ in seen if not path.startswith("/sign-in/")}
            beside = {one for one in asked if one != ("GET", WALL) and not one[1].startswith(PAGE_FILES)}
            assert {status for _, path, status in seen if not path.startswith("/sign-in/")} <= {200, 304}
            assert {("GET", "/live"), ("POST", "/_dash-update-component")} <= beside <= PAGE_REQUESTS
            before = tab.evaluate("window.iocLive.snapshots")
        tab.wait_for_selector('html[data-connection="lost"]', timeout=30_000)
        with serving(folder, port):
            is_live(tab)
            assert tab.evaluate("window.iocLive.snapshots") > before
            screens.revoke_screen(ROOT, store, name="sanh", now=datetime.now(UTC))
            tab.wait_for_selector('html[data-session="over"]', timeout=60_000)
            assert (tab.goto(f"{url}{WALL}") or tab).url.startswith(f"{url}/sign-in")
        chromium.close()
    store.close()


def is_live(tab: Tab) -> None:
    tab.wait_for_selector('html[data-connection="live"]', timeout=30_000)
