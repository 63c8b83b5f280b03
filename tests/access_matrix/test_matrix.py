"""Every route, callback and live topic of the running application, asked by everybody for every place."""

import asyncio
from collections.abc import Callable

import pytest

from tests.access_matrix.callbacks import dash_of
from tests.access_matrix.canaries import foreign_rows
from tests.access_matrix.conftest import Guarded
from tests.access_matrix.everybody import NOBODY
from tests.access_matrix.matrix import (
    Findings,
    ask_callbacks,
    ask_routes,
    callbacks_of,
    pathnames_of,
    people_who_ask,
)
from tests.access_matrix.routes import READS, found_routes
from tests.access_matrix.streams import listen_to_all

VIEWER = "viewer of own"
ADMINISTRATOR = "administrator of own"
ON_POSTGRES = (VIEWER, ADMINISTRATOR, "leader of foreign", "person without a centre", "reading key")
"""Of these one of each kind: what differs on PostgreSQL is the store alone."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nobody_gets_a_byte_of_what_is_not_theirs(
    guarded: Guarded, say: Callable[[str], None], database: str | None
) -> None:
    findings = Findings()
    everybody = [one for one in guarded.everybody if database is None or one.name in ON_POSTGRES]

    async def running() -> None:
        web = guarded.build()
        async with guarded.running(web) as held:
            people = people_who_ask(everybody, held)
            routes = found_routes(web.app)
            await ask_routes(web, [one for one in routes if one.method in READS], people, findings)
            callbacks = await callbacks_of(web, held[VIEWER])
            assert {one.output for one in callbacks} == set(dash_of(web).callback_map), "a browser is told of all"
            pathnames = await pathnames_of(web, routes, held[VIEWER])
            await ask_callbacks(web, callbacks, pathnames, people, findings)
            assert findings.streams, "no live topic was found"
            opened = await listen_to_all(web, guarded.store, tuple(findings.streams.values()), people, findings)
            say(f"Access matrix: {opened} live streams were open while every place was told anew")
            before = foreign_rows(guarded.store)
            changing = [one for one in routes if one.method not in READS]
            # Last whoever has the right to shut the others out.
            for who in sorted([*everybody, NOBODY], key=lambda one: one.name == ADMINISTRATOR):
                # Anew for each: what the one before them may do can end sessions.
                anew = people_who_ask(everybody, await guarded.sign_in(web))
                await ask_routes(web, changing, {who: anew[who]}, findings)
                assert foreign_rows(guarded.store) == before, f"{who.name} changed what is not theirs"

    asyncio.run(running())
    say(f"Access matrix on {'SQLite' if database is None else 'PostgreSQL'}: {findings}")
    findings.check()
    for part in ("api", "_dash-update-component", "live", "panels"):
        assert findings.shown[part], f"nobody was shown anything by /{part}: the matrix looks at nothing"
