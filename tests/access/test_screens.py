"""Wall screens: pairing a browser, the one view that it is let in for, its renewal and its end."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from ioc.errors import BadRequest, NotFound, Refused, UnknownPlace
from ioc.model.access import Permission, Principal, Role
from ioc.operations import access, screens
from ioc.web.words import WORDS
from tests.access.conftest import NOON, ROOT, Centre
from tests.access.test_gate import _turn_while, _until_noted

pytestmark = pytest.mark.anyio
PAGE = {"Accept": "text/html,application/xhtml+xml"}
WALL = "/wall/binh-duong"


def add(centre: Centre, name: str = "sanh-lon", of: str = "binh-duong", page: str = "wall") -> str:
    now = centre.clock.now
    return screens.add_screen(ROOT, centre.store, centre.settings, name=name, centre=of, page=page, now=now)


async def pair(browser: httpx.AsyncClient, token: str) -> httpx.Response:
    return await browser.post("/sign-in/screen", data={"token": token})


@pytest.fixture
async def screen(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of a wall that is paired."""
    async with centre.browser() as browser:
        assert (await pair(browser, add(centre))).status_code == 303
        yield browser


def administrator(centre: Centre) -> Principal:
    return access.principal_of(next(one for one in access.list_people(ROOT, centre.store) if one.login == "quan.tri"))


# --- pairing ----------------------------------------------------------------------------------------------------


async def test_a_pairing_link_shows_one_button_and_its_post_pairs_the_browser(
    centre: Centre, browser: httpx.AsyncClient
) -> None:
    token = add(centre)
    for method in ("GET", "HEAD", "GET"):
        page = await browser.request(method, f"/sign-in/screen/{token}")
        assert (page.status_code, dict(browser.cookies)) == (200, {})
    assert page.text.count("<button") == 1
    assert "<script" not in page.text
    assert f'name="token" value="{token}"' in page.text
    assert WORDS["screen_text"].vi in page.text
    assert WORDS["screen_text"].en in (await browser.get(f"/sign-in/screen/{token}?lang=en")).text
    answer = await pair(browser, token)
    assert (answer.status_code, answer.headers["location"]) == (303, WALL)
    cookie, csrf = answer.headers.get_list("set-cookie")
    assert cookie.startswith("ioc_screen=")
    assert set(cookie.split("; ")[1:]) == {"HttpOnly", "Path=/", "Max-Age=34560000", "SameSite=Strict"}
    assert csrf.startswith("ioc_csrf=")
    assert (await browser.get(WALL, headers=PAGE)).status_code == 200


async def test_over_tls_the_screens_cookie_is_bound_to_the_host(make_centre: Callable[..., Centre]) -> None:
    centre = make_centre(production="true", public_url="https://ioc.example.vn")
    async with centre.browser() as browser:
        cookie = (await pair(browser, add(centre))).headers.get_list("set-cookie")[0]
        assert cookie.startswith("__Host-ioc_screen=")
        assert "; Secure" in cookie
        assert (await browser.get(WALL, headers=PAGE)).status_code == 200


async def test_a_pairing_link_works_once(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = add(centre)
    assert (await pair(browser, token)).status_code == 303
    async with centre.browser() as second:
        answer = await pair(second, token)
        assert answer.status_code == 403
        assert WORDS["screen_used"].vi in answer.text
        assert dict(second.cookies) == {}
    assert (await browser.get(WALL)).status_code == 200


async def test_a_pairing_link_ends(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = add(centre)
    centre.clock.turn(centre.settings.link_life)
    assert (await pair(browser, token)).status_code == 403


async def test_a_pairing_link_of_a_revoked_screen_is_worth_nothing(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = add(centre)
    screens.revoke_screen(ROOT, centre.store, name="sanh-lon", now=NOON)
    assert (await pair(browser, token)).status_code == 403


@pytest.mark.parametrize("token", ["", "x", "' or 1=1 --", '"><script>', "x" * 2_000])
async def test_an_invented_pairing_link_is_refused_and_shown_escaped(browser: httpx.AsyncClient, token: str) -> None:
    page = await browser.get(f"/sign-in/screen/{token}")
    assert "<script>" not in page.text
    answer = await pair(browser, token)
    assert answer.status_code == 403
    assert "<script>" not in answer.text
    assert dict(browser.cookies) == {}


async def test_a_foreign_page_pairs_nothing(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = add(centre)
    foreign = {"Origin": "https://evil.example"}
    assert (await browser.post("/sign-in/screen", data={"token": token}, headers=foreign)).status_code == 403
    assert (await browser.get("/sign-in/screen")).status_code == 404
    assert (await browser.post(f"/sign-in/screen/{token}")).status_code == 404
    assert (await pair(browser, token)).status_code == 303


async def test_nobody_stays_signed_in_on_a_wall(centre: Centre, lan: httpx.AsyncClient) -> None:
    session = lan.cookies["ioc_session"]
    await pair(lan, add(centre))
    assert set(lan.cookies) == {"ioc_screen", "ioc_csrf"}
    async with centre.browser() as thief:
        assert (await thief.get("/who", headers={"Cookie": f"ioc_session={session}"})).status_code == 401


# --- what a screen reaches ---------------------------------------------------------------------------------------


async def test_a_screen_reaches_its_page_and_what_that_asks_for(centre: Centre, screen: httpx.AsyncClient) -> None:
    assert (await screen.get(f"{WALL}?lang=en", headers=PAGE)).status_code == 200
    assert (await screen.get("/live?view=wall:binh-duong")).status_code == 200
    csrf = {"X-CSRFToken": screen.cookies["ioc_csrf"]}
    assert (await screen.post("/_dash-update-component", content=b"{}", headers=csrf)).json() == {"bytes": 2}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/wall/ben-cat"),
        ("GET", "/wall/binh-duong/"),
        ("GET", "/wall/binh-duong/../ben-cat"),
        ("GET", "/centre/binh-duong"),
        ("GET", "/leader/binh-duong"),
        ("GET", "/who"),
        ("GET", "/api/v1/units"),
        ("POST", "/api/v1/feeds/traffic/messages"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/administration"),
        ("GET", "/administration/people"),
        ("POST", "/administration/people"),
        ("GET", "/sign-in/password"),
        ("POST", "/sign-in/password"),
        ("GET", "/sign-in/sessions"),
        ("POST", "/sign-in/sessions"),
        ("GET", "/sign-out"),
        ("POST", "/sign-out"),
        ("POST", "/wall/binh-duong"),
        ("PUT", "/wall/binh-duong"),
        ("OPTIONS", "/wall/binh-duong"),
        ("POST", "/live"),
        ("GET", "/_dash-update-component"),
        ("POST", "/_dash-layout"),
        ("GET", "/liveliness"),
        ("GET", "/_dash-ws-callback"),
    ],
)
async def test_a_screen_reaches_nothing_else(centre: Centre, screen: httpx.AsyncClient, method: str, path: str) -> None:
    headers = {"X-CSRFToken": screen.cookies["ioc_csrf"]}
    for more in ({}, PAGE):
        answer = await screen.request(method, path, headers={**headers, **more})
        assert answer.status_code == 403
        assert set(answer.json()) == {"error"}
    assert centre.asked == []


async def test_a_screens_call_needs_its_token_and_our_own_page(centre: Centre, screen: httpx.AsyncClient) -> None:
    async with centre.signed_in() as lan:
        foreign = lan.cookies["ioc_csrf"]
    csrf = screen.cookies["ioc_csrf"]
    for headers in (
        {},
        {"X-CSRFToken": "wrong"},
        {"X-CSRFToken": foreign},
        {"X-CSRFToken": csrf, "Origin": "https://evil.example"},
    ):
        assert (await screen.post("/_dash-update-component", headers=headers)).status_code == 403
    assert centre.asked == []


async def test_a_screen_signs_nobody_out_and_a_key_is_never_beside_it(
    centre: Centre, screen: httpx.AsyncClient, lan: httpx.AsyncClient
) -> None:
    await screen.post("/sign-out", data={"csrf_token": lan.cookies["ioc_csrf"]})
    assert (await lan.get("/who")).status_code == 200
    key = centre.key(may=frozenset({Permission.READ}), centres=frozenset({"ben-cat"}), feeds=frozenset())
    answer = await screen.get("/api/v1/units", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 400


async def test_a_screen_opens_no_websocket(centre: Centre, screen: httpx.AsyncClient) -> None:
    origin, token = centre.settings.public_url, screen.cookies["ioc_screen"]
    for name in ("ioc_screen", "ioc_session"):
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            return {"type": "websocket.connect"}

        async def send(message: object, sent: list[dict[str, object]] = sent) -> None:
            assert isinstance(message, dict)
            sent.append(message)

        headers = [("host", origin.removeprefix("http://")), ("origin", origin), ("cookie", f"{name}={token}")]
        scope = {
            "type": "websocket",
            "path": "/_dash-ws-callback",
            "headers": [(key.encode(), value.encode()) for key, value in headers],
        }
        await centre.gate(scope, receive, send)
        assert [message["type"] for message in sent] == ["websocket.close"]
    assert centre.asked == []


async def test_the_token_of_a_screen_is_no_session_and_no_key(centre: Centre, screen: httpx.AsyncClient) -> None:
    token = screen.cookies["ioc_screen"]
    async with centre.browser() as thief:
        for headers in (
            {"Cookie": f"ioc_session={token}"},
            {"Authorization": f"Bearer {token}"},
            {"Cookie": "ioc_screen=x"},
            {"Cookie": "ioc_screen=" + "x" * 5_000},
        ):
            assert (await thief.get("/api/v1/units", headers=headers)).status_code == 401


async def test_somebody_who_signs_in_on_a_paired_browser_is_themselves(
    centre: Centre, screen: httpx.AsyncClient
) -> None:
    await screen.post("/sign-in/once", data={"token": centre.link()})
    assert (await screen.get("/who")).json()["id"].startswith("p-")
    await screen.post("/sign-out", data={"csrf_token": screen.cookies["ioc_csrf"]})
    assert (await screen.get("/who")).status_code == 403
    assert (await screen.get(WALL, headers=PAGE)).status_code == 200
    csrf = {"X-CSRFToken": screen.cookies["ioc_csrf"]}
    assert (await screen.post("/_dash-update-component", headers=csrf)).status_code == 200


# --- how long ----------------------------------------------------------------------------------------------------


async def test_a_screen_in_use_renews_itself_for_ever(centre: Centre, screen: httpx.AsyncClient) -> None:
    life = centre.settings.screen_life
    for _ in range(8):
        centre.clock.turn(life * 0.6)
        assert (await screen.get(WALL)).status_code == 200
        await _until_noted(centre)
    (row,) = screens.list_screens(ROOT, centre.store)
    assert row.ends_at == access.as_ms(centre.clock.now) + life * 1000


async def test_a_screen_with_more_than_half_of_its_life_left_is_not_renewed(
    centre: Centre, screen: httpx.AsyncClient
) -> None:
    (before,) = screens.list_screens(ROOT, centre.store)
    centre.clock.turn(centre.settings.screen_life * 0.4)
    assert (await screen.get(WALL)).status_code == 200
    await _until_noted(centre)
    (after,) = screens.list_screens(ROOT, centre.store)
    assert (after.ends_at, after.seen_at) == (before.ends_at, access.as_ms(centre.clock.now))


async def test_a_screen_that_was_not_used_ends(centre: Centre, screen: httpx.AsyncClient) -> None:
    centre.clock.turn(centre.settings.screen_life)
    assert (await screen.get(WALL)).status_code == 401
    answer = await screen.get(WALL, headers=PAGE)
    assert answer.headers["location"].startswith("/sign-in?next=")


async def test_a_screen_goes_on_after_a_restart_of_the_server(
    make_centre: Callable[..., Centre], centre: Centre, screen: httpx.AsyncClient
) -> None:
    again = make_centre()
    cookies = "; ".join(f"{name}={value}" for name, value in screen.cookies.items())
    async with again.browser() as browser:
        headers = {"Cookie": cookies, "X-CSRFToken": screen.cookies["ioc_csrf"]}
        assert (await browser.get(WALL, headers=headers)).status_code == 200
        assert (await browser.get("/live", headers=headers)).status_code == 200
        assert (await browser.post("/_dash-update-component", headers=headers)).status_code == 200


async def test_a_page_gives_the_browser_its_cookies_again(centre: Centre, screen: httpx.AsyncClient) -> None:
    answer = await screen.get(WALL, headers=PAGE)
    assert [one.partition("=")[0] for one in answer.headers.get_list("set-cookie")] == ["ioc_screen", "ioc_csrf"]
    assert "set-cookie" not in (await screen.get("/live")).headers


async def test_a_revoked_screen_is_out_within_five_seconds(centre: Centre, screen: httpx.AsyncClient) -> None:
    assert (await screen.get(WALL)).status_code == 200
    screens.revoke_screen(ROOT, centre.store, name="sanh-lon", now=NOON)
    centre.clock.turn(5)
    assert (await screen.get(WALL)).status_code == 401


async def test_the_open_stream_of_a_revoked_screen_ends(
    centre: Centre, screen: httpx.AsyncClient, log_text: io.StringIO
) -> None:
    assert len((await screen.get("/live")).text.split("\n\n")) == 1_001
    screens.revoke_screen(ROOT, centre.store, name="sanh-lon", now=NOON)
    centre.asked.clear()
    answer = await _turn_while(screen.get("/live"), centre)
    assert answer.text.count("data:") < 100
    assert "failed" not in log_text.getvalue()


async def test_a_renewed_screen_keeps_its_browser_until_another_is_paired(
    centre: Centre, screen: httpx.AsyncClient
) -> None:
    token = screens.renew_screen(ROOT, centre.store, centre.settings, name="sanh-lon", now=NOON)
    centre.clock.turn(6)
    assert (await screen.get(WALL)).status_code == 200
    async with centre.browser() as other:
        assert (await pair(other, token)).status_code == 303
        centre.clock.turn(6)
        assert (await other.get(WALL)).status_code == 200
        assert (await screen.get(WALL)).status_code == 401


async def test_a_revoked_screen_opens_again_with_a_new_link_only(centre: Centre, screen: httpx.AsyncClient) -> None:
    screens.revoke_screen(ROOT, centre.store, name="sanh-lon", now=NOON)
    token = screens.renew_screen(ROOT, centre.store, centre.settings, name="sanh-lon", now=NOON)
    centre.clock.turn(6)
    assert (await screen.get(WALL)).status_code == 401
    assert (await pair(screen, token)).status_code == 303
    assert (await screen.get(WALL)).status_code == 200


# --- who administers which ---------------------------------------------------------------------------------------


def test_an_administrator_acts_on_screens_of_their_own_centres(centre: Centre) -> None:
    boss, store, settings = administrator(centre), centre.store, centre.settings
    add(centre)
    screens.add_screen(boss, store, settings, name="ben-cat-1", centre="ben-cat", page="wall", now=NOON)
    assert [one.name for one in screens.list_screens(boss, store)] == ["ben-cat-1"]
    assert [one.name for one in screens.list_screens(ROOT, store)] == ["ben-cat-1", "sanh-lon"]
    with pytest.raises(Refused):
        screens.add_screen(boss, store, settings, name="other", centre="binh-duong", page="wall", now=NOON)
    with pytest.raises(Refused):
        screens.renew_screen(boss, store, settings, name="sanh-lon", now=NOON)
    with pytest.raises(Refused):
        screens.revoke_screen(boss, store, name="sanh-lon", now=NOON)
    with pytest.raises(NotFound, match="screen list"):
        screens.revoke_screen(boss, store, name="nothing", now=NOON)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_nobody_else_has_a_say_in_screens(centre: Centre, role: Role) -> None:
    who = access.principal_of(
        access.add_person(ROOT, centre.store, login="moi", name="x", role=role, centres=["ben-cat"], now=NOON)
    )
    add(centre, of="ben-cat")
    for act in (
        lambda: screens.list_screens(who, centre.store),
        lambda: screens.renew_screen(who, centre.store, centre.settings, name="sanh-lon", now=NOON),
        lambda: screens.revoke_screen(who, centre.store, name="sanh-lon", now=NOON),
        lambda: screens.add_screen(
            who, centre.store, centre.settings, name="x2", centre="ben-cat", page="wall", now=NOON
        ),
    ):
        with pytest.raises(Refused):
            act()


@pytest.mark.parametrize(
    ("stated", "kind"),
    [
        ({"name": "sanh-lon"}, BadRequest),
        ({"name": "Sảnh lớn"}, BadRequest),
        ({"name": "../x"}, BadRequest),
        ({"of": "ha-noi"}, UnknownPlace),
        ({"page": "centre"}, BadRequest),
        ({"page": "leader"}, BadRequest),
    ],
)
def test_a_screen_that_would_make_no_sense_is_not_added(
    centre: Centre, stated: dict[str, str], kind: type[Exception]
) -> None:
    add(centre)
    with pytest.raises(kind):
        add(centre, **{"name": "other", **stated})
    assert len(screens.list_screens(ROOT, centre.store)) == 1


async def test_of_two_browsers_at_the_same_time_one_is_paired(centre: Centre) -> None:
    token = add(centre)
    async with centre.browser() as one, centre.browser() as other:
        answers = await asyncio.gather(pair(one, token), pair(other, token))
    assert sorted(answer.status_code for answer in answers) == [303, 403]


async def test_no_token_of_a_screen_reaches_a_log_or_the_store(
    centre: Centre, browser: httpx.AsyncClient, log_text: io.StringIO
) -> None:
    token = add(centre)
    await browser.get(f"/sign-in/screen/{token}")
    await pair(browser, token)
    await browser.get(WALL)
    await browser.get("/raise/bug")
    text = log_text.getvalue()
    assert "screen paired" in text
    secrets = [token, *browser.cookies.values()]
    assert [secret for secret in secrets if secret in text] == []
    shown = repr(screens.list_screens(ROOT, centre.store))
    assert [secret for secret in secrets if secret in shown] == []
    assert re.search(r"is_paired=True", shown)
