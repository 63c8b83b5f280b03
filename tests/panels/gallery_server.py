"""The pages on loopback with an invented province behind them: to look at, and for the browser tests.

    python -m tests.panels.gallery_server [PORT] [--scene busy|silent|empty] [--moving]

Stands in for the gate and the live stream only as far as a page needs them: one principal, cookies for CSRF, the
content security policy that the gate sends, `/live` with snapshots, changes and ticks.
"""

import argparse
import asyncio
import itertools
import json
import secrets
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ioc.errors import NotFound, Refused
from ioc.model.access import Kind, Permission, Principal
from ioc.panels.app import CSRF_COOKIE, csp_script_hashes, mount
from ioc.panels.document import View
from ioc.settings import Settings
from tests.panels import factories

VIEWER = Principal(
    Kind.PERSON, "person:1", "viewer", frozenset({Permission.READ}), frozenset({"binh-duong", "ben-cat", "di-an"})
)
current: ContextVar[Principal | None] = ContextVar("current", default=None)

Clock = Callable[[], datetime]


class Gate:
    """Sets the principal the way the real gate does: in a pure ASGI layer, before everything else."""

    def __init__(self, app: ASGIApp, gallery: "Gallery") -> None:
        self._app = app
        self._gallery = gallery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (
                    "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; "
                    f"script-src 'self' {' '.join(self._gallery.hashes)}; style-src 'self' 'unsafe-inline'; "
                    "img-src 'self' data: blob:; worker-src blob:; connect-src 'self'"
                )
                token = secrets.token_urlsafe(8)
                message["headers"] += [
                    (b"content-security-policy", policy.encode()),
                    (b"set-cookie", f"{CSRF_COOKIE}={token}; Path=/".encode()),
                ]
            await send(message)

        token = current.set(self._gallery.principal)
        try:
            await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
        finally:
            current.reset(token)


class Gallery:
    """The server's state: which documents it shows, and what it sends next. Tests change it while it runs."""

    def __init__(self, scene: str = "busy", now: Clock = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.scene = scene
        self.principal = VIEWER
        self.hashes: tuple[str, ...] = ()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.streams: set[asyncio.Queue[tuple[str, dict[str, Any]]]] = set()
        self.callback_headers: list[dict[str, str]] = []
        self.tick = 5.0
        self.app = self._app()

    def document(self, principal: Principal, page: str, centre: str) -> View:
        if centre not in {one.id for one in factories.centres()}:
            raise NotFound("no such centre")
        if centre not in principal.centres:
            raise Refused(f"{principal.name} may not see {centre}.")
        return factories.VIEWS[self.scene](page, centre, self.now())

    def send(self, change: dict[str, Any]) -> None:
        """Push one `change` event to every open page."""
        self._push("change", {"at": self.now().isoformat(), **change})

    def _push(self, event: str, body: dict[str, Any]) -> None:
        assert self.loop is not None
        for queue in list(self.streams):
            self.loop.call_soon_threadsafe(queue.put_nowait, (event, body))

    async def _live(self, view: str) -> AsyncIterator[str]:
        page, _, centre = view.partition(":")
        queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        self.streams.add(queue)
        n = 1
        try:
            yield _event("snapshot", {**self.document(VIEWER, page, centre), "n": n})
            while True:
                try:
                    event, body = await asyncio.wait_for(queue.get(), self.tick)
                except TimeoutError:
                    yield _event("tick", {"at": self.now().isoformat()})
                    continue
                n = body.get("n", n + 1)
                yield _event(event, {**body, "n": n})
        finally:
            self.streams.discard(queue)

    def _app(self) -> FastAPI:
        server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

        @server.get("/live")
        async def live(view: str) -> StreamingResponse:
            return StreamingResponse(self._live(view), media_type="text/event-stream")

        @server.middleware("http")
        async def note_callbacks(request: Request, call_next: Any) -> Any:
            if request.url.path == "/_dash-update-component":
                self.callback_headers.append(dict(request.headers))
            return await call_next(request)

        @server.get("/healthz")
        async def health() -> JSONResponse:
            return JSONResponse({"alive": True})

        app = mount(
            server,
            Settings.load({}),
            principal=_principal,
            views=self.document,
            centres=lambda who: [one for one in factories.centres() if one.id in who.centres],
            places=factories.places,
            kpis=factories.KPIS,
            feeds=factories.FEEDS,
            now=self.now,
        )
        self.hashes = csp_script_hashes(app)
        server.add_middleware(Gate, gallery=self)
        return server


def _principal() -> Principal:
    who = current.get()
    assert who is not None, "a callback ran outside the request's context"
    return who


def _event(name: str, body: dict[str, Any]) -> str:
    return f"event: {name}\nid: {body.get('n', '')}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"


@contextmanager
def serving(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """The application on a free port of loopback; yields its address, and is gone afterwards."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1, ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    started = threading.Event()
    while not server.started and thread.is_alive():
        started.wait(0.01)
    listening = server.servers[0].sockets[0].getsockname()
    try:
        yield f"http://127.0.0.1:{listening[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def _move(gallery: Gallery, stop: threading.Event) -> None:
    """Speeds and counts that wander, once a second."""
    for i in itertools.count(1):
        if stop.wait(1.0):
            return
        now = gallery.now()
        fresh = factories.view(now=now)
        speed = {**fresh["cards"][0], "value": round(27.4 + (i % 40) / 10, 1)}
        last = fresh["trend"]["points"][-1]
        gallery.send({"cards": [speed], "trend": {"points": [(last[0], speed["value"], False)]}})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("port", type=int, nargs="?", default=8051)
    parser.add_argument("--scene", choices=sorted(factories.VIEWS), default="busy")
    parser.add_argument("--moving", action="store_true")
    asked = parser.parse_args()
    gallery = Gallery(asked.scene)
    stop = threading.Event()
    with serving(gallery.app, asked.port) as address:
        print(f"{address}/wall/binh-duong  {address}/centre/ben-cat  {address}/leader/binh-duong")
        try:
            _move(gallery, stop) if asked.moving else stop.wait()
        except KeyboardInterrupt:
            stop.set()
    return 0


if __name__ == "__main__":
    sys.exit(main())
