"""What the gate lets in and refuses is entered in the audit: with ids, never with names or what was typed."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Message

from ioc.model.access import Permission
from ioc.model.audit import Entry, read_details
from ioc.operations.audit_verification import verify
from ioc.store import audit as rows
from tests.access.conftest import PASSWORD, ROOT, Centre

pytestmark = pytest.mark.anyio


async def entries(centre: Centre) -> list[Entry]:
    """All entries, once what was refused is entered too."""
    await centre.gate._refusal_log.write(is_last=True)
    with centre.store.reading() as connection:
        return list(rows.entries_in_order(connection))


async def newest(centre: Centre) -> Entry:
    return (await entries(centre))[-1]


@pytest.fixture
async def stranger(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.browser("198.51.100.4") as browser:
        yield browser


async def test_signing_in_and_out_is_entered_with_the_id_and_the_address(centre: Centre) -> None:
    async with centre.browser() as browser:
        await browser.post("/sign-in", data={"login": "lan", "password": PASSWORD})
        csrf = browser.cookies["ioc_csrf"]
        await browser.post("/sign-out", data={"csrf_token": csrf})
    signed_in, signed_out = (await entries(centre))[-2:]
    assert (signed_in.act, signed_out.act) == ("sign-in", "sign-out")
    assert signed_in.who == signed_out.who == signed_in.id
    assert signed_in.who.startswith("p-")
    assert signed_out.id.startswith("s-")
    assert read_details(signed_in) == {"way": "password"}
    assert signed_in.address == signed_out.address == "203.0.113.7"
    assert signed_in.centres == ",binh-duong,"


async def test_a_link_is_entered_when_it_is_made_and_when_it_is_used(centre: Centre) -> None:
    async with centre.signed_in():
        made, used = (await entries(centre))[-2:]
    assert (made.act, made.who, used.act) == ("link-made", "system:test", "sign-in")
    assert made.id == used.who
    assert read_details(used) == {"way": "link"}


async def test_a_wrong_password_is_entered_with_whom_it_was_tried_on(
    centre: Centre, stranger: httpx.AsyncClient
) -> None:
    await stranger.post("/sign-in", data={"login": "lan", "password": "wrong but long"})
    entry = await newest(centre)
    assert (entry.act, entry.who, entry.kind, entry.centres) == (
        *("sign-in-refused", "anonymous"),
        *("person", ",binh-duong,"),
    )
    assert entry.id.startswith("p-")
    assert entry.address == "198.51.100.4"
    assert read_details(entry) == {"count": 1, "method": "POST", "path": "/sign-in", "status": 403}


async def test_an_unknown_login_is_entered_without_what_was_typed(centre: Centre, stranger: httpx.AsyncClient) -> None:
    await stranger.post("/sign-in", data={"login": "my-secret-typed-here", "password": "another typed"})
    entry = await newest(centre)
    assert (entry.act, entry.kind, entry.id, entry.centres) == ("sign-in-refused", "", "", "")
    assert "typed" not in repr(await entries(centre))


async def test_tries_beyond_the_limit_are_counted(centre: Centre, stranger: httpx.AsyncClient) -> None:
    for _ in range(12):
        await stranger.post("/sign-in", data={"login": "nobody", "password": "wrong but long"})
    refused = [entry for entry in await entries(centre) if entry.act == "sign-in-refused"]
    assert sum(read_details(entry)["count"] for entry in refused) == 12
    assert len(refused) == 1


async def test_a_used_link_is_entered_without_its_token(centre: Centre, stranger: httpx.AsyncClient) -> None:
    token = centre.link()
    for _ in range(2):
        await stranger.post("/sign-in/once", data={"token": token})
    entry = await newest(centre)
    assert (entry.act, entry.who) == ("sign-in-refused", "anonymous")
    assert token not in repr(await entries(centre))


@pytest.mark.parametrize(("path", "status"), [("/api/v1/feeds/traffic/messages", 403), ("/raise/missing", 404)])
async def test_what_somebody_may_not_do_is_entered_with_who_they_are(
    centre: Centre, lan: httpx.AsyncClient, path: str, status: int
) -> None:
    headers = {"X-CSRFToken": lan.cookies["ioc_csrf"]}
    asked = lan.get(path) if status == 404 else lan.post(path, headers=headers)
    assert (await asked).status_code == status
    entry = await newest(centre)
    assert (entry.act, entry.address, entry.centres) == ("request-refused", "203.0.113.7", ",binh-duong,")
    assert entry.who.startswith("p-")
    assert (read_details(entry)["path"], read_details(entry)["status"]) == (path, status)


async def test_a_change_without_its_token_is_entered(centre: Centre, lan: httpx.AsyncClient) -> None:
    assert (await lan.post("/_dash-update-component")).status_code == 403
    entry = await newest(centre)
    assert (entry.act, read_details(entry)["path"]) == ("request-refused", "/_dash-update-component")


async def test_a_key_is_entered_by_its_name_and_an_unknown_one_as_nobody(centre: Centre) -> None:
    known = centre.key("s1", may=frozenset({Permission.READ}), feeds=frozenset(), centres=frozenset({"ben-cat"}))
    async with centre.browser() as client:
        for key in (known, "ioc_guessed"):
            headers = {"Authorization": f"Bearer {key}"}
            await client.post("/api/v1/feeds/traffic/messages", headers=headers)
    refused = [entry for entry in await entries(centre) if entry.act == "request-refused"]
    assert [(entry.who, entry.centres, read_details(entry)["status"]) for entry in refused] == [
        ("s1", ",ben-cat,", 403),
        ("anonymous", "", 401),
    ]
    assert "guessed" not in repr(refused)


async def test_who_only_has_no_session_yet_is_not_entered(centre: Centre, browser: httpx.AsyncClient) -> None:
    before = len(await entries(centre))
    assert (await browser.get("/api/v1/units")).status_code == 401
    assert (await browser.get("/wall/ben-cat", headers={"Accept": "text/html"})).status_code == 303
    assert len(await entries(centre)) == before


async def test_a_page_that_does_not_exist_is_no_refusal(centre: Centre, lan: httpx.AsyncClient) -> None:
    before = len(await entries(centre))
    assert (await lan.get("/nowhere")).status_code == 404
    assert (await lan.get("/who")).status_code == 200
    assert len(await entries(centre)) == before


async def test_refusals_are_entered_when_the_program_ends(centre: Centre, stranger: httpx.AsyncClient) -> None:
    await stranger.post("/sign-in", data={"login": "lan", "password": "wrong but long"})
    events = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

    async def receive() -> Message:
        return next(events)

    async def send(_message: Message) -> None:
        return

    await centre.gate({"type": "lifespan", "state": {}}, receive, send)
    with centre.store.reading() as connection:
        assert list(rows.entries_in_order(connection))[-1].act == "sign-in-refused"


async def test_what_administrators_do_on_a_page_is_entered_with_their_address(centre: Centre) -> None:
    async with centre.signed_in() as browser:
        csrf = browser.cookies["ioc_csrf"]
        await browser.post("/sign-in/sessions", data={"csrf_token": csrf, "end": "others"})
    ended = [entry for entry in await entries(centre) if entry.act == "session-ended"]
    assert [entry.address for entry in ended] == ["203.0.113.7"]


async def test_all_of_it_is_one_chain_that_verifies(centre: Centre, lan: httpx.AsyncClient) -> None:
    await lan.post("/_dash-update-component")
    found = await entries(centre)
    verdict = verify(ROOT, centre.store)
    assert (verdict.broken, verdict.count) == (None, len(found))
    assert "Trần" not in repr(found)
