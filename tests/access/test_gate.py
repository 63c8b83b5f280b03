"""The gate: who gets through to the application, with what, and what everybody else is told."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from ioc.errors import SettingsError
from ioc.operations import access
from tests.access.conftest import ROOT, Centre

pytestmark = pytest.mark.anyio
PAGE = {"Accept": "text/html,application/xhtml+xml"}
CSRF = "X-CSRFToken"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/who"),
        ("GET", "/api/v1/units"),
        ("GET", "/assets/app.js"),
        ("GET", "/live"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/sign-out"),
        ("GET", "/sign-in/assets/sign-in.html"),
        ("GET", "/sign-in/assets/../../gate.py"),
        ("POST", "/healthz"),
        ("POST", "/sign-out"),
        ("POST", "/_dash-update-component"),
        ("PUT", "/wall/binh-duong"),
        ("OPTIONS", "/wall/binh-duong"),
        ("POST", "/api/v1/feeds/traffic/messages"),
    ],
)
async def test_a_stranger_gets_401_and_the_application_is_not_asked(
    centre: Centre, browser: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await browser.request(method, path)
    assert answer.status_code == 401
    assert set(answer.json()) == {"error"}
    assert centre.asked == []


@pytest.mark.parametrize("path", ["/healthz", "/sign-in", "/sign-in/once/abc", "/sign-in/assets/sign-in.css"])
async def test_a_stranger_gets_health_and_the_sign_in_pages(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 200


async def test_a_strangers_page_goes_to_sign_in_and_back(centre: Centre, browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/wall/binh-duong?lang=en", headers=PAGE)
    assert (answer.status_code, centre.asked) == (303, [])
    assert answer.headers["location"] == "/sign-in?next=%2Fwall%2Fbinh-duong%3Flang%3Den"


@pytest.mark.parametrize("path", ["//evil.example/wall", "/\\evil.example", "/wall/%0d%0aSet-Cookie:x"])
async def test_nobody_is_sent_to_another_host(browser: httpx.AsyncClient, centre: Centre, path: str) -> None:
    answer = await browser.get(centre.settings.public_url + path, headers=PAGE)
    assert answer.status_code == 303
    location = urlsplit(answer.headers["location"])
    assert (location.netloc, location.path) == ("", "/sign-in")
    for wanted in parse_qs(location.query).get("next", []):
        assert urljoin(centre.settings.public_url, wanted).startswith(f"{centre.settings.public_url}/")


async def test_behind_a_foreign_link_the_page_is_asked_for_again(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/wall/binh-duong", headers={**PAGE, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'content="0;url=/wall/binh-duong"' in answer.text


async def test_a_session_carries_its_principal(lan: httpx.AsyncClient) -> None:
    assert (await lan.get("/who")).json()["id"].startswith("p-")
    assert (await lan.get("/api/v1/units")).json() == {"who": "Trần Thị Lan"}


async def test_an_invented_cookie_is_nobody(browser: httpx.AsyncClient) -> None:
    for token in (b"x", b"x" * 5_000, b"\xff", b'"'):
        answer = await browser.get("/who", headers={b"Cookie": b"ioc_session=" + token})
        assert answer.status_code == 401


# --- changes ---------------------------------------------------------------------------------------------------


async def test_a_change_with_the_sessions_token_from_our_page_passes(lan: httpx.AsyncClient) -> None:
    answer = await lan.post("/_dash-update-component", content=b"{}", headers={CSRF: lan.cookies["ioc_csrf"]})
    assert answer.json() == {"bytes": 2}


@pytest.mark.parametrize("token", [None, "", "wrong"])
async def test_a_change_without_the_sessions_token_is_refused(
    centre: Centre, lan: httpx.AsyncClient, token: str | None
) -> None:
    headers = {} if token is None else {CSRF: token}
    assert (await lan.post("/_dash-update-component", headers=headers)).status_code == 403
    assert centre.asked == []


async def test_the_token_of_another_session_is_refused(centre: Centre, lan: httpx.AsyncClient) -> None:
    async with centre.signed_in() as other:
        token = other.cookies["ioc_csrf"]
    assert (await lan.post("/_dash-update-component", headers={CSRF: token})).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_change_from_a_foreign_page_is_refused(
    centre: Centre, lan: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await lan.post("/_dash-update-component", headers={CSRF: lan.cookies["ioc_csrf"], **headers})
    assert (answer.status_code, centre.asked) == (403, [])


async def test_a_change_that_says_nothing_of_its_page_is_refused(centre: Centre, lan: httpx.AsyncClient) -> None:
    del lan.headers["Origin"]
    answer = await lan.post("/_dash-update-component", headers={CSRF: lan.cookies["ioc_csrf"]})
    assert answer.status_code == 403


async def test_a_form_under_no_referrer_is_known_by_sec_fetch_site(lan: httpx.AsyncClient) -> None:
    headers = {CSRF: lan.cookies["ioc_csrf"], "Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert (await lan.post("/_dash-update-component", headers=headers)).status_code == 200


async def test_a_lost_csrf_cookie_comes_back_with_the_next_page(lan: httpx.AsyncClient) -> None:
    token = lan.cookies["ioc_csrf"]
    lan.cookies.delete("ioc_csrf")
    await lan.get("/wall/binh-duong", headers=PAGE)
    assert lan.cookies["ioc_csrf"] == token


async def test_the_pages_tell_dash_the_names_that_the_gate_looks_for() -> None:
    from ioc.panels import app
    from ioc.web import cookies, gate, plain_pages

    assert (app.CSRF_COOKIE, app.CSRF_HEADER) == (cookies.CSRF_COOKIE, gate.CSRF_HEADER)
    assert app.LANGUAGE_COOKIE == plain_pages.LANGUAGE_COOKIE


# --- host names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1:8050, evil.example"])
async def test_another_host_name_is_not_answered(browser: httpx.AsyncClient, host: str) -> None:
    answer = await browser.get("/healthz", headers={"Host": host})
    assert answer.status_code == 400
    assert "IOC_PUBLIC_URL" in answer.json()["error"]


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost:9000", "[::1]:8050", "LOCALHOST"])
async def test_this_machines_own_names_are_answered(browser: httpx.AsyncClient, host: str) -> None:
    assert (await browser.get("/healthz", headers={"Host": host})).status_code == 200


async def test_the_public_name_is_answered_with_or_without_its_default_port(
    make_centre: Callable[..., Centre],
) -> None:
    centre = make_centre(public_url="https://ioc.example.vn")
    async with centre.browser() as browser:
        for host in ("ioc.example.vn", "ioc.example.vn:443"):
            assert (await browser.get("/healthz", headers={"Host": host})).status_code == 200


# --- bodies ----------------------------------------------------------------------------------------------------


async def _many(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 10_000


@pytest.fixture
def small(make_centre: Callable[..., Centre]) -> Centre:
    return make_centre(max_body_bytes="65536", max_message_bytes="65536")


async def test_a_body_is_refused_by_its_stated_length(small: Centre) -> None:
    async with small.signed_in() as browser:
        headers = {CSRF: browser.cookies["ioc_csrf"]}
        answer = await browser.post("/_dash-update-component", content=b"x" * 65_537, headers=headers)
        assert answer.status_code == 413
        assert "65536" in answer.json()["error"]
        assert small.asked == []
        assert (
            await browser.post("/_dash-update-component", content=b"x" * 65_536, headers=headers)
        ).status_code == 200


@pytest.mark.parametrize("path", ["/_dash-update-component", "/read-badly"])
async def test_a_body_is_refused_while_it_streams(small: Centre, path: str) -> None:
    async with small.signed_in() as browser:
        headers = {CSRF: browser.cookies["ioc_csrf"]}
        answer = await browser.post(path, content=_many(7), headers=headers)
        assert (answer.status_code, set(answer.json())) == (413, {"error"})
        assert (await browser.post(path, content=_many(6), headers=headers)).status_code == 200


async def test_a_large_body_of_a_stranger_is_not_read(small: Centre) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"x"

    async with small.browser() as browser:
        assert (await browser.post("/api/v1/feeds/traffic/messages", content=body())).status_code == 401
    assert read == []


# --- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"), [("missing", 404), ("message", 422), ("often", 429), ("store", 503), ("bug", 500)]
)
async def test_errors_have_one_form_and_no_insides(lan: httpx.AsyncClient, kind: str, status: int) -> None:
    answer = await lan.get(f"/raise/{kind}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == ({"error", "id"} if status >= 500 else {"error"})
    for inside in ("secret", "Traceback", "RuntimeError", "table"):
        assert inside not in answer.text


async def test_too_many_says_when_to_come_again(lan: httpx.AsyncClient) -> None:
    assert (await lan.get("/raise/often")).headers["retry-after"] == "7"


async def test_every_answer_carries_the_headers_of_the_policy(
    browser: httpx.AsyncClient, lan: httpx.AsyncClient
) -> None:
    answers = [
        await browser.get("/healthz"),
        await browser.get("/who"),
        await browser.get("/who", headers=PAGE),
        await browser.get("/sign-in"),
        await browser.get("/healthz", headers={"Host": "evil.example"}),
        await lan.get("/wall/binh-duong"),
        await lan.get("/raise/bug"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'; script-src 'self' 'sha256-abc='; style-src 'self' 'unsafe-inline'" in policy
        assert "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'" in policy
        assert "unsafe-eval" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "server" not in answer.headers
    assert {answer.headers["cache-control"] for answer in answers[1:]} == {"no-store"}


# --- the end of a session --------------------------------------------------------------------------------------


async def test_a_session_ends_when_it_is_idle(centre: Centre, lan: httpx.AsyncClient) -> None:
    for _ in range(3):
        centre.clock.turn(centre.settings.session_idle - 60)
        assert (await lan.get("/who")).status_code == 200
        await _until_noted(centre)
    centre.clock.turn(centre.settings.session_idle + 1)
    assert (await lan.get("/who")).status_code == 401


async def test_a_session_ends_absolutely_however_much_it_is_used(centre: Centre, lan: httpx.AsyncClient) -> None:
    step = centre.settings.session_idle - 60
    for _ in range(centre.settings.session_absolute // step):
        centre.clock.turn(step)
        assert (await lan.get("/who")).status_code == 200
        await _until_noted(centre)
    centre.clock.turn(step)
    assert (await lan.get("/who")).status_code == 401


async def test_a_disabled_person_is_out_within_five_seconds(centre: Centre, lan: httpx.AsyncClient) -> None:
    assert (await lan.get("/who")).status_code == 200
    access.disable_person(ROOT, centre.store, login="lan", now=centre.clock.now)
    centre.clock.turn(5)
    assert (await lan.get("/who")).status_code == 401


async def test_an_open_stream_ends_with_its_session(
    centre: Centre, lan: httpx.AsyncClient, log_text: io.StringIO
) -> None:
    assert len((await lan.get("/live")).text.split("\n\n")) == 1_001
    access.disable_person(ROOT, centre.store, login="lan", now=centre.clock.now)
    centre.asked.clear()
    answer = await _turn_while(lan.get("/live"), centre)
    assert answer.text.count("data:") < 100
    assert centre.asked.count("tick") < 100
    assert "failed" not in log_text.getvalue()


async def _until_noted(centre: Centre) -> None:
    """Until the gate has written that the session is in use, which it does beside the request."""
    for task in list(centre.gate._identities._noting.values()):
        await task


async def _turn_while(asking: Coroutine[Any, Any, httpx.Response], centre: Centre) -> httpx.Response:
    request = asyncio.ensure_future(asking)
    while centre.asked.count("tick") < 10:
        await asyncio.sleep(0)
    centre.clock.turn(6)
    return await request


async def test_production_needs_tls(make_centre: Callable[..., Centre]) -> None:
    with pytest.raises(SettingsError, match="https://"):
        make_centre(production="true", public_url="http://ioc.example.vn")
