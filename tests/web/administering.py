"""The web application over the small centre with people of every role, and browsers in which they are signed in."""

import asyncio
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final

import httpx

from ioc.model.access import Principal, Role, Visit, system_principal
from ioc.operations import access
from ioc.operations.access import Signed
from ioc.store.access import Person
from ioc.store.engine import Store
from ioc.web.administration.routes import PAGES
from tests.operations.rows import NOW
from tests.web.conftest import Web

ROOT: Final = system_principal("test")
HERE: Final = Visit("link", "203.0.113.7", "a test")
HOME: Final = "/administration"

# login, name, role, centres: `boss` administers everything, `head` one centre.
PEOPLE: Final = (
    ("boss", "Đặng Văn Quân", Role.ADMINISTRATOR, ("c-all", "c-d1", "c-d2")),
    ("head", "Phạm Thu Hà", Role.ADMINISTRATOR, ("c-d1",)),
    ("lan", "Trần Thị Lan", Role.OPERATOR, ("c-d1",)),
    ("minh", "Nguyễn Hoàng Minh", Role.LEADER, ("c-d2",)),
    ("vy", "Lê Thảo Vy", Role.VIEWER, ("c-d1",)),
    ("son", "Võ Sơn", Role.SUPERVISOR, ("c-d1",)),
)


@dataclass
class Desk:
    """Requests of people who are signed in; `who` is a login, "" for nobody."""

    web: Web
    signed: dict[str, Signed] = field(default_factory=dict)

    @classmethod
    def of(cls, web: Web) -> "Desk":
        for login, name, role, centres in PEOPLE:
            access.add_person(ROOT, web.rows.small.store, login=login, name=name, role=role, centres=centres, now=NOW)
        return cls(web)

    @property
    def store(self) -> Store:
        return self.web.rows.small.store

    def person(self, login: str) -> Person:
        return next(one for one in access.list_people(ROOT, self.store) if one.login == login)

    def principal(self, login: str) -> Principal:
        return access.principal_of(self.person(login))

    def session(self, login: str) -> Signed:
        if login not in self.signed:
            settings = self.web.rows.settings
            link = access.one_time_link(ROOT, self.store, settings, login=login, path="/", now=NOW)
            self.signed[login], _ = access.redeem(self.store, settings, token=link, visit=HERE, now=NOW)
        return self.signed[login]

    def cookies(self, who: str) -> dict[str, str]:
        return {"Cookie": f"ioc_session={self.session(who).token}"} if who else {}

    def get(self, path: str, who: str = "boss") -> httpx.Response:
        headers = {"Accept": "text/html", **self.cookies(who)}
        return asyncio.run(self.web.ask("GET", HOME + path, headers=headers))

    def post(
        self, path: str, who: str = "boss", *, csrf: str | None = None, from_site: str = "", **sent: Any
    ) -> httpx.Response:
        """Send a form. Its token is the session's own, unless another one is stated ("" for none)."""
        token = self.session(who).csrf if csrf is None else csrf
        data = {**sent, **({"csrf_token": token} if token else {})}
        headers = {"Origin": from_site or self.web.rows.settings.public_url, **self.cookies(who)}
        return asyncio.run(self.web.ask("POST", HOME + path, data=data, headers=headers))

    def path(self, login: str) -> str:
        return f"/people/{self.person(login).id}"


def places(desk: Desk, method: str) -> list[str]:
    """The paths of all pages of a method, about things that exist and that `boss` administers."""
    fills = {"person": desk.person("lan").id, "centre": "c-d1", "key": "source", "screen": "hall", "session": "s-x"}
    return [path.format(**fills) for known, path, _ in PAGES if known == method]


def text(page: httpx.Response) -> str:
    """What the page says, without its tags."""
    return unescape(re.sub(r"<[^>]+>", " ", page.text))


def secret(page: httpx.Response) -> str:
    """What the page shows this one time."""
    found = re.search(r'<output[^>]*id="secret"[^>]*>([^<]+)</output>', page.text)
    assert found is not None, page.text
    return unescape(found[1])
