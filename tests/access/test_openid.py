"""Sign-in through OpenID Connect at a real provider: who comes in, who does not, and what the round trip leaves."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import select, update

from ioc.model.access import Role
from ioc.operations import access
from ioc.store.schema import audit_entries, people
from ioc.web.words import WORDS
from tests.access.conftest import PASSWORD, ROOT, Centre
from tests.access.openid_visits import ACCOUNTS, CALLBACK, COOKIE, at_provider, begin, come_back, links, sign_in

if TYPE_CHECKING:
    from scripts.parts.openid import OpenId

pytestmark = [pytest.mark.anyio, pytest.mark.openid]

TITLE = "tài khoản của tỉnh"


def sentence(word: str) -> str:
    return WORDS[word].vi.format(provider=TITLE)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[OpenId]":
    from scripts.parts.openid import OpenId

    made = OpenId(tmp_path_factory.mktemp("openid"), accounts=ACCOUNTS)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def mortal_provider(provider: "OpenId") -> "Iterator[OpenId]":
    """The same provider, to be killed; it runs again when the test is over."""
    yield provider
    if provider.pid is None:
        provider.start()


@pytest.fixture
def make_province(make_centre: Callable[..., Centre], provider: "OpenId") -> Callable[..., Centre]:
    """A centre whose people may sign in at the provider, at the provider's own time."""

    def make(**changed: str) -> Centre:
        stated = {
            "openid_issuer": provider.issuer,
            "openid_client_id": provider.client,
            "openid_client_secret": provider.secret,
        }
        centre = make_centre(**{**stated, **changed})
        centre.clock.now = datetime.now(UTC)
        return centre

    return make


@pytest.fixture
def centre(make_province: Callable[..., Centre]) -> Centre:
    return make_province()


def person_id(centre: Centre, login: str = "lan") -> str:
    (found,) = [one.id for one in access.list_people(ROOT, centre.store) if one.login == login]
    return found


# --- coming in -------------------------------------------------------------------------------------------------


async def test_somebody_whom_an_administrator_added_comes_in_and_is_linked(
    centre: Centre, browser: httpx.AsyncClient
) -> None:
    page = await browser.get("/sign-in", params={"next": "/wall/binh-duong"})
    assert sentence("openid_button") in page.text
    assert 'href="/sign-in/openid?lang=vi&amp;next=%2Fwall%2Fbinh-duong"' in page.text
    answer = await sign_in(browser, next_path="/wall/binh-duong")
    # A page of ours that goes on: only what it asks for gets the Strict cookie.
    assert answer.status_code == 200
    assert 'content="0;url=/wall/binh-duong"' in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    who = await browser.get("/who")
    assert who.json() == {"id": person_id(centre)}
    assert links(centre) == [(centre.settings.openid_issuer, "s-lan", person_id(centre))]
    session = access.find_session(centre.store, browser.cookies["ioc_session"], centre.settings, centre.clock.now)
    assert session is not None
    assert session.role is Role.OPERATOR


async def test_without_a_wanted_page_the_page_of_the_role_is_shown(browser: httpx.AsyncClient) -> None:
    answer = await sign_in(browser)
    assert 'content="0;url=/centre/binh-duong"' in answer.text


async def test_once_linked_the_login_counts_no_more(centre: Centre, browser: httpx.AsyncClient) -> None:
    await sign_in(browser)
    with centre.store.writing() as connection:
        connection.execute(update(people).where(people.c.login == "lan").values(login="tran.lan"))
    async with centre.browser() as another:
        await sign_in(another)
        assert (await another.get("/who")).json() == {"id": person_id(centre, "tran.lan")}
    assert len(links(centre)) == 1


async def test_a_session_of_the_same_browser_ends(centre: Centre, browser: httpx.AsyncClient) -> None:
    """Where the provider is on our own site, the browser sends the Strict cookie back with the callback."""
    begun = await begin(browser)
    await browser.post("/sign-in", data={"login": "lan", "password": PASSWORD})
    before = browser.cookies["ioc_session"]
    await come_back(browser, await at_provider(begun, "lan"))
    assert browser.cookies["ioc_session"] != before
    assert access.find_session(centre.store, before, centre.settings, centre.clock.now) is None


async def test_who_is_signed_in_is_not_sent_to_the_provider(centre: Centre) -> None:
    async with centre.signed_in() as lan:
        answer = await lan.get("/sign-in/openid", params={"next": "/wall/binh-duong"})
        assert answer.headers["location"] == "/wall/binh-duong"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/sign-out"])
async def test_nobody_is_sent_elsewhere(browser: httpx.AsyncClient, target: str) -> None:
    answer = await sign_in(browser, next_path=target)
    assert 'content="0;url=/centre/binh-duong"' in answer.text
    assert "evil" not in answer.text


# --- staying out -----------------------------------------------------------------------------------------------


async def assert_stays_out(browser: httpx.AsyncClient, answer: httpx.Response, word: str, status: int = 403) -> None:
    assert answer.status_code == status, answer.text
    assert sentence(word) in answer.text
    assert "ioc_session" not in browser.cookies
    assert (await browser.get("/who")).status_code == 401


async def test_nobody_is_added_by_signing_in(centre: Centre, browser: httpx.AsyncClient) -> None:
    before = access.list_people(ROOT, centre.store)
    await assert_stays_out(browser, await sign_in(browser, "stranger"), "openid_unknown")
    assert access.list_people(ROOT, centre.store) == before
    assert links(centre) == []


async def test_a_second_account_of_the_same_name_is_somebody_else(centre: Centre, browser: httpx.AsyncClient) -> None:
    await sign_in(browser, "lan")
    async with centre.browser() as another:
        await assert_stays_out(another, await sign_in(another, "LAN"), "openid_unknown")
    assert [subject for _, subject, _ in links(centre)] == ["s-lan"]


@pytest.mark.parametrize("linked", [True, False])
async def test_a_disabled_person_stays_out(centre: Centre, browser: httpx.AsyncClient, linked: bool) -> None:
    if linked:
        async with centre.browser() as another:
            await sign_in(another)
    access.disable_person(ROOT, centre.store, login="lan", now=centre.clock.now)
    await assert_stays_out(browser, await sign_in(browser), "openid_unknown")
    assert len(links(centre)) == linked


async def test_an_address_of_mail_counts_only_where_it_is_verified(make_province: Callable[..., Centre]) -> None:
    centre = make_province(openid_login_claim="email")
    access.add_person(
        ROOT,
        centre.store,
        login="lan@example.vn",
        name="Lan",
        role=Role.VIEWER,
        centres=["ben-cat"],
        now=centre.clock.now,
    )
    async with centre.browser() as browser:
        await assert_stays_out(browser, await sign_in(browser, "stranger"), "openid_unknown")
        await sign_in(browser, "mail")
        assert (await browser.get("/who")).json() == {"id": person_id(centre, "lan@example.vn")}


async def test_who_cancels_at_the_provider_is_back_at_the_form(browser: httpx.AsyncClient) -> None:
    begun = await begin(browser, "/wall/binh-duong")
    answer = await come_back(browser, await at_provider(begun, "lan", press="cancel"))
    await assert_stays_out(browser, answer, "openid_cancelled")
    assert 'name="next" value="/wall/binh-duong"' in answer.text


# --- the round trip --------------------------------------------------------------------------------------------


async def test_another_browser_cannot_use_what_came_back(centre: Centre, browser: httpx.AsyncClient) -> None:
    back = await at_provider(await begin(browser), "lan")
    async with centre.browser() as thief:
        await assert_stays_out(thief, await come_back(thief, back), "openid_failed")
        await begin(thief)
        await assert_stays_out(thief, await come_back(thief, back), "openid_failed")
    assert (await come_back(browser, back)).status_code == 200


async def test_a_state_is_good_once(centre: Centre, browser: httpx.AsyncClient) -> None:
    begun = await begin(browser)
    kept = browser.cookies[COOKIE]
    back = await at_provider(begun, "lan")
    assert (await come_back(browser, back)).status_code == 200
    assert COOKIE not in browser.cookies
    async with centre.browser() as again:
        again.cookies.set(COOKIE, kept)
        await assert_stays_out(again, await come_back(again, back), "openid_failed")


async def test_a_code_is_good_once_whatever_our_programs_remember(
    make_province: Callable[..., Centre], centre: Centre, browser: httpx.AsyncClient
) -> None:
    """Another web program opens the cookie, and has not seen the state; the provider has seen the code."""
    begun = await begin(browser)
    kept = browser.cookies[COOKIE]
    back = await at_provider(begun, "lan")
    assert (await come_back(browser, back)).status_code == 200
    async with make_province().browser() as elsewhere:
        elsewhere.cookies.set(COOKIE, kept)
        await assert_stays_out(elsewhere, await come_back(elsewhere, back), "openid_failed")


async def test_any_web_program_can_finish_what_another_began(
    make_province: Callable[..., Centre], browser: httpx.AsyncClient
) -> None:
    begun = await begin(browser)
    async with make_province().browser() as elsewhere:
        elsewhere.cookies.set(COOKIE, browser.cookies[COOKIE])
        assert (await come_back(elsewhere, await at_provider(begun, "lan"))).status_code == 200


async def test_a_round_trip_takes_ten_minutes_at_most(centre: Centre, browser: httpx.AsyncClient) -> None:
    begun = await begin(browser)
    back = await at_provider(begun, "lan")
    centre.clock.turn(600)
    await assert_stays_out(browser, await come_back(browser, back), "openid_failed")


def flags(answer: httpx.Response, name: str) -> set[str]:
    (header,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{name}=")]
    return set(header.split("; ")[1:])


async def test_the_cookie_of_the_round_trip_is_lax_short_lived_and_for_the_callback_only(
    browser: httpx.AsyncClient,
) -> None:
    answer = await browser.get("/sign-in/openid")
    assert flags(answer, COOKIE) == {"HttpOnly", "SameSite=Lax", f"Path={CALLBACK}", "Max-Age=600"}
    begun = await begin(browser)
    kept = browser.cookies[COOKIE]
    assert not {begun["state"], begun["nonce"]} & set(kept.split("."))
    back = await come_back(browser, await at_provider(begun, "lan"))
    assert flags(back, COOKIE) == {"HttpOnly", "SameSite=Lax", f"Path={CALLBACK}", "Max-Age=0"}
    assert "SameSite=Strict" in flags(back, "ioc_session")


async def test_over_tls_the_cookie_of_the_round_trip_is_secure(make_province: Callable[..., Centre]) -> None:
    centre = make_province(production="true", public_url="https://ioc.example.vn")
    async with centre.browser() as browser:
        answer = await browser.get("/sign-in/openid")
        assert "Secure" in flags(answer, "__Secure-ioc_openid")
        assert "redirect_uri=https%3A%2F%2Fioc.example.vn%2Fsign-in%2Fopenid%2Fcallback" in answer.headers["location"]


@pytest.mark.parametrize("where", [0, 30, -1])
async def test_a_cookie_that_was_changed_is_none(browser: httpx.AsyncClient, where: int) -> None:
    begun = await begin(browser)
    back = await at_provider(begun, "lan")
    letters = list(browser.cookies[COOKIE])
    letters[where] = "A" if letters[where] != "A" else "B"
    browser.cookies.clear()
    browser.cookies.set(COOKIE, "".join(letters))
    await assert_stays_out(browser, await come_back(browser, back), "openid_failed")


@pytest.mark.parametrize("path", ["/sign-in/openid", CALLBACK, f"{CALLBACK}?code=x&state=y"])
async def test_without_a_provider_there_is_no_such_page(make_centre: Callable[..., Centre], path: str) -> None:
    async with make_centre().browser() as browser:
        assert (await browser.get(path)).status_code == 404
        assert "openid" not in (await browser.get("/sign-in")).text


async def test_what_changes_nothing_by_post_is_no_such_page(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/sign-in/openid", data={})).status_code == 404
    assert (await browser.head(CALLBACK)).status_code == 404


# --- the provider ----------------------------------------------------------------------------------------------


async def test_a_provider_that_is_away_shuts_nobody_out(
    centre: Centre, browser: httpx.AsyncClient, mortal_provider: "OpenId"
) -> None:
    mortal_provider.kill()
    answer = await browser.get("/sign-in/openid", params={"next": "/wall/binh-duong"})
    await assert_stays_out(browser, answer, "openid_away", 503)
    assert 'name="next" value="/wall/binh-duong"' in answer.text
    assert (await browser.post("/sign-in", data={"login": "lan", "password": PASSWORD})).status_code == 303
    mortal_provider.start()
    async with centre.browser() as another:
        # Left alone for ten seconds after a failed try; then it is asked again.
        assert (await another.get("/sign-in/openid")).status_code == 503
        centre.clock.turn(10)
        assert (await sign_in(another)).status_code == 200


async def test_a_provider_that_goes_away_meanwhile_is_said_to_be_away(
    browser: httpx.AsyncClient, mortal_provider: "OpenId"
) -> None:
    back = await at_provider(await begin(browser), "lan")
    mortal_provider.kill()
    await assert_stays_out(browser, await come_back(browser, back), "openid_away", 503)


async def test_keys_may_be_rotated_at_any_time(centre: Centre, mortal_provider: "OpenId") -> None:
    async with centre.browser() as browser:
        assert (await sign_in(browser)).status_code == 200
    mortal_provider.kill()
    mortal_provider.start()
    async with centre.browser() as browser:
        # Within the same minute strangers cannot make us ask again for keys, and so we do not know the new one.
        await assert_stays_out(browser, await sign_in(browser), "openid_failed")
        centre.clock.now = max(centre.clock.now + timedelta(seconds=60), datetime.now(UTC))
        assert (await sign_in(browser)).status_code == 200


async def test_a_wrong_secret_lets_nobody_in_and_is_named_in_the_log(
    make_province: Callable[..., Centre], log_text: io.StringIO
) -> None:
    centre = make_province(openid_client_secret="not the secret of the provider")
    async with centre.browser() as browser:
        await assert_stays_out(browser, await sign_in(browser), "openid_failed")
    assert "the provider does not take the code or the client's secret (401)" in log_text.getvalue()


async def test_callbacks_of_one_address_are_limited(centre: Centre, browser: httpx.AsyncClient) -> None:
    statuses = []
    for _ in range(22):
        said = {"error": "server_error", "state": (await begin(browser))["state"], "iss": centre.settings.openid_issuer}
        statuses.append((await come_back(browser, f"{CALLBACK}?{urlencode(said)}")).status_code)
    assert statuses == [403] * 20 + [429] * 2


async def test_the_audit_tells_who_was_linked_came_in_and_was_refused(
    centre: Centre, browser: httpx.AsyncClient
) -> None:
    await sign_in(browser)
    async with centre.browser() as another:
        await sign_in(another, "LAN")
        await sign_in(another, "stranger")
    await centre.gate._refusal_log.write(is_last=True)
    with centre.store.reading() as connection:
        rows = connection.execute(
            select(audit_entries.c.act, audit_entries.c.who, audit_entries.c.id).order_by(audit_entries.c.n)
        ).all()
    lan = person_id(centre)
    entries = [tuple(row) for row in rows]
    assert entries[-4:-2] == [("identity-linked", lan, lan), ("sign-in", lan, lan)]
    # Whom the second account would have been, had it not been linked already; the stranger is nobody.
    assert sorted(entries[-2:]) == [("sign-in-refused", "anonymous", ""), ("sign-in-refused", "anonymous", lan)]


async def test_logs_name_people_by_their_ids_only(
    centre: Centre, browser: httpx.AsyncClient, log_text: io.StringIO
) -> None:
    begun = await begin(browser)
    kept = browser.cookies[COOKIE]
    back = await at_provider(begun, "lan")
    await come_back(browser, back)
    async with centre.browser() as another:
        await sign_in(another, "stranger")
        await sign_in(another, "LAN")
    text = log_text.getvalue()
    assert "signed in through OpenID" in text
    assert "sign-in through OpenID refused" in text
    assert person_id(centre) in text
    code = back.partition("code=")[2].partition("&")[0]
    secrets = [code, kept, begun["state"], begun["nonce"], *browser.cookies.values(), "s-lan", "s-stranger", "Trần"]
    assert [secret for secret in secrets if secret in text] == []
    assert '"lan"' not in text
