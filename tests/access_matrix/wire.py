"""Requests to an ASGI application in this process, without a client library between: tens of thousands must be cheap.

A stream that never ends is left after its first events, as a browser that is closed would leave it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Scope

HOST: Final = b"127.0.0.1:8000"
ORIGIN: Final = b"http://" + HOST
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
LONGEST_S: Final = 60.0
"""Reached by failures only: an application that neither answers nor ends."""

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` is not quoted; `query` is, or can be sent as it stands."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    kind: str = ""
    named: tuple[str, ...] = ()
    """The values that the request itself names: an answer may say them back."""

    def __str__(self) -> str:
        body = f" {self.body[:200]!r}" if self.body else ""
        return f"{self.method} {self.path}{'?' if self.query else ''}{self.query}{body}"


@dataclass(slots=True)
class Answer:
    """What came back, as far as it was read. Status 0: nothing."""

    status: int = 0
    headers: Headers = ()
    body: bytearray = field(default_factory=bytearray)

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")

    def everything(self) -> bytes:
        return b"\n".join([bytes(self.body), *(name + b": " + value for name, value in self.headers)])


async def ask(
    app: ASGIApp,
    asked: Asked,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    address: str = "127.0.0.1",
    enough: Callable[[Answer], bool] | None = None,
    left: asyncio.Event | None = None,
) -> Answer:
    """The answer. A stream of events is left when `enough` says so (default: after its first event), or at `left`."""
    answer = Answer()
    gone = asyncio.Event()
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": asked.body, "more_body": False}
        await (left or gone).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = tuple((name.lower(), value) for name, value in message.get("headers", ()))
            return
        answer.body += message.get("body", b"")
        is_stream = answer.header(b"content-type").startswith(b"text/event-stream")
        if not message.get("more_body", False) or (is_stream and (enough or has_begun)(answer)):
            gone.set()

    await asyncio.wait_for(app(_scope(asked, headers, address), receive, send), LONGEST_S)
    return answer


def has_begun(stream: Answer) -> bool:
    """Whether a stream has said when to come again, and its first event."""
    return stream.body.count(b"\n\n") >= 2


def _scope(asked: Asked, headers: Iterable[tuple[bytes, bytes]], address: str) -> Scope:
    own: list[tuple[bytes, bytes]] = [(b"host", HOST), *headers]
    if asked.body or asked.kind:
        own += [(b"content-type", asked.kind.encode()), (b"content-length", str(len(asked.body)).encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": quote(asked.path, safe="/%").encode(),
        "query_string": asked.query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": own,
        "client": (address, 50_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


def cookies(answer: Answer) -> dict[str, str]:
    """What the answer sets."""
    pairs = [value.decode().partition(";")[0].partition("=") for name, value in answer.headers if name == b"set-cookie"]
    return {name: value for name, _, value in pairs}


def as_browser(held: Mapping[str, str]) -> Headers:
    """The headers with which a script of our own page sends these cookies."""
    jar = "; ".join(f"{name}={value}" for name, value in held.items())
    token = held.get("ioc_csrf", "")
    return ((b"cookie", jar.encode()), (b"origin", ORIGIN), (b"x-csrftoken", token.encode()))


def as_source(token: str) -> Headers:
    return ((b"authorization", f"Bearer {token}".encode()),)


ACCEPTS_PAGES: Final[Headers] = ((b"accept", b"text/html"), (b"sec-fetch-mode", b"navigate"))
