"""Without a session or a key there is the sign-in page, or 401: on everything but what stands in OPEN."""

import asyncio
from collections.abc import Callable
from typing import Final

import pytest

from ioc.web.app import WebApp
from tests.access_matrix.conftest import Guarded
from tests.access_matrix.routes import found_routes, requests_to
from tests.access_matrix.wire import ACCEPTS_PAGES, Asked, ask

OPEN: Final = ("/healthz", "/readyz", "/sign-in")
"""What is answered to anybody: each path itself, and what stands below it. Nothing else may be."""


def is_open(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in OPEN)


async def answered_to_anybody(web: WebApp) -> tuple[int, set[str]]:
    """How much was asked, and which paths gave anything but 401 or the way to the sign-in page."""
    open_paths: set[str] = set()
    number = 0
    async with web.server.router.lifespan_context(web.server):
        for route in found_routes(web.app):
            if route.is_socket:
                continue
            for asked in {one.path: one for one in requests_to(route)}.values():
                for headers in ((), ACCEPTS_PAGES, ((b"cookie", b"ioc_session=guessed; ioc_csrf=guessed"),)):
                    number += 1
                    answer = await ask(web.app, asked, headers)
                    is_shown_in = answer.status == 303 and answer.header(b"location").startswith(b"/sign-in")
                    if answer.status != 401 and not is_shown_in and not _is_no_path(asked):
                        open_paths.add(asked.path)
    return number, open_paths


def _is_no_path(asked: Asked) -> bool:
    """A NUL in a path: the server would not have let it in."""
    return "\x00" in asked.path


@pytest.mark.slow
def test_nobody_gets_in_without_signing_in(guarded: Guarded, say: Callable[[str], None]) -> None:
    number, open_paths = asyncio.run(answered_to_anybody(guarded.build()))
    assert {path for path in open_paths if not is_open(path)} == set()
    for one in OPEN:
        assert any(path == one or path.startswith(f"{one}/") for path in open_paths), f"{one} is open no more"
    say(f"Without signing in: {number} requests, nothing answered but {', '.join(OPEN)}")
