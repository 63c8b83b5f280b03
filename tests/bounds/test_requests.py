"""How large a request may be, how many may wait, and what the sender is told at each bound."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from ioc.errors import BadRequest, TooMany
from ioc.model.access import Permission
from ioc.model.origins import Origin
from ioc.operations.intake import MOST_COMMAS, MOST_LINES, MOST_MESSAGES, split_array, split_lines
from ioc.operations.keys import NewKey, add_key
from ioc.operations.places import Asked
from ioc.operations.views import View
from ioc.settings import Settings
from ioc.web import intake_api, live
from ioc.web.throttle import BODIES, WaitingBodies
from tests.operations.rows import NOW, sender
from tests.operations.test_intake import log, traffic
from tests.web.conftest import ROOT, Web

ROUTE = "/api/v1/feeds/traffic/messages"
LARGEST = 65_536
WHO = sender("traffic")


@pytest.fixture
def waiting() -> WaitingBodies:
    return WaitingBodies(Settings.load({"IOC_MAX_BODY_BYTES": str(LARGEST), "IOC_MAX_MESSAGE_BYTES": "1024"}))


def test_one_key_may_take_half_of_the_room_and_gives_it_back(waiting: WaitingBodies) -> None:
    half = BODIES * LARGEST // 2
    with waiting.room_for(WHO, half), pytest.raises(TooMany), waiting.room_for(WHO, 1):
        pass
    with pytest.raises(KeyError), waiting.room_for(WHO, half):
        raise KeyError("whatever became of the request")
    with waiting.room_for(WHO, half):
        pass


def test_all_keys_together_share_the_room(waiting: WaitingBodies) -> None:
    third = BODIES * LARGEST // 3
    one, two, three, four = (replace(WHO, id=name) for name in ("one", "two", "three", "four"))
    with waiting.room_for(one, third), waiting.room_for(two, third), waiting.room_for(three, third):
        with pytest.raises(TooMany), waiting.room_for(four, third):
            pass
        with waiting.room_for(four, 2):
            pass


def test_bodies_that_do_not_end_leave_room_for_others_and_are_answered(web: Web) -> None:
    slow, quick = (_key(web, name) for name in ("slow", "quick"))
    half = BODIES // 2  # without a stated length each counts as one of the largest

    async def run() -> tuple[list[int], httpx.Response, int]:
        begun, all_begun, go_on = 0, asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            nonlocal begun
            yield b"["
            begun += 1
            if begun == half:
                all_begun.set()
            await go_on.wait()
            yield traffic("a1") + b"]"

        held = [asyncio.create_task(web.ask("POST", ROUTE, headers=slow, content=body())) for _ in range(half)]
        await all_begun.wait()
        refused = await web.ask("POST", ROUTE, headers=slow, content=body())
        other = await web.ask("POST", ROUTE, headers=quick, content=traffic("a2"))
        go_on.set()
        return [one.status_code for one in await asyncio.gather(*held)], refused, other.status_code

    held, refused, other = asyncio.run(run())
    assert (held, refused.status_code, other) == ([202] * half, 429, 202)
    assert "wait for answers" in refused.json()["error"]
    assert int(refused.headers["Retry-After"]) >= 1
    assert len(log(web.rows)) == half + 1


def _key(web: Web, name: str) -> dict[str, str]:
    key = NewKey(name, Origin.LIVE, frozenset({Permission.SEND}), feeds=frozenset({"traffic"}))
    token = add_key(ROOT, web.rows.small.store, web.rows.settings, key, now=NOW)
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def test_a_body_that_does_not_come_is_given_up(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_api, "BODY_S", 0.01)

    async def never() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    answer = asyncio.run(web.ask("POST", ROUTE, headers=_key(web, "slow"), content=never()))
    assert answer.status_code == 408
    assert "did not come" in answer.json()["error"]
    assert asyncio.run(web.ask("POST", ROUTE, headers=_key(web, "quick"), content=traffic("a1"))).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * MOST_COMMAS + b"1,1]",
        b"[" + b"," * (MOST_COMMAS + 1) + b"]",
        b"[" + b"1," * MOST_MESSAGES + b"1]",
        b"[" + b"NaN," * MOST_MESSAGES + b"NaN]",
    ],
    ids=["numbers", "commas", "messages", "no JSON"],
)
def test_a_body_of_too_many_messages_is_refused_before_it_fills_the_memory(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"send (at most|less)"):
        split_array(body)


def test_a_body_of_too_many_lines_is_refused() -> None:
    with pytest.raises(BadRequest, match="send less"):
        split_lines(b"\n" * (MOST_LINES + 1))
    assert len(split_lines(b"{}\n\n" * MOST_MESSAGES)) == MOST_MESSAGES


def test_as_many_messages_as_are_allowed_are_taken() -> None:
    assert len(split_array(b"[" + b"{}," * (MOST_MESSAGES - 1) + b"{}]")) == MOST_MESSAGES


def test_a_server_that_serves_as_many_screens_as_it_can_says_so(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_SUBSCRIBERS", 2)
    view = View.from_id("wall:c-all")

    async def run() -> None:
        with web.rows.province.reading_own() as (_, atlas):
            centre = atlas.find(ROOT, Asked(centre="c-all"), atlas.day(int(NOW.timestamp() * 1000)))
        first, _second = [await web.made.live.subscribe(view, centre) for _ in range(2)]
        with pytest.raises(TooMany, match="screens") as refused:
            await web.made.live.subscribe(view, centre)
        assert refused.value.retry_after_s >= 5
        web.made.live.unsubscribe(view, first)
        await web.made.live.subscribe(view, centre)

    asyncio.run(run())
