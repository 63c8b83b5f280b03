"""Anybody can call any callback with anything: tens of thousands of crafted payloads, by people of two centres."""

import asyncio
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.access_matrix.callbacks import UPDATE, Callback
from tests.access_matrix.conftest import ON_SQLITE, Guarded
from tests.access_matrix.everybody import NOBODY
from tests.access_matrix.matrix import Findings, callbacks_of, pathnames_of, people_who_ask
from tests.access_matrix.payloads import Payloads
from tests.access_matrix.routes import found_routes
from tests.access_matrix.wire import Asked, ask

NUMBER: Final = 1_000_000 if os.environ.get("IOC_PROVE") else 20_000
SEED: Final = 20261122
MOST_GROWTH: Final = 150_000_000
"""Bytes that the process may grow by after the first tenth of the payloads, which fills what is kept."""

CALLERS: Final = ("viewer of own", "administrator of own", "leader of foreign", "person without a centre")


def _held() -> int:
    """The bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@ON_SQLITE
def test_no_crafted_call_breaks_anything_or_shows_what_is_foreign(guarded: Guarded, say: Callable[[str], None]) -> None:
    findings = Findings()
    growth = 0

    async def calling() -> None:
        nonlocal growth
        web = guarded.build()
        async with guarded.running(web) as held:
            everybody = people_who_ask(guarded.everybody, held)
            callers = [one for one in everybody if one.name in CALLERS or one is NOBODY]
            callbacks = await callbacks_of(web, held[CALLERS[0]])
            pathnames = await pathnames_of(web, found_routes(web.app), held[CALLERS[0]])
            payloads = Payloads(callbacks, pathnames, SEED)
            first = _held()
            for at in range(NUMBER):
                if at % (NUMBER // 100) == 0:
                    first = _held() if at <= NUMBER // 10 else first
                    growth = max(growth, _held() - first)
                asked, who = payloads.next(), callers[at % len(callers)]
                findings.look(who, asked, await ask(web.app, asked, everybody[who]))

    asyncio.run(calling())
    by_status = ", ".join(f"{count} × {status}" for status, count in sorted(findings.statuses.items()))
    say(f"Crafted calls: {findings.asked} ({by_status}); {len(findings.leaks)} with foreign bytes, "
        f"{len(findings.failures)} answers of 500; memory grew by {growth / 1e6:.0f} MB")  # fmt: skip
    findings.check()
    assert findings.asked == NUMBER
    assert findings.statuses[200] > NUMBER // 50, "hardly any call got through: the payloads are bent too far"
    assert findings.statuses[400] > NUMBER // 50
    assert growth < MOST_GROWTH


@pytest.mark.slow
@ON_SQLITE
def test_no_socket_takes_calls(guarded: Guarded) -> None:
    """Dash's WebSocket for callbacks passes by the middleware that others rely on: here there is none."""

    async def looking() -> None:
        web = guarded.build()
        async with guarded.running(web):
            assert [str(one) for one in found_routes(web.app) if one.is_socket] == []

    asyncio.run(looking())


def test_the_generator_makes_the_same_payloads_again() -> None:
    callbacks = [Callback("a.children", (("b", "pathname"),), (("c", "value"),))]
    first, second = Payloads(callbacks, ("/",), SEED), Payloads(callbacks, ("/",), SEED)
    made = [first.next() for _ in range(300)]
    assert made == [second.next() for _ in range(300)]
    assert len({one.body for one in made}) > 200
    assert sum(isinstance(_read(one), dict) for one in made) > 150
    assert {one.path for one in made} == {UPDATE}


def _read(asked: Asked) -> object:
    try:
        return json.loads(asked.body)
    except (ValueError, RecursionError):
        return None
