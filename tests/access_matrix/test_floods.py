"""Floods of wrong passwords and connections that never finish a sentence: the program serves others meanwhile."""

import http.client
import itertools
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from ioc.operations.access import one_time_link
from ioc.processes.slow_clients import TimelyProtocol
from tests.access_matrix.canaries import MARKS, OWN, ROOT
from tests.access_matrix.conftest import ON_SQLITE, Guarded
from tests.access_matrix.wire import FORM
from tests.streams.small_centre import STORE_URL
from tests.waiting import eventually
from tests.web.test_program import running

TRIES: Final = 2_000
ADDRESSES: Final = 8
SLOW: Final = 200
OTHERS: Final = 100
"""Requests of others that must be answered while it goes on, at least."""

AT_ONCE: Final = 4


@pytest.fixture
def folder(guarded: Guarded) -> Path:
    folder = guarded.settings.data
    (folder / STORE_URL).write_text(guarded.settings.store)
    return folder


@pytest.fixture
def token(guarded: Guarded) -> str:
    return next(one.key for one in guarded.everybody if one.name == "reading key")


def ask_as_others(base: str, token: str, is_over: Callable[[], object]) -> int:
    """Ask for data, health and the sign-in page until it is over; each must be answered. How many were."""
    answered = 0
    with httpx.Client(base_url=base, timeout=60) as client:
        while answered < OTHERS or not is_over():
            for path, headers in (
                ("/api/v1/units", {"Authorization": f"Bearer {token}"}),
                (f"/api/v1/snapshot?unit=u-{MARKS[OWN]}", {"Authorization": f"Bearer {token}"}),
                ("/healthz", {}),
                ("/sign-in", {}),
            ):
                assert client.get(path, headers=headers).status_code == 200
                answered += 1
    return answered


class Flood:
    """Wrong tries from many addresses of loopback: half of them guess at one login, half at a login each."""

    def __init__(self, base: str) -> None:
        self._port = urlsplit(base).port
        self._origin = base
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._try, daemon=True) for _ in range(AT_ONCE)]
        self._lock = threading.Lock()
        self.statuses: Counter[int] = Counter()
        self.broke: list[BaseException] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    @property
    def tries(self) -> int:
        return sum(self.statuses.values())

    def _try(self) -> None:
        while not self._over.is_set():
            number = next(self._numbers)
            address = f"127.1.{number % ADDRESSES // 8}.{number % 8 + 1}"
            login = "viewer.of.own" if number % 2 else f"guess{number % 500}"
            connection = http.client.HTTPConnection("127.0.0.1", self._port, 60, source_address=(address, 0))
            body = urlencode({"login": login, "password": f"wrong {number}"})
            try:
                connection.request("POST", "/sign-in", body, {"Content-Type": FORM, "Origin": self._origin})
                status = connection.getresponse().status
            except OSError as error:
                self.broke.append(error)
                return
            finally:
                connection.close()
            with self._lock:
                self.statuses[status] += 1


@pytest.mark.slow
@ON_SQLITE
def test_a_flood_of_wrong_passwords_does_not_keep_others_out(
    guarded: Guarded, folder: Path, token: str, say: Callable[[str], None]
) -> None:
    with running(folder) as (program, base), Flood(base) as flood:
        answered = ask_as_others(base, token, lambda: flood.tries >= TRIES or flood.broke)
        # The one whose login is guessed at comes in by another door meanwhile.
        link = one_time_link(
            ROOT, guarded.store, guarded.settings, login="viewer.of.own", path="/", now=datetime.now(UTC)
        )
        entered = httpx.post(f"{base}/sign-in/once", data={"token": link}, headers={"Origin": base}, timeout=60)
        assert entered.status_code == 303
        assert program.poll() is None
    assert not flood.broke
    assert set(flood.statuses) == {403, 429}, flood.statuses
    assert flood.statuses[429] > flood.statuses[403], "most tries cost no hash"
    say(f"Sign-in flood: {flood.tries} wrong tries, {answered} requests of others answered meanwhile")


class Slow:
    """Connections that send a byte now and then: a third within the head, the others within a body."""

    def __init__(self, base: str, token: str) -> None:
        port = urlsplit(base).port
        head = f"POST %s HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        body = f"{head}Content-Type: {FORM}\r\nContent-Length: 5000\r\nOrigin: {base}\r\n%s\r\n"
        begun = (
            f"{head % '/sign-in'}X-Slow: ",
            body % ("/sign-in", ""),
            body % ("/api/v1/feeds/traffic/messages", f"Authorization: Bearer {token}\r\n"),
        )
        self._over = threading.Event()
        self.rounds = 0
        self._sockets = []
        for number in range(SLOW):
            connection = socket.create_connection(("127.0.0.1", port), 60)
            connection.sendall(begun[number % len(begun)].encode())
            self._sockets.append(connection)
        self._thread = threading.Thread(target=self._drip, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        for connection in self._sockets:
            connection.close()

    def _drip(self) -> None:
        while not self._over.wait(0.1):
            for connection in self._sockets:
                with suppress(OSError):  # the server may have lost patience
                    connection.sendall(b"x")
            self.rounds += 1


@pytest.mark.slow
@ON_SQLITE
def test_slow_connections_do_not_keep_others_out(folder: Path, token: str, say: Callable[[str], None]) -> None:
    with running(folder) as (program, base), Slow(base, token) as slow:
        answered = ask_as_others(base, token, lambda: slow.rounds >= 5)
        assert program.poll() is None
    say(f"Slow connections: {SLOW} were open, {answered} requests of others answered meanwhile")


# --- patience has an end ---------------------------------------------------------------------------------------


class Hasty(TimelyProtocol):
    HEAD_S = 0.3
    BODY_S = 0.3


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving() -> Iterator[int]:
    """The echo behind a hasty protocol; its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(echo, http=Hasty, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        eventually(lambda: server.started)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        thread.join(60)


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
    ],
)
def test_a_connection_that_does_not_come_to_the_point_is_closed(begun: bytes) -> None:
    with serving() as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(begun)
        heard = None
        with suppress(ConnectionResetError):
            while heard != b"":
                heard = connection.recv(1000)  # a time-out of the socket fails the test


def test_a_connection_that_is_in_use_stays() -> None:
    with serving() as port, ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
        assert client.post("/", content=b"x" * 100_000).content == b"x" * 100_000
        with suppress(ConnectionResetError):
            assert slow.recv(10) == b"", "meanwhile another was given up"
        # Longer than its patience has passed since the answer: between requests there is none to lose.
        assert client.post("/", content=b"again").content == b"again"
