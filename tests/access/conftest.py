"""A centre behind its gate: a real store, a small application, and a clock that the test turns."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI, Request, WebSocket
from sqlalchemy import insert
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from ioc import logs
from ioc.errors import InvalidMessage, NotFound, StoreError, TooMany
from ioc.model.access import Permission, Principal, Role, Visit, system_principal
from ioc.model.origins import Origin
from ioc.operations import access
from ioc.operations.keys import NewKey, add_key
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.store.schema import centres, metadata, provinces
from ioc.web.gate import Gate, current_principal, require
from ioc.web.refusals import install_errors
from tests.databases import copy_database, drop_database, new_database

ROOT = system_principal("test")
PASSWORD = "một mật khẩu dài"
HERE = Visit("password", "::1", "a test")
NOON = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is turned."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Centre:
    """What a test has at hand: settings, store, clock, the application and its gate."""

    settings: Settings
    store: Store
    clock: Clock
    app: FastAPI
    gate: Gate
    asked: list[str] = field(default_factory=list)

    def browser(self, address: str = "203.0.113.7") -> httpx.AsyncClient:
        """A client with a cookie jar, and the headers that a browser's script on our own page sends."""
        transport = httpx.ASGITransport(self.gate, client=(address, 50_000))
        return httpx.AsyncClient(
            transport=transport, base_url=self.settings.public_url, headers={"Origin": self.settings.public_url}
        )

    def link(self, login: str = "lan", path: str = "/wall/binh-duong") -> str:
        return access.one_time_link(ROOT, self.store, self.settings, login=login, path=path, now=self.clock.now)

    @asynccontextmanager
    async def signed_in(self, login: str = "lan") -> AsyncIterator[httpx.AsyncClient]:
        """A browser in which that person is signed in."""
        async with self.browser() as browser:
            answer = await browser.post("/sign-in/once", data={"token": self.link(login)})
            assert answer.status_code == 303
            yield browser

    def key(self, name: str = "source", **rights: object) -> str:
        stated: dict[str, object] = {
            "may": frozenset({Permission.SEND}),
            "feeds": frozenset({"traffic"}),
            "origin": Origin.LIVE,
        }
        new = NewKey(name=name, **{**stated, **rights})  # type: ignore[arg-type]
        return add_key(ROOT, self.store, self.settings, new, now=self.clock.now)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def make_settings(tmp_path: Path, store_url: str) -> Callable[..., Settings]:
    def make(**changed: str) -> Settings:
        stands = {"IOC_DATA": str(tmp_path), "IOC_STORE": store_url}
        environ = {**stands, **{f"IOC_{name.upper()}": value for name, value in changed.items()}}
        return Settings.load(environ, folder=tmp_path)

    return make


@pytest.fixture(scope="session")
def first_store(tmp_path_factory: pytest.TempPathFactory, database: str | None) -> str:
    """A store with two centres and two people, made once: hashing a password is slow on purpose."""
    url = new_database(tmp_path_factory.mktemp("store"), database)
    made = Store.open(url)
    metadata.create_all(made.engine)
    with made.writing() as connection:
        row = {"id": "p", "title_vi": "P", "title_en": "P", "timezone": "UTC", "digest": "", "loaded_at": 0}
        connection.execute(insert(provinces).values(row))
        for centre in ("binh-duong", "ben-cat"):
            connection.execute(insert(centres).values(id=centre, province="p", title_vi=centre, title_en=centre))
    lan = {"login": "lan", "name": "Trần Thị Lan", "role": Role.OPERATOR, "centres": ["binh-duong"]}
    access.add_person(ROOT, made, **lan, password=PASSWORD, password_stays=True, now=NOON)  # type: ignore[arg-type]
    boss = {"login": "quan.tri", "name": "Quản trị", "role": Role.ADMINISTRATOR, "centres": ["ben-cat"]}
    access.add_person(ROOT, made, **boss, now=NOON)  # type: ignore[arg-type]
    made.close()
    return url


@pytest.fixture
def store_url(first_store: str, tmp_path: Path) -> Iterator[str]:
    url = copy_database(first_store, tmp_path)
    yield url
    drop_database(url)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url)
    yield opened
    opened.close()


@pytest.fixture
def log_text() -> Iterator[io.StringIO]:
    """Everything that is logged, as the programs of the centre log it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("test", level="debug", form="json", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def make_centre(make_settings: Callable[..., Settings], store: Store) -> Callable[..., Centre]:
    def make(**changed: str) -> Centre:
        settings = make_settings(**changed)
        clock = Clock()
        asked: list[str] = []
        app = application(asked)
        gate = Gate(app, settings=settings, store=store, clock=clock, script_hashes=("'sha256-abc='",))
        return Centre(settings, store, clock, app, gate, asked)

    return make


@pytest.fixture
def centre(make_centre: Callable[..., Centre]) -> Centre:
    return make_centre()


@pytest.fixture
async def browser(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.browser() as anonymous:
        yield anonymous


@pytest.fixture
async def lan(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of an operator who is signed in."""
    async with centre.signed_in() as browser:
        yield browser


def application(asked: list[str]) -> FastAPI:
    """An application with one route of each kind; `asked` tells which requests got through to it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    install_errors(app)
    errors = {
        "store": StoreError("no such table: people /var/lib/secret.db"),
        "missing": NotFound("There is no such thing: ask for another."),
        "message": InvalidMessage("speed must be a number."),
        "often": TooMany("Too many.", retry_after_s=7.2),
        "bug": RuntimeError("secret-inside"),
    }

    @app.get("/healthz")
    async def health() -> Response:
        return PlainTextResponse("ok")

    @app.get("/wall/{place}")
    async def page(place: str) -> Response:
        asked.append(place)
        return HTMLResponse(f"<p>{place}</p>")

    @app.get("/who")
    async def who(request: Request) -> dict[str, object]:
        principal = current_principal.get()
        assert principal is request.state.principal
        return {"id": None if principal is None else principal.id}

    @app.get("/api/v1/units")
    async def units(principal: Annotated[Principal, Depends(require(Permission.READ))]) -> dict[str, str]:
        return {"who": principal.name}

    @app.post("/api/v1/feeds/{feed}/messages")
    async def intake(
        feed: str, request: Request, principal: Annotated[Principal, Depends(require(Permission.SEND))]
    ) -> dict[str, int]:
        access.check_may_send(principal, feed)
        return {"bytes": len(await request.body())}

    @app.post("/_dash-update-component")
    async def callback(request: Request) -> dict[str, int]:
        asked.append("callback")
        return {"bytes": len(await request.body())}

    @app.post("/read-badly")
    async def read_badly(request: Request) -> dict[str, str]:
        try:
            await request.body()
        except Exception:  # noqa: BLE001 - an application that hides every error
            return {"all": "well"}
        return {"all": "read"}

    @app.get("/raise/{kind}")
    async def fails(kind: str) -> None:
        raise errors[kind]

    @app.get("/live")
    async def live() -> Response:
        async def ticks() -> AsyncIterator[bytes]:
            for number in range(1_000):
                asked.append("tick")
                yield f"data: {number}\n\n".encode()
                await asyncio.sleep(0)

        return StreamingResponse(ticks(), media_type="text/event-stream")

    @app.get("/half")
    async def half() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("secret-inside")

        return StreamingResponse(parts())

    @app.websocket("/_dash-ws-callback")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        asked.append("socket")
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return app
