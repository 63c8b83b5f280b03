"""Round trips of the tests: a browser here, and what its user does at the provider."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from scripts.parts.openid import Account
from tests.access.conftest import Centre

CALLBACK = "/sign-in/openid/callback"
COOKIE = "ioc_openid"
AT_PROVIDER = "what people type at the provider"
ACCOUNTS = (
    Account("s-lan", "lan", AT_PROVIDER, {"preferred_username": "lan", "name": "Trần Thị Lan"}),
    Account("s-namesake", "LAN", AT_PROVIDER, {"preferred_username": " LAN"}),
    Account(
        "s-stranger",
        "stranger",
        AT_PROVIDER,
        {"preferred_username": "stranger", "email": "lan@example.vn", "email_verified": False},
    ),
    Account("s-mail", "mail", AT_PROVIDER, {"email": "lan@example.vn", "email_verified": True}),
)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser was sent: the address at the provider, and what stands in it."""

    address: str

    def __getitem__(self, name: str) -> str:
        (value,) = parse_qs(urlsplit(self.address).query)[name]
        return value


async def begin(browser: httpx.AsyncClient, next_path: str = "") -> Begun:
    answer = await browser.get("/sign-in/openid", params={"next": next_path} if next_path else {})
    assert answer.status_code == 303, answer.text
    return Begun(answer.headers["location"])


async def at_provider(begun: Begun, login: str, *, press: str = "enter") -> str:
    """Do at the provider what its form asks for; the path, with its query, at which the browser comes back to us."""
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(begun.address)
        for _ in range(10):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if urlsplit(target).path == CALLBACK:
                    return f"{CALLBACK}?{urlsplit(target).query}"
                answer = await client.get(target)
            else:
                assert answer.status_code == 200, answer.text
                form = {"login": login, "password": AT_PROVIDER, "answer": press}
                answer = await client.post(answer.url, data=form)
    raise AssertionError(f"the provider goes in circles: {answer.url}")


async def come_back(browser: httpx.AsyncClient, path: str) -> httpx.Response:
    """The request of a browser that another site sends back here: without the Strict cookies."""
    return await browser.get(path, headers={"Sec-Fetch-Site": "cross-site", "Accept": "text/html"})


async def sign_in(browser: httpx.AsyncClient, login: str = "lan", *, next_path: str = "") -> httpx.Response:
    """The whole way: what the callback answers."""
    begun = await begin(browser, next_path)
    return await come_back(browser, await at_provider(begun, login))


def links(centre: Centre) -> list[tuple[str, str, str]]:
    """Issuer, subject and person of all links."""
    from sqlalchemy import select

    from ioc.store.schema import external_identities as table

    with centre.store.reading() as connection:
        query = select(table.c.issuer, table.c.subject, table.c.person).order_by(table.c.subject)
        return [(row.issuer, row.subject, row.person) for row in connection.execute(query)]
