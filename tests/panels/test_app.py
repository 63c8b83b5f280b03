"""The pages on a server: routes, cookies, permissions, and the doors that Dash leaves open."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dash import Dash, Input, Output, html
from fastapi import FastAPI

from ioc.errors import StoreError
from ioc.model.access import Kind, Permission, Principal
from ioc.panels.app import csp_script_hashes, mount
from ioc.panels.document import View
from ioc.panels.permissions import Callbacks, UndeclaredCallback
from ioc.panels.tokens import colours
from ioc.settings import Settings
from tests.panels import factories
from tests.panels.gallery_server import serving

READER = Principal(Kind.PERSON, "person:1", "reader", frozenset({Permission.READ}), frozenset({"ben-cat"}))
NOBODY = Principal(Kind.PERSON, "person:2", "nobody")


class Centre:
    """A server with the pages on it, and who is asking."""

    def __init__(self) -> None:
        self.who = READER
        self.asked: list[tuple[str, str, str]] = []
        self.broken = False
        self.server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.dash = mount(
            self.server,
            Settings.load({}, folder=Path(__file__).parent),
            principal=lambda: self.who,
            views=self.view,
            centres=lambda who: [one for one in factories.centres() if one.id in who.centres],
            places=factories.places,
            kpis=factories.KPIS,
            feeds=factories.FEEDS,
            now=lambda: factories.NOW,
        )

    def view(self, who: Principal, page: str, centre: str) -> View:
        self.asked.append((who.name, page, centre))
        if self.broken:
            raise StoreError("The store does not answer.")
        return factories.view(page, centre)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Centre, str]]:
    centre = Centre()
    with serving(centre.server) as address:
        yield centre, address


@pytest.fixture
def centre(served: tuple[Centre, str]) -> Centre:
    centre, _ = served
    centre.who, centre.broken = READER, False
    centre.asked.clear()
    return centre


@pytest.fixture
def client(centre: Centre, served: tuple[Centre, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[1], timeout=30) as client:
        yield client


def _page(client: httpx.Client, path: str, search: str = "") -> str:
    """What the page's callback answers, as text."""
    answer = client.post(
        "/_dash-update-component",
        json={
            "output": "panels-page.children",
            "outputs": {"id": "panels-page", "property": "children"},
            "changedPropIds": [],
            "inputs": [
                {"id": "panels-address", "property": "pathname", "value": path},
                {"id": "panels-address", "property": "search", "value": search},
            ],
        },
    )
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text}"
    return json.dumps(answer.json(), ensure_ascii=False)


def test_the_theme_stands_in_the_page_from_the_first_byte(client: httpx.Client) -> None:
    wall = client.get("/wall/ben-cat").text
    assert '<html lang="vi" data-theme="wall" data-page="wall"' in wall
    assert colours("wall")["ground"] in wall
    assert 'data-theme="light"' in client.get("/leader/ben-cat").text


def test_language_and_theme_are_chosen_by_address_and_kept_by_cookie(client: httpx.Client) -> None:
    first = client.get("/leader/ben-cat?lang=en&theme=dark")
    assert 'lang="en" data-theme="dark"' in first.text
    assert {"ioc_language", "ioc_theme"} <= set(first.cookies)
    assert 'lang="en" data-theme="dark"' in client.get("/leader/ben-cat").text
    assert 'data-theme="wall"' in client.get("/wall/ben-cat").text
    assert "Key figures" in _page(client, "/wall/ben-cat")


def test_an_unknown_language_changes_nothing(client: httpx.Client) -> None:
    answer = client.get("/leader/ben-cat?lang=xx")
    assert 'lang="vi"' in answer.text
    assert answer.cookies.get("ioc_language", "vi") == "vi"


@pytest.mark.parametrize("path", ["/wall/nowhere", "/wall/binh-duong", "/leader/x'y"])
def test_a_centre_that_is_not_ones_own_is_not_there(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/wall", "/wall/a/b"])
def test_unknown_paths_are_not_found(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_callbacks_over_a_websocket_are_closed(client: httpx.Client) -> None:
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    answer = client.get("/_dash-ws-callback", headers={**upgrade, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert answer.status_code == 403
    assert "websocket" not in client.get("/wall/ben-cat").text


def test_the_index_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/wall/ben-cat").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    assert all(path.startswith("/") and not path.startswith("//") for path in loaded)
    for style in ("tokens", "fonts", "page-wall"):
        assert any(f"/assets/{style}.css" in path for path in loaded), style
    assert all(client.get(path).status_code == 200 for path in loaded)


def test_every_font_of_the_style_sheet_is_served(client: httpx.Client) -> None:
    fonts = re.findall(r'url\("([^"]+)"\)', client.get("/assets/fonts.css").text)
    assert len(fonts) == 16
    assert all(client.get(f"/assets/{font}").status_code == 200 for font in fonts)
    assert "SIL OPEN FONT LICENSE" in client.get("/assets/fonts/OFL.txt").text


def test_inline_scripts_are_covered_by_their_hashes(centre: Centre, client: httpx.Client) -> None:
    page = client.get("/wall/ben-cat").text
    inline = re.findall(r'<script id="_dash-renderer"[^>]*>(.*?)</script>', page, flags=re.DOTALL)
    hashed = {f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in inline}
    assert hashed
    assert hashed <= set(csp_script_hashes(centre.dash))
    executed = re.findall(r"<script(?![^>]*src=)(?![^>]*application/json)[^>]*>", page)
    assert len(executed) == len(inline)


def test_dash_reads_the_csrf_cookie_that_the_gate_sets(client: httpx.Client) -> None:
    page = client.get("/wall/ben-cat").text
    assert '"csrf_token_name":"ioc_csrf"' in page
    assert '"csrf_header_name":"X-CSRFToken"' in page


def test_a_page_is_made_for_its_principal(centre: Centre, client: httpx.Client) -> None:
    page = _page(client, "/centre/ben-cat")
    assert centre.asked == [("reader", "centre", "ben-cat")]
    assert "Chỉ tiêu chính" in page


def test_who_may_not_read_gets_nothing(centre: Centre, client: httpx.Client) -> None:
    centre.who = NOBODY
    assert _page(client, "/centre/ben-cat").startswith("403")
    assert centre.asked == []


def test_the_root_offers_the_principals_own_centres(client: httpx.Client) -> None:
    assert client.get("/").status_code == 200
    page = _page(client, "/")
    assert "/wall/ben-cat" in page
    assert "/wall/binh-duong" not in page


def test_a_store_that_fails_is_said_in_a_sentence(centre: Centre, client: httpx.Client) -> None:
    centre.broken = True
    page = _page(client, "/centre/ben-cat", "?lang=en")
    assert "The store could not be read" in page
    assert "does not answer" not in page


def test_outlines_are_served_from_here(client: httpx.Client) -> None:
    for path in ("/panels/units.geojson", "/panels/roads.geojson"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/geo+json")
        assert answer.json()["type"] == "FeatureCollection"


def test_every_callback_of_the_pages_declares_its_permission(centre: Centre) -> None:
    assert {str(key) for key in centre.dash.callback_map} == {"panels-page.children"}


def test_a_callback_without_a_permission_fails_the_start() -> None:
    app = Dash("tests.panels", server=FastAPI(), backend="fastapi", add_log_handler=False)  # type: ignore[arg-type]
    app.layout = html.Div([html.Div(id="a"), html.Div(id="b")])
    callbacks = Callbacks(app, lambda: READER)

    async def declared(who: Principal, value: str) -> str:
        return value

    callbacks.add(Output("a", "title"), Input("b", "title"), permission=Permission.READ)(declared)
    assert callbacks.verify() == {"a.title": Permission.READ}
    app.callback(Output("a", "children"), Input("b", "children"))(lambda value: value)
    with pytest.raises(UndeclaredCallback, match=r"a\.children"):
        callbacks.verify()
