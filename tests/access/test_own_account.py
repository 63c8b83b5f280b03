"""One's own account: a password that must be changed, changing it, and the list of one's sessions."""

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from ioc.errors import BadRequest, NotFound, Refused
from ioc.model.access import Kind, Principal, Role
from ioc.operations import access, people_changes, sessions
from ioc.web.own_account import browser_of
from ioc.web.words import WORDS
from tests.access.conftest import NOON, PASSWORD, ROOT, Centre

pytestmark = pytest.mark.anyio
PAGE = {"Accept": "text/html,application/xhtml+xml"}
GIVEN = "vừa được giao sáng nay"
OWN = "bảy chiếc thuyền nan"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def filled(browser: httpx.AsyncClient, **fields: str) -> dict[str, str]:
    return {"csrf_token": browser.cookies["ioc_csrf"], **fields}


async def sign_in(browser: httpx.AsyncClient, password: str, login: str = "lan", agent: str = FIREFOX) -> None:
    answer = await browser.post("/sign-in", data={"login": login, "password": password}, headers={"User-Agent": agent})
    assert answer.status_code == 303, answer.text


async def change(browser: httpx.AsyncClient, old: str, new: str, **more: str) -> httpx.Response:
    return await browser.post("/sign-in/password", data=filled(browser, old=old, new=new, again=new, **more))


# --- a password that somebody else has set ----------------------------------------------------------------------


async def test_a_given_password_opens_nothing_but_the_page_that_changes_it(
    centre: Centre, browser: httpx.AsyncClient
) -> None:
    access.set_password(ROOT, centre.store, login="lan", password=GIVEN, now=NOON)
    await sign_in(browser, GIVEN)
    answer = await browser.get("/wall/binh-duong?lang=en", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in/password?next=%2Fwall%2Fbinh-duong%3Flang%3Den"
    assert (await browser.get("/sign-in/sessions", headers=PAGE)).headers["location"].startswith("/sign-in/password")
    csrf = {"X-CSRFToken": browser.cookies["ioc_csrf"]}
    for method, path in [
        ("GET", "/who"),
        ("GET", "/api/v1/units"),
        ("GET", "/live"),
        ("GET", "/assets/app.js"),
        ("POST", "/_dash-update-component"),
        ("POST", "/sign-in/sessions"),
    ]:
        refused = await browser.request(method, path, headers=csrf)
        assert refused.status_code == 403, path
        assert "/sign-in/password" in refused.json()["error"]
    assert centre.asked == []

    page = await browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert WORDS["password_must"].vi in page.text
    assert 'action="/sign-out"' in page.text
    done = await change(browser, GIVEN, OWN, next="/wall/binh-duong?lang=en")
    assert (done.status_code, done.headers["location"]) == (303, "/wall/binh-duong?lang=en")
    assert (await browser.get("/wall/binh-duong", headers=PAGE)).status_code == 200
    await browser.post("/sign-out", data=filled(browser))
    await sign_in(browser, OWN)
    assert (await browser.get("/who")).status_code == 200


async def test_who_must_change_may_also_leave(centre: Centre, browser: httpx.AsyncClient) -> None:
    access.set_password(ROOT, centre.store, login="lan", password=GIVEN, now=NOON)
    await sign_in(browser, GIVEN)
    assert (await browser.post("/sign-out", data=filled(browser))).headers["location"] == "/sign-in"


async def test_after_a_password_was_taken_back_the_link_shows_who_one_is(
    centre: Centre, browser: httpx.AsyncClient
) -> None:
    link = people_changes.reset_password(ROOT, centre.store, centre.settings, login="lan", now=NOON)
    await browser.post("/sign-in/once", data={"token": link})
    assert (await browser.get("/who")).status_code == 403
    assert 'name="old"' not in (await browser.get("/sign-in/password")).text
    assert (await change(browser, "", OWN)).status_code == 303
    assert (await browser.get("/who")).status_code == 200


async def test_a_link_is_enough_also_where_the_given_password_is_not_known(
    centre: Centre, browser: httpx.AsyncClient
) -> None:
    access.set_password(ROOT, centre.store, login="lan", password=GIVEN, now=NOON)
    await browser.post("/sign-in/once", data={"token": centre.link()})
    assert (await browser.get("/who")).status_code == 403
    assert (await change(browser, "", GIVEN)).status_code == 400  # a new one, not the one that was given
    assert (await change(browser, "", OWN)).status_code == 303
    assert (await browser.get("/who")).status_code == 200
    assert (await change(browser, "", "chín chiếc thuyền nan")).status_code == 403  # from now on the old one counts


async def test_somebody_who_uses_links_only_has_nothing_to_change(centre: Centre) -> None:
    async with centre.signed_in("quan.tri") as browser:
        assert (await browser.get("/who")).status_code == 200


def test_only_the_shell_sets_passwords_that_stay(centre: Centre) -> None:
    boss = access.principal_of(next(one for one in access.list_people(ROOT, centre.store) if one.login == "quan.tri"))
    access.add_person(
        boss, centre.store, login="moi", name="x", role=Role.VIEWER, centres=["ben-cat"], password=GIVEN, now=NOON
    )
    with pytest.raises(Refused):
        access.set_password(boss, centre.store, login="moi", password=OWN, now=NOON, password_stays=True)
    changed = {one.login: one.must_change_password for one in access.list_people(ROOT, centre.store)}
    assert changed == {"lan": False, "moi": True, "quan.tri": False}


# --- changing it ------------------------------------------------------------------------------------------------


async def test_a_changed_password_ends_all_sessions_before_it(centre: Centre, lan: httpx.AsyncClient) -> None:
    before = lan.cookies["ioc_session"]
    async with centre.browser() as other:
        await sign_in(other, PASSWORD)
        assert (await other.get("/who")).status_code == 200
        assert (await change(lan, PASSWORD, OWN)).status_code == 303
        assert (await lan.get("/who")).status_code == 200
        assert (await other.get("/who")).status_code == 401  # at once: the clock stands still
        stolen = await other.get("/who", headers={"Cookie": f"ioc_session={before}"})
        assert stolen.status_code == 401
        refused = await other.post("/sign-in", data={"login": "lan", "password": PASSWORD})
        assert refused.status_code == 403


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"old": "not the password"}, 403, "password_wrong"),
        ({"old": ""}, 403, "password_wrong"),
        ({"again": "chín chiếc thuyền nan"}, 400, "password_again"),
        ({"new": "short", "again": "short"}, 400, "password_short"),
        ({"new": "x" * 257, "again": "x" * 257}, 400, "password_long"),
        ({"new": "Matkhau@2026", "again": "Matkhau@2026"}, 400, "password_easy"),
        ({"new": PASSWORD, "again": PASSWORD}, 400, "password_same"),
    ],
)
async def test_a_change_that_is_refused_says_why_and_changes_nothing(
    lan: httpx.AsyncClient, fields: dict[str, str], status: int, word: str
) -> None:
    stated = filled(lan, **{"old": PASSWORD, "new": OWN, "again": OWN, **fields})
    answer = await lan.post("/sign-in/password", data=stated)
    assert answer.status_code == status
    assert WORDS[word].vi in answer.text
    for secret in (PASSWORD, OWN, fields.get("new", OWN)):
        assert secret not in answer.text
    await sign_in(lan, PASSWORD)


async def test_guessing_at_the_old_password_must_wait(lan: httpx.AsyncClient) -> None:
    for _ in range(5):
        assert (await change(lan, "not the password", OWN)).status_code == 403
    assert (await change(lan, "not the password", OWN)).status_code == 429


@pytest.mark.parametrize("path", ["/sign-in/password", "/sign-in/sessions"])
async def test_these_pages_are_for_people_and_their_forms_need_the_token(
    centre: Centre, browser: httpx.AsyncClient, lan: httpx.AsyncClient, path: str
) -> None:
    stranger = await browser.get(path, headers=PAGE)
    assert stranger.headers["location"] == f"/sign-in?next={path.replace('/', '%2F')}"
    assert (await browser.get(path)).status_code == 401
    assert (await browser.post(path, data={"csrf_token": "x"})).status_code == 401
    assert (await browser.post("/sign-in", data={"login": "lan", "password": PASSWORD, "next": path})).headers[
        "location"
    ] == path
    fields = {"old": PASSWORD, "new": OWN, "again": OWN, "end": "others"}
    assert (await lan.post(path, data=fields)).status_code == 403
    assert (await lan.post(path, data={**fields, "csrf_token": "wrong"})).status_code == 403
    foreign = await lan.post(path, data=filled(lan, **fields), headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert (await lan.put(path, headers={"X-CSRFToken": lan.cookies["ioc_csrf"]})).status_code == 404
    assert (await lan.get("/who")).status_code == 200
    key = {"Authorization": f"Bearer {centre.key()}"}
    async with centre.browser() as source:
        assert (await source.get(path, headers=key)).status_code == 401


async def test_the_pages_have_labels_and_both_languages(lan: httpx.AsyncClient) -> None:
    for path, word in (("/sign-in/password", "password_change"), ("/sign-in/sessions", "sessions")):
        page = (await lan.get(path)).text
        assert WORDS[word].vi in page
        assert "$" not in page
        for name in re.findall(r'<input id="(\w+)"', page):
            assert f'<label for="{name}">' in page
        switch = re.search(r'href="(/sign-in/[^"]*lang=en)"', page)
        assert switch is not None
        assert WORDS[word].en in (await lan.get(switch[1].replace("&amp;", "&"))).text


# --- sessions ---------------------------------------------------------------------------------------------------


async def test_somebody_sees_their_own_sessions_and_ends_them(centre: Centre, lan: httpx.AsyncClient) -> None:
    async with centre.browser("198.51.100.9") as phone, centre.signed_in("quan.tri") as boss:
        await sign_in(phone, PASSWORD, agent='<script>"Chrome/120 Android')
        page = (await lan.get("/sign-in/sessions")).text
        assert page.count("<li>") == 2
        assert "198.51.100.9" in page
        assert "Chrome · Android" in page
        assert "<script>" not in page
        assert page.count(WORDS["session_now"].vi) == 1
        assert "12:00 20/11/2026" in page
        theirs, own = re.findall(r'<button [^>]*name="end" value="(s-[^"]+)"', page)
        if WORDS["sign_out"].vi in page.partition(theirs)[2].partition("</form>")[0]:
            theirs, own = own, theirs
        answer = await lan.post("/sign-in/sessions", data=filled(lan, end=theirs))
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/sessions")
        assert (await phone.get("/who")).status_code == 401
        assert (await boss.get("/who")).status_code == 200
        ended = await lan.post("/sign-in/sessions", data=filled(lan, end=own))
        assert ended.headers["location"] == "/sign-in"
        assert (await lan.get("/who")).status_code == 401


async def test_all_other_sessions_end_with_one_button(centre: Centre, lan: httpx.AsyncClient) -> None:
    async with centre.signed_in() as phone, centre.signed_in() as tablet, centre.signed_in("quan.tri") as boss:
        await lan.post("/sign-in/sessions", data=filled(lan, end="others"))
        statuses = [(await one.get("/who")).status_code for one in (lan, phone, tablet, boss)]
        assert statuses == [200, 401, 401, 200]


async def test_nobody_ends_a_session_of_somebody_else(centre: Centre, lan: httpx.AsyncClient) -> None:
    async with centre.signed_in("quan.tri") as boss:
        (foreign,) = sessions.sessions_of(ROOT, centre.store, centre.settings, login="quan.tri", now=NOON)
        answer = await lan.post("/sign-in/sessions", data=filled(lan, end=foreign.id))
        assert answer.headers["location"] == "/sign-in/sessions"
        assert (await boss.get("/who")).status_code == 200
    who = access.principal_of(next(one for one in access.list_people(ROOT, centre.store) if one.login == "lan"))
    boss_principal = access.principal_of(
        next(one for one in access.list_people(ROOT, centre.store) if one.login == "quan.tri")
    )
    (own,) = sessions.sessions_of(who, centre.store, centre.settings, now=NOON)
    for principal, id_ in ((who, foreign.id), (boss_principal, own.id), (who, "s-nothing")):
        with pytest.raises(NotFound):
            sessions.end_session(principal, centre.store, id_=id_, now=NOON)
    for principal, login in ((who, "quan.tri"), (who, "lan"), (boss_principal, "lan")):
        with pytest.raises(Refused):
            sessions.sessions_of(principal, centre.store, centre.settings, login=login, now=NOON)
        with pytest.raises(Refused):
            sessions.end_sessions_of(principal, centre.store, login=login, now=NOON)
    with pytest.raises(BadRequest):
        sessions.sessions_of(Principal(Kind.SOURCE, "lan", "lan"), centre.store, centre.settings, now=NOON)
    sessions.end_session(ROOT, centre.store, id_=own.id, now=NOON)
    assert sessions.sessions_of(who, centre.store, centre.settings, now=NOON) == ()


async def test_ended_sessions_are_not_shown(centre: Centre, lan: httpx.AsyncClient) -> None:
    assert (await lan.get("/who")).status_code == 200
    at = NOON + timedelta(seconds=centre.settings.session_idle)
    assert sessions.sessions_of(ROOT, centre.store, centre.settings, login="lan", now=at) == ()
    assert len(sessions.sessions_of(ROOT, centre.store, centre.settings, login="lan", now=NOON)) == 1


async def test_another_web_process_lets_an_ended_session_in_for_five_seconds_at_most(
    make_centre: Callable[..., Centre], centre: Centre, lan: httpx.AsyncClient
) -> None:
    other = make_centre()
    cookies = {"Cookie": f"ioc_session={lan.cookies['ioc_session']}"}
    async with other.browser() as browser:
        assert (await browser.get("/who", headers=cookies)).status_code == 200
        await lan.post("/sign-in/sessions", data=filled(lan, end="others"))
        sessions.end_sessions_of(ROOT, centre.store, login="lan", now=NOON)
        other.clock.turn(5)
        assert (await browser.get("/who", headers=cookies)).status_code == 401


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge · Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) coc_coc_browser/120 Chrome/114.0 Safari/537.36", "Cốc Cốc · Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari · iOS"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome · Android"),
        ("curl/8.5", ""),
        ("", ""),
    ],
)
def test_a_browser_is_called_as_people_call_it(agent: str, name: str) -> None:
    assert browser_of(agent) == name
