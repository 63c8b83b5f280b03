"""A server of the test's own that speaks the intake's protocol: real HTTP, and bad days on demand."""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "ioc_peer-key"


@dataclass(frozen=True, slots=True)
class Received:
    """One request to the intake as it came over the wire."""

    feed: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass(frozen=True, slots=True)
class Bad:
    """A bad answer to one request: a status, or a connection lost before or after the batch was taken."""

    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    taken: bool = False


class Peer:
    """What came in, what stands in the territory, and the bad answers still to give."""

    def __init__(self, assets: list[dict[str, Any]], units: list[dict[str, Any]]) -> None:
        self.assets, self.units = assets, units
        self.attempts: list[Received] = []
        self.taken: list[Received] = []
        self.bad: deque[Bad | None] = deque()  # None: one good answer in between
        self.rejecting: str | None = None  # a reason for which every message is rejected
        self.page = 100
        self.url = ""
        self._lock = threading.Lock()

    def take(self, received: Received) -> Bad | None:
        with self._lock:
            self.attempts.append(received)
            bad = self.bad.popleft() if self.bad else None
            if bad is None or bad.taken:
                self.taken.append(received)
            return bad

    def stored(self, feed: str) -> list[dict[str, Any]]:
        """All messages of a feed as a store has them: each batch once for its idempotency key."""
        with self._lock:
            by_key = {batch.headers["idempotency-key"]: batch for batch in self.taken if batch.feed == feed}
        return [message for batch in by_key.values() for message in batch.messages]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time; {len(self.taken)} batches came"
            time.sleep(0.02)


@contextmanager
def serving(peer: Peer) -> Iterator[Peer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                self.answer(401, {"error": "unknown key"})
                return
            if parts.path == "/api/v1/units":
                self.answer(200, {"units": peer.units})
                return
            rows = [row for row in peer.assets if asked.get("kind") in (None, row["kind"])]
            start = int(asked.get("cursor", "0"))
            after = start + peer.page
            following = str(after) if after < len(rows) else None
            self.answer(200, {"assets": rows[start:after], "next": following})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            feed = self.path.split("/")[4]
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(feed, headers, body, time.monotonic())
            if headers.get("authorization") != f"Bearer {KEY}":
                self.answer(401, {"error": "unknown key"})
                return
            bad = peer.take(received)
            count = len(body.splitlines())
            if bad is not None and bad.lost:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            elif bad is not None:
                self.answer(bad.status, {"error": "a bad day"}, bad.headers)
            elif peer.rejecting is not None:
                rejected = [{"index": index, "reason": peer.rejecting} for index in range(count)]
                self.answer(422, {"accepted": 0, "rejected": rejected})
            else:
                self.answer(202, {"accepted": count, "rejected": []})

        def answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    peer.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
