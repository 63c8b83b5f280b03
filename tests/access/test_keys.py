"""API keys: where they are good, what they may do, and when they stop."""

from collections.abc import Callable

import httpx
import pytest

from ioc.errors import BadRequest, NotFound, Refused, UnknownPlace
from ioc.model.access import Permission, system_principal
from ioc.model.origins import Origin
from ioc.operations import access, keys
from ioc.operations.keys import NewKey, add_key, list_keys, principal_of_key, revoke_key
from tests.access.conftest import NOON, ROOT, Centre
from tests.databases import everything

pytestmark = pytest.mark.anyio
SEND = frozenset({Permission.SEND})
READ = frozenset({Permission.READ})
TRAFFIC = frozenset({"traffic"})


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def sender(centre: Centre) -> httpx.AsyncClient:
    """A source system: no cookies, no Origin."""
    client = centre.browser()
    del client.headers["Origin"]
    return client


async def test_a_key_sends_without_csrf_or_origin(centre: Centre, sender: httpx.AsyncClient) -> None:
    answer = await sender.post("/api/v1/feeds/traffic/messages", content=b"[]", headers=bearer(centre.key()))
    assert answer.json() == {"bytes": 2}


async def test_a_key_of_another_feed_is_refused(centre: Centre, sender: httpx.AsyncClient) -> None:
    answer = await sender.post("/api/v1/feeds/dossiers/messages", content=b"[]", headers=bearer(centre.key()))
    assert answer.status_code == 403
    assert "dossiers" in answer.json()["error"]


async def test_a_key_that_may_only_send_does_not_read(centre: Centre, sender: httpx.AsyncClient) -> None:
    assert (await sender.get("/api/v1/units", headers=bearer(centre.key()))).status_code == 403


async def test_a_key_that_may_only_read_does_not_send(centre: Centre, sender: httpx.AsyncClient) -> None:
    key = centre.key(may=READ, centres=frozenset({"ben-cat"}), feeds=frozenset())
    assert (await sender.get("/api/v1/units", headers=bearer(key))).json() == {"who": "source"}
    assert (await sender.post("/api/v1/feeds/traffic/messages", headers=bearer(key))).status_code == 403


@pytest.mark.parametrize("path", ["/who", "/wall/binh-duong", "/live", "/_dash-layout", "/api/v2/x", "/apiv1"])
async def test_a_key_is_good_for_the_api_only(centre: Centre, sender: httpx.AsyncClient, path: str) -> None:
    assert (await sender.get(path, headers=bearer(centre.key()))).status_code == 401
    assert centre.asked == []


async def test_a_key_beside_a_cookie_is_refused(centre: Centre, lan: httpx.AsyncClient) -> None:
    answer = await lan.get("/api/v1/units", headers=bearer(centre.key()))
    assert answer.status_code == 400


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic abc", "Bearer " + "x" * 5_000, "bearer \xff"])
async def test_what_is_no_key_is_401(sender: httpx.AsyncClient, header: str) -> None:
    answer = await sender.get("/api/v1/units", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_two_authorization_headers_are_refused(centre: Centre, sender: httpx.AsyncClient) -> None:
    one = ("Authorization", f"Bearer {centre.key()}")
    answer = await sender.get("/api/v1/units", headers=[one, one])
    assert answer.status_code == 400


async def test_a_revoked_key_stops_within_five_seconds(centre: Centre, sender: httpx.AsyncClient) -> None:
    key = bearer(centre.key())
    path = "/api/v1/feeds/traffic/messages"
    assert (await sender.post(path, headers=key)).status_code == 200
    revoke_key(ROOT, centre.store, name="source", now=centre.clock.now)
    centre.clock.turn(5)
    assert (await sender.post(path, headers=key)).status_code == 401


async def test_a_replaced_key_stops_and_the_new_one_works(centre: Centre) -> None:
    before = centre.key()
    new = NewKey("source", Origin.LIVE, SEND, feeds=TRAFFIC)
    with pytest.raises(BadRequest, match="exists already"):
        add_key(ROOT, centre.store, centre.settings, new, now=NOON)
    after = add_key(ROOT, centre.store, centre.settings, new, now=NOON, replace_existing=True)
    assert principal_of_key(centre.store, before, centre.settings) is None
    principal = principal_of_key(centre.store, after, centre.settings)
    assert principal is not None
    assert (principal.id, principal.feeds, principal.origin) == ("source", TRAFFIC, Origin.LIVE)


async def test_production_refuses_simulated_data(centre: Centre, make_centre: Callable[..., Centre]) -> None:
    key = centre.key(origin=Origin.SIMULATED)
    strict = make_centre(production="true", public_url="https://ioc.example.vn")
    async with strict.browser() as sender:
        answer = await sender.post("/api/v1/feeds/traffic/messages", headers=bearer(key))
        assert answer.status_code == 403
        assert "simulated" in answer.json()["error"]
    with pytest.raises(Refused, match="simulated"):
        strict.key("another", origin=Origin.SIMULATED)


@pytest.mark.parametrize(
    ("new", "kind", "says"),
    [
        (NewKey("x", Origin.LIVE, SEND, feeds=TRAFFIC), BadRequest, "name"),
        (NewKey("Sở GTVT", Origin.LIVE, SEND, feeds=TRAFFIC), BadRequest, "name"),
        (NewKey("source", Origin.LIVE, frozenset()), BadRequest, "--may"),
        (NewKey("source", Origin.LIVE, frozenset({Permission.ADMINISTER})), BadRequest, "--may"),
        (NewKey("source", Origin.LIVE, SEND), BadRequest, "--feeds"),
        (NewKey("source", Origin.LIVE, SEND, feeds=frozenset({"weather"})), BadRequest, "traffic"),
        (NewKey("source", Origin.LIVE, READ), BadRequest, "--centres"),
        (NewKey("source", Origin.LIVE, READ, centres=frozenset({"ha-noi"})), UnknownPlace, "ben-cat"),
        (NewKey("source", Origin.LIVE, SEND, feeds=TRAFFIC, units=frozenset({"vn-1"})), UnknownPlace, "vn-1"),
    ],
)
async def test_a_key_that_would_make_no_sense_is_not_made(
    centre: Centre, new: NewKey, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        add_key(ROOT, centre.store, centre.settings, new, now=NOON)
    assert list_keys(ROOT, centre.store) == ()


async def test_only_administrators_make_list_and_revoke_keys_within_their_centres(centre: Centre) -> None:
    people = {person.login: access.principal_of(person) for person in access.list_people(ROOT, centre.store)}
    lan, boss = people["lan"], people["quan.tri"]
    new = NewKey("source", Origin.LIVE, READ, centres=frozenset({"ben-cat"}))
    with pytest.raises(Refused):
        add_key(lan, centre.store, centre.settings, new, now=NOON)
    add_key(boss, centre.store, centre.settings, new, now=NOON)
    elsewhere = NewKey("other", Origin.LIVE, READ, centres=frozenset({"binh-duong"}))
    with pytest.raises(Refused):
        add_key(boss, centre.store, centre.settings, elsewhere, now=NOON)
    add_key(ROOT, centre.store, centre.settings, elsewhere, now=NOON)
    with pytest.raises(Refused):
        revoke_key(boss, centre.store, name="other", now=NOON)
    with pytest.raises(Refused):
        list_keys(lan, centre.store)
    assert [key.name for key in list_keys(boss, centre.store)] == ["source"]
    assert [key.name for key in list_keys(ROOT, centre.store)] == ["other", "source"]
    with pytest.raises(NotFound):
        revoke_key(ROOT, centre.store, name="nothing", now=NOON)


async def test_the_store_holds_only_hashes(centre: Centre) -> None:
    key, link = centre.key(), centre.link()
    async with centre.signed_in() as browser:
        session = browser.cookies["ioc_session"]
    content = "\n".join(everything(centre.store))
    for secret in (key, key.removeprefix(keys.KEY_PREFIX), link, session):
        assert secret not in content


async def test_may_send_is_decided_by_permission_and_feed() -> None:
    access.check_may_send(system_principal("jobs"), "anything")
