"""Sign-in by password and by one-time link, its cookies, its limits, and what it never says."""

import io
import re
import unicodedata
from collections.abc import Callable

import httpx
import pytest
from argon2 import PasswordHasher

from ioc.operations import access
from ioc.operations.gatekeeping import HASHER
from ioc.web.words import WORDS
from tests.access.conftest import PASSWORD, ROOT, Centre

pytestmark = pytest.mark.anyio
RIGHT = {"login": "lan", "password": PASSWORD}
WRONG = {"login": "lan", "password": "not the password"}


async def test_a_password_opens_a_session_and_the_page_of_the_role(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/sign-in", data=RIGHT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/centre/binh-duong")
    assert (await browser.get("/who")).status_code == 200


async def test_a_login_is_found_in_any_case_and_a_password_in_any_composition(browser: httpx.AsyncClient) -> None:
    decomposed = unicodedata.normalize("NFD", PASSWORD)
    assert decomposed != PASSWORD
    sent = {"login": "  LAN ", "password": decomposed}
    assert (await browser.post("/sign-in", data=sent)).status_code == 303


@pytest.mark.parametrize(
    "sent",
    [
        WRONG,
        {"login": "nobody", "password": PASSWORD},
        {"login": "quan.tri", "password": ""},
        {"login": "lan", "password": PASSWORD + "x" * 300},
        {"login": "", "password": ""},
        {},
    ],
)
async def test_what_does_not_fit_gets_one_and_the_same_answer(browser: httpx.AsyncClient, sent: dict[str, str]) -> None:
    answer = await browser.post("/sign-in", data=sent or {"lang": "vi"})
    assert answer.status_code == 403
    assert WORDS["wrong"].vi in answer.text
    assert browser.cookies.get("ioc_session") is None


async def test_a_disabled_person_cannot_sign_in(centre: Centre, browser: httpx.AsyncClient) -> None:
    access.disable_person(ROOT, centre.store, login="lan", now=centre.clock.now)
    assert (await browser.post("/sign-in", data=RIGHT)).status_code == 403


async def test_an_unknown_login_costs_as_much_as_a_known_one(
    centre: Centre, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in calls of argon2, which is where the time goes: a stopwatch would be a matter of luck."""
    calls: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: object, hashed: str, password: str) -> bool:
        calls.append(hashed)
        return verify(HASHER, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    await browser.post("/sign-in", data=WRONG)
    await browser.post("/sign-in", data={**WRONG, "login": "nobody"})
    assert len(calls) == 2
    parameters = {hashed.rsplit("$", 2)[0] for hashed in calls}
    assert len(parameters) == 1


# --- cookies ---------------------------------------------------------------------------------------------------


def _cookies(answer: httpx.Response) -> dict[str, set[str]]:
    """Name → flags of the cookies that an answer sets."""
    cookies = {}
    for header in answer.headers.get_list("set-cookie"):
        pair, *flags = header.split("; ")
        cookies[pair.partition("=")[0]] = set(flags)
    return cookies


async def test_the_session_cookie_is_for_the_server_only(browser: httpx.AsyncClient) -> None:
    cookies = _cookies(await browser.post("/sign-in", data=RIGHT))
    assert cookies["ioc_session"] == {"HttpOnly", "Path=/", "Max-Age=2592000", "SameSite=Strict"}
    assert cookies["ioc_csrf"] == {"Path=/", "Max-Age=2592000", "SameSite=Strict"}


async def test_over_tls_the_cookies_are_secure_and_bound_to_the_host(make_centre: Callable[..., Centre]) -> None:
    centre = make_centre(production="true", public_url="https://ioc.example.vn")
    async with centre.browser() as browser:
        answer = await browser.post("/sign-in", data=RIGHT)
        cookies = _cookies(answer)
        assert cookies["__Host-ioc_session"] >= {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"}
        assert "Secure" in cookies["ioc_csrf"]
        assert "max-age" in answer.headers["strict-transport-security"]
        assert (await browser.get("/who")).status_code == 200


async def test_signing_in_again_ends_the_session_before(centre: Centre, lan: httpx.AsyncClient) -> None:
    before = lan.cookies["ioc_session"]
    await lan.post("/sign-in", data=RIGHT)
    assert lan.cookies["ioc_session"] != before
    async with centre.browser() as thief:
        answer = await thief.get("/who", headers={"Cookie": f"ioc_session={before}"})
        assert answer.status_code == 401


async def test_signing_out_ends_the_session_and_needs_its_token(centre: Centre, lan: httpx.AsyncClient) -> None:
    token = lan.cookies["ioc_session"]
    assert (await lan.post("/sign-out", data={"csrf_token": "wrong"})).status_code == 403
    assert (await lan.post("/sign-out", data={"csrf_token": "é"})).status_code == 403
    assert (await lan.get("/sign-out")).status_code == 400
    assert (await lan.get("/who")).status_code == 200
    answer = await lan.post("/sign-out", data={"csrf_token": lan.cookies["ioc_csrf"]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert dict(lan.cookies) == {}
    assert access.find_session(centre.store, token, centre.settings, centre.clock.now) is None


async def test_a_sign_in_from_a_foreign_page_is_refused(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/sign-in", data=RIGHT, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert dict(browser.cookies) == {}


# --- how often -------------------------------------------------------------------------------------------------


async def test_guessing_at_a_login_must_wait_and_its_owner_elsewhere_need_not(centre: Centre) -> None:
    async with centre.browser("198.51.100.1") as attacker, centre.browser("198.51.100.2") as owner:
        for _ in range(5):
            assert (await attacker.post("/sign-in", data=WRONG)).status_code == 403
        answer = await attacker.post("/sign-in", data=WRONG)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "30"
        assert "30" in answer.text
        assert (await owner.post("/sign-in", data=RIGHT)).status_code == 303
        centre.clock.turn(30)
        assert (await attacker.post("/sign-in", data=RIGHT)).status_code == 303


async def test_guessing_at_many_logins_from_one_address_must_wait(centre: Centre) -> None:
    async with centre.browser("198.51.100.1") as attacker:
        for number in range(30):
            answer = await attacker.post("/sign-in", data={"login": f"nobody{number}", "password": "x"})
            assert answer.status_code == 403
        assert (await attacker.post("/sign-in", data={"login": "lan", "password": "x"})).status_code == 429


async def test_right_passwords_are_never_throttled(browser: httpx.AsyncClient) -> None:
    for _ in range(8):
        assert (await browser.post("/sign-in", data=RIGHT)).status_code == 303


# --- one-time links --------------------------------------------------------------------------------------------


async def test_a_link_shows_a_form_and_its_post_signs_in_and_goes_on(
    centre: Centre, browser: httpx.AsyncClient
) -> None:
    token = centre.link(path="/wall/binh-duong")
    page = await browser.get(f"/sign-in/once/{token}")
    assert page.status_code == 200
    assert f'name="token" value="{token}"' in page.text
    assert 'action="/sign-in/once"' in page.text
    answer = await browser.post("/sign-in/once", data={"token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/wall/binh-duong")
    assert (await browser.get("/wall/binh-duong")).status_code == 200


async def test_looking_at_a_link_does_not_use_it_up(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = centre.link()
    for method in ("GET", "HEAD", "GET"):
        assert (await browser.request(method, f"/sign-in/once/{token}")).status_code == 200
    assert (await browser.post("/sign-in/once", data={"token": token})).status_code == 303


async def test_a_link_works_once(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = centre.link()
    assert (await browser.post("/sign-in/once", data={"token": token})).status_code == 303
    async with centre.browser() as second:
        answer = await second.post("/sign-in/once", data={"token": token})
        assert answer.status_code == 403
        assert WORDS["link_used"].vi in answer.text
        assert dict(second.cookies) == {}


async def test_a_link_ends(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = centre.link()
    centre.clock.turn(centre.settings.link_life)
    assert (await browser.post("/sign-in/once", data={"token": token})).status_code == 403


async def test_a_link_of_a_disabled_person_is_worth_nothing(centre: Centre, browser: httpx.AsyncClient) -> None:
    token = centre.link()
    access.disable_person(ROOT, centre.store, login="lan", now=centre.clock.now)
    assert (await browser.post("/sign-in/once", data={"token": token})).status_code == 403


@pytest.mark.parametrize("token", ["", "x", "' or 1=1 --", "<script>", "x" * 2_000])
async def test_an_invented_link_is_refused_and_shown_escaped(browser: httpx.AsyncClient, token: str) -> None:
    page = await browser.get(f"/sign-in/once/{token}")
    assert "<script>" not in page.text
    assert (await browser.post("/sign-in/once", data={"token": token})).status_code == 403


# --- the page --------------------------------------------------------------------------------------------------


async def test_the_page_is_vietnamese_and_english_on_a_switch(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/sign-in?next=/wall/binh-duong")
    assert '<html lang="vi"' in page.text
    assert WORDS["password"].vi in page.text
    switch = re.search(r'href="(/sign-in\?[^"]+)"', page.text)
    assert switch is not None
    english = await browser.get(switch[1].replace("&amp;", "&"))
    assert '<html lang="en"' in english.text
    assert WORDS["password"].en in english.text
    assert 'name="next" value="/wall/binh-duong"' in english.text


async def test_the_page_speaks_the_language_that_was_chosen_before(browser: httpx.AsyncClient) -> None:
    assert '<html lang="en"' in (await browser.get("/sign-in", headers={"Cookie": "ioc_language=en"})).text
    assert '<html lang="vi"' in (await browser.get("/sign-in", headers={"Cookie": "ioc_language=xx"})).text


async def test_every_field_has_a_label_and_an_error_is_announced(browser: httpx.AsyncClient) -> None:
    page = (await browser.post("/sign-in", data=WRONG)).text
    for name in re.findall(r'<input id="(\w+)"', page):
        assert f'<label for="{name}">' in page
    assert 'role="alert"' in page
    assert page.count('aria-describedby="error"') == 2
    assert 'autocomplete="current-password"' in page
    assert PASSWORD not in page


async def test_everything_that_the_page_loads_is_there_and_ours(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/sign-in")).text + (await browser.get("/sign-in/once/x")).text
    for path in re.findall(r'(?:src|href)="(/sign-in/assets/[^"]+)"', page):
        answer = await browser.get(path)
        assert answer.status_code == 200
        for font in re.findall(r'url\("([^"]+)"\)', answer.text if path.endswith("fonts.css") else ""):
            assert (await browser.get(f"/sign-in/assets/{font}")).headers["content-type"] == "font/woff2"
    assert "http://" not in page
    assert "https://" not in page


async def test_what_was_typed_comes_back_escaped_and_no_foreign_target_is_kept(
    browser: httpx.AsyncClient,
) -> None:
    sent = {"login": '"><script>x', "password": "x", "next": "https://evil.example", "lang": '"><script>'}
    page = (await browser.post("/sign-in", data=sent)).text
    assert "<script>x" not in page
    assert "evil" not in page


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "/sign-out", "x"])
async def test_after_sign_in_nobody_is_sent_elsewhere(browser: httpx.AsyncClient, target: str) -> None:
    answer = await browser.post("/sign-in", data={**RIGHT, "next": target})
    assert answer.headers["location"] == "/centre/binh-duong"


async def test_after_sign_in_the_wanted_page_is_shown(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/sign-in", data={**RIGHT, "next": "/wall/binh-duong?lang=en"})
    assert answer.headers["location"] == "/wall/binh-duong?lang=en"


async def test_a_form_of_another_kind_or_size_is_refused(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/sign-in", json=RIGHT)).status_code == 400
    assert (await browser.post("/sign-in", data={**RIGHT, "x": "y" * 9_000})).status_code == 413
    answer = await browser.post(
        "/sign-in", content=b"login=%ff", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 400


async def test_no_secret_reaches_a_log(centre: Centre, browser: httpx.AsyncClient, log_text: io.StringIO) -> None:
    link, key = centre.link(), centre.key()
    await browser.get(f"/sign-in/once/{link}")
    await browser.post("/sign-in/once", data={"token": link})
    await browser.post("/sign-in", data={"login": "typed-in-the-wrong-field", "password": "wrong-one"})
    await browser.post("/sign-in", data=RIGHT)
    secrets = [link, key, PASSWORD, "typed-in-the-wrong-field", "wrong-one", *browser.cookies.values()]
    await browser.get("/raise/bug")
    await browser.get("/raise/store")
    browser.cookies.clear()
    await browser.get("/api/v1/units", headers={"Authorization": f"Bearer {key}"})
    text = log_text.getvalue()
    assert "signed in" in text
    assert "sign-in refused" in text
    assert [secret for secret in secrets if secret in text] == []
