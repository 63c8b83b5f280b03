"""What a provider could say that must let nobody in: tokens that are false, a document that leads astray."""

import io
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc.jwk import OctKey

from ioc.errors import Refused
from ioc.operations import access, external_people
from ioc.web.openid_provider import KEYS_AGAIN_AFTER, login_of
from ioc.web.words import WORDS
from tests.access.conftest import NOON, ROOT, Centre
from tests.access.hostile_provider import (
    CLIENT,
    SECRET,
    HostileProvider,
    ec_key,
    hostile_provider,
    rsa_key,
    unsigned,
)
from tests.access.openid_visits import CALLBACK, COOKIE, begin, come_back, links

pytestmark = pytest.mark.anyio

AT = int(NOON.timestamp())
PUBLIC = rsa_key("first").as_dict(private=False)


@pytest.fixture(scope="session")
def database() -> None:
    """Tokens are checked before any database is asked: SQLite is enough."""


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    with hostile_provider(lambda: NOON) as made:
        yield made


@pytest.fixture
def centre(make_centre: Callable[..., Centre], provider: HostileProvider) -> Centre:
    centre = make_centre(
        openid_issuer=provider.issuer, openid_client_id=CLIENT, openid_client_secret=SECRET, default_language="en"
    )
    provider.now = centre.clock
    return centre


async def back(browser: httpx.AsyncClient, provider: HostileProvider, **said: str) -> httpx.Response:
    """A callback with a code, after the provider has learnt the nonce."""
    begun = await begin(browser)
    provider.nonce = begun["nonce"]
    return await come_back(browser, f"{CALLBACK}?{urlencode({'code': 'a-code', 'state': begun['state'], **said})}")


async def test_a_token_of_the_usual_kind_lets_in(browser: httpx.AsyncClient, provider: HostileProvider) -> None:
    assert (await back(browser, provider)).status_code == 200
    # The ID token named the login: nothing more is asked.
    assert provider.asked == ["/.well-known/openid-configuration", "/token", "/jwks"]


@pytest.mark.parametrize(
    "changed",
    [
        {"claims": {"nonce": "another"}},
        {"dropped": ("nonce",)},
        {"claims": {"iss": "https://id.example.vn"}},
        {"dropped": ("iss",)},
        {"claims": {"aud": "another-client"}},
        {"claims": {"aud": "another-client", "azp": CLIENT}},
        {"claims": {"aud": ["another-client"]}},
        {"claims": {"aud": [CLIENT, "another-client"]}},
        {"claims": {"aud": [CLIENT, "another-client"], "azp": "another-client"}},
        {"claims": {"azp": "another-client"}},
        {"dropped": ("aud",)},
        {"claims": {"exp": AT - 60}},
        {"claims": {"exp": "tomorrow"}},
        {"dropped": ("exp",)},
        {"claims": {"iat": AT + 61}},
        {"dropped": ("iat",)},
        {"claims": {"nbf": AT + 61}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": "s" * 256}},
        {"claims": {"sub": 7}},
        {"dropped": ("sub",)},
        {"claims": {"at_hash": "of-another-token"}},
        {"signed_with": rsa_key("other")},
        {"signed_with": rsa_key("other"), "header": {"alg": "RS256", "kid": "other"}},
        {"signed_with": ec_key("first"), "header": {"alg": "ES256", "kid": "first"}},
        {"header": {"alg": "RS384", "kid": "first"}},
        {"published": [{**PUBLIC, "use": "enc"}]},
        {"published": [{**PUBLIC, "alg": "PS256"}]},
        {"published": []},
        {"published": [PUBLIC, PUBLIC]},
        {"published": [PUBLIC, rsa_key("other").as_dict(private=False)], "header": {"alg": "RS256"}},
        {"token": "no token"},
        {"token": "a.b.c"},
        {"token": ""},
        {"token": unsigned({"iss": "x", "sub": "s-lan", "aud": CLIENT, "exp": AT + 60, "iat": AT})},
    ],
    ids=lambda changed: str(sorted(changed)) + str(changed.get("claims", ""))[:40],
)
async def test_a_token_that_proves_nothing_lets_nobody_in(
    browser: httpx.AsyncClient, centre: Centre, provider: HostileProvider, changed: dict[str, Any]
) -> None:
    for name, value in changed.items():
        setattr(provider, name, value)
    answer = await back(browser, provider)
    assert answer.status_code == 403, answer.text
    assert WORDS["openid_failed"].en.format(provider="your province&#x27;s account") in answer.text
    assert links(centre) == []
    assert "ioc_session" not in browser.cookies


async def test_a_public_key_is_no_shared_secret(
    browser: httpx.AsyncClient, centre: Centre, provider: HostileProvider
) -> None:
    """HS256 with the published key as its secret: the oldest trick."""
    provider.signed_with = OctKey.import_key(rsa_key("first").as_bytes(private=False).replace(b"-----", b""))
    provider.header = {"alg": "HS256", "kid": "first"}
    assert (await back(browser, provider)).status_code == 403
    provider.published = [provider.signed_with.as_dict(kid="first")]
    centre.clock.turn(KEYS_AGAIN_AFTER.total_seconds())
    assert (await back(browser, provider)).status_code == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"claims": {"exp": AT - 59}},
        {"claims": {"iat": AT + 60}},
        {"claims": {"aud": [CLIENT]}},
        {"claims": {"aud": [CLIENT, "another-client"], "azp": CLIENT}},
        {"header": {"alg": "PS256", "kid": "first"}},
        {"header": {"alg": "RS256"}},
        {
            "signed_with": ec_key("second"),
            "header": {"alg": "ES256", "kid": "second"},
            "published": [PUBLIC, ec_key("second").as_dict(private=False), {"kty": "new", "kid": "third"}, "none"],
        },
        {"document": {"token_endpoint_auth_methods_supported": ["client_secret_post"]}},
    ],
    ids=lambda changed: str(changed)[:50],
)
async def test_what_the_standard_allows_lets_in(
    browser: httpx.AsyncClient, provider: HostileProvider, changed: dict[str, Any]
) -> None:
    for name, value in changed.items():
        setattr(provider, name, value)
    assert (await back(browser, provider)).status_code == 200


async def test_a_login_that_the_id_token_lacks_is_asked_for_once(
    browser: httpx.AsyncClient, centre: Centre, provider: HostileProvider
) -> None:
    provider.dropped = ("preferred_username",)
    provider.userinfo = {"sub": "s-lan", "preferred_username": "lan"}
    assert (await back(browser, provider)).status_code == 200
    assert provider.authorizations[-1] == "Bearer an access token"
    async with centre.browser() as another:
        assert (await back(another, provider)).status_code == 200
    assert provider.asked.count("/me") == 1


@pytest.mark.parametrize("said", [{"sub": "s-another", "preferred_username": "lan"}, {"preferred_username": "lan"}])
async def test_userinfo_about_somebody_else_lets_nobody_in(
    browser: httpx.AsyncClient, provider: HostileProvider, said: dict[str, str]
) -> None:
    provider.dropped = ("preferred_username",)
    provider.userinfo = said
    assert (await back(browser, provider)).status_code == 403


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://id.example.vn"},
        {"authorization_endpoint": "http://id.example.vn/auth"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://id.example.vn/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"userinfo_endpoint": "http://[/"},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
    ids=str,
)
async def test_a_document_that_leads_astray_is_not_followed(
    browser: httpx.AsyncClient, provider: HostileProvider, document: dict[str, Any], log_text: io.StringIO
) -> None:
    provider.document = document
    answer = await browser.get("/sign-in/openid")
    assert answer.status_code == 503
    assert "the OpenID provider cannot be used" in log_text.getvalue()


async def test_keys_that_cannot_be_read_are_no_keys(browser: httpx.AsyncClient, provider: HostileProvider) -> None:
    provider.published = "none"  # type: ignore[assignment]
    assert (await back(browser, provider)).status_code == 503


async def test_the_answer_of_another_issuer_is_refused(browser: httpx.AsyncClient, provider: HostileProvider) -> None:
    """RFC 9207: a provider that says its name in its answers says it in all of them."""
    assert (await back(browser, provider, iss="https://id.example.vn")).status_code == 403
    assert "/token" not in provider.asked
    assert (await back(browser, provider, iss=provider.issuer)).status_code == 200


async def test_a_provider_that_says_its_name_always_says_it(
    browser: httpx.AsyncClient, provider: HostileProvider
) -> None:
    provider.document = {"authorization_response_iss_parameter_supported": True}
    assert (await back(browser, provider)).status_code == 403


async def test_unknown_keys_make_us_ask_once_a_minute_at_most(
    browser: httpx.AsyncClient, centre: Centre, provider: HostileProvider
) -> None:
    assert (await back(browser, provider)).status_code == 200
    browser.cookies.clear()
    provider.signed_with, provider.header = rsa_key("other"), {"alg": "RS256", "kid": "other"}
    for _ in range(3):
        assert (await back(browser, provider)).status_code == 403
    assert provider.asked.count("/jwks") == 1
    centre.clock.turn(KEYS_AGAIN_AFTER.total_seconds())
    for _ in range(3):
        assert (await back(browser, provider)).status_code == 403
    assert provider.asked.count("/jwks") == 2
    provider.published.append(rsa_key("other").as_dict(private=False))
    centre.clock.turn(KEYS_AGAIN_AFTER.total_seconds())
    assert (await back(browser, provider)).status_code == 200


async def test_document_and_keys_are_kept_for_an_hour(
    browser: httpx.AsyncClient, centre: Centre, provider: HostileProvider
) -> None:
    for turned in (0, 3599, 1):
        centre.clock.turn(turned)
        async with centre.browser() as another:
            assert (await back(another, provider)).status_code == 200
    assert provider.asked.count("/jwks") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 2


async def test_a_secret_with_signs_is_sent_as_the_standard_says(
    make_centre: Callable[..., Centre], provider: HostileProvider
) -> None:
    centre = make_centre(
        openid_issuer=provider.issuer, openid_client_id="a b", openid_client_secret="mật khẩu: 100 % dài"
    )
    provider.claims = {"aud": "a b"}
    provider.now = centre.clock
    async with centre.browser() as browser:
        assert (await back(browser, provider)).status_code == 200
    expected = httpx.BasicAuth("a%20b", "m%E1%BA%ADt%20kh%E1%BA%A9u%3A%20100%20%25%20d%C3%A0i")
    request = next(expected.auth_flow(httpx.Request("POST", "http://x")))
    assert request.headers["Authorization"] in provider.authorizations


async def test_a_state_is_good_once_and_only_for_its_own_round_trip(
    browser: httpx.AsyncClient, provider: HostileProvider
) -> None:
    """This provider takes any code any number of times: what refuses is here."""
    assert (await back(browser, provider, state="another")).status_code == 403
    begun = await begin(browser)
    kept, provider.nonce = browser.cookies[COOKIE], begun["nonce"]
    path = f"{CALLBACK}?{urlencode({'code': 'a-code', 'state': begun['state']})}"
    assert (await come_back(browser, path)).status_code == 200
    browser.cookies.set(COOKIE, kept)
    assert (await come_back(browser, path)).status_code == 403


async def test_who_is_unlinked_is_signed_out_and_linked_anew(
    browser: httpx.AsyncClient, centre: Centre, provider: HostileProvider
) -> None:
    await back(browser, provider)
    provider.claims = {"sub": "s-new-account"}
    async with centre.browser() as another:
        assert (await back(another, provider)).status_code == 403
        assert external_people.unlink(ROOT, centre.store, login="LAN", now=centre.clock.now) == 1
        assert external_people.unlink(ROOT, centre.store, login="lan", now=centre.clock.now) == 0
        centre.clock.turn(10)
        assert (await browser.get("/who")).status_code == 401
        assert (await back(another, provider)).status_code == 200
    assert [subject for _, subject, _ in links(centre)] == ["s-new-account"]


async def test_only_an_administrator_of_somebodys_centres_unlinks_them(centre: Centre) -> None:
    boss, lan = access.list_people(ROOT, centre.store)[::-1]
    assert (boss.login, lan.login) == ("quan.tri", "lan")
    for person in (boss, lan):  # of another centre; no administrator
        with pytest.raises(Refused):
            external_people.unlink(access.principal_of(person), centre.store, login="lan", now=NOON)


async def test_a_session_through_the_provider_says_so(
    browser: httpx.AsyncClient, centre: Centre, provider: HostileProvider
) -> None:
    await back(browser, provider)
    found = access.find_session(centre.store, browser.cookies["ioc_session"], centre.settings, centre.clock.now)
    assert found is not None
    assert not found.must_change_password


@pytest.mark.parametrize(
    ("claims", "claim", "login"),
    [
        ({"preferred_username": "lan"}, "preferred_username", "lan"),
        ({"preferred_username": " "}, "preferred_username", None),
        ({"preferred_username": ["lan"]}, "preferred_username", None),
        ({}, "preferred_username", None),
        ({"email": "a@b", "email_verified": True}, "email", "a@b"),
        ({"email": "a@b", "email_verified": "true"}, "email", None),
        ({"email": "a@b"}, "email", None),
        ({"upn": "lan@tinh"}, "upn", "lan@tinh"),
    ],
)
def test_the_claim_that_names_the_login(claims: dict[str, Any], claim: str, login: str | None) -> None:
    assert login_of(claims, claim) == login
