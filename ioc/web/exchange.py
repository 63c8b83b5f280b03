"""One request's body on its way in and its answer on its way out, as the gate lets them pass.

Refused: a body above the limit, by its stated length before it is read and by its true length while it is; an answer
that goes on after its session has ended.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from ioc import logs
from ioc.errors import BadRequest
from ioc.model.access import Principal
from ioc.web.headers import AnswerHeaders
from ioc.web.refusals import BodyTooLarge, answer_to

RECHECK_S: Final = 5.0
"""How often a stream that goes on for hours asks whether its session still holds; asking counts as use of it."""

_log = logs.get_logger("ioc.web")


class Watched:
    """Whether the session, or the screen's token, behind a long answer or a WebSocket still holds."""

    def __init__(self, clock: Callable[[], datetime], look: Callable[[], Awaitable[object | None]]) -> None:
        self._clock = clock
        self._look = look
        self._looked_at = clock().timestamp()

    async def holds(self) -> bool:
        now = self._clock().timestamp()
        if 0 <= now - self._looked_at < RECHECK_S:
            return True
        self._looked_at = now
        return await self._look() is not None


class AnswerEnded(ClientDisconnect, OSError):
    """What an application is told that goes on sending: OSError to ASGI, a client that is gone to Starlette."""


class Reply:
    """The `send` of one request: completes the headers, knows how far the answer is, ends it with its session."""

    def __init__(self, send: Send, headers: AnswerHeaders) -> None:
        self._send = send
        self._headers = headers
        self._added: list[tuple[bytes, bytes]] = []
        self._started = False
        self._ended = False
        self.watch: Watched | None = None
        self.refusal: BodyTooLarge | None = None
        self.asker: Principal | None = None
        self.status: int | None = None

    def add_header(self, name: str, value: str) -> None:
        self._added.append((name.encode(), value.encode("latin-1")))

    async def __call__(self, message: Message) -> None:
        if self._ended:
            raise AnswerEnded("the answer has ended")
        if message["type"] == "http.response.start":
            if self.refusal is not None:
                return  # whatever the application made of a body that was cut off: `fail` answers
            self._started = True
            self.status = message["status"]
            message["headers"] = self._headers.complete(message.get("headers", ())) + self._added
        elif message["type"] == "http.response.body":
            if not self._started:
                return
            if not message.get("more_body", False):
                self._ended = True
            elif self.watch is not None and not await self.watch.holds():
                self._ended = True
                message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def fail(self, scope: Scope, receive: Receive, error: Exception) -> None:
        """Answer with the error if nothing was answered yet; else log it, for the answer can only be cut off."""
        if self._ended or isinstance(error, ClientDisconnect):
            return  # the application's own handler has answered and logged it, or nobody listens
        if self._started:
            _log.error("an answer was cut off", exc_info=error)
            return
        cause, self.refusal = self.refusal or error, None
        await answer_to(cause)(scope, receive, self)


class LimitedBody:
    """The `receive` of one request, which counts what comes."""

    def __init__(self, receive: Receive, most_bytes: int, reply: Reply) -> None:
        self._receive = receive
        self._left = most_bytes
        self._most_bytes = most_bytes
        self._reply = reply

    @classmethod
    def of(cls, head: Mapping[bytes, bytes], receive: Receive, most_bytes: int, reply: Reply) -> "LimitedBody":
        """The body of a request; BodyTooLarge if its stated length is already too much."""
        stated = head.get(b"content-length", b"0")
        if not stated.isdigit():
            raise BadRequest("Content-Length must be a number.")
        if int(stated) > most_bytes:
            raise _too_large(most_bytes)
        return cls(receive, most_bytes, reply)

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self._reply.refusal = _too_large(self._most_bytes)
                raise self._reply.refusal
        return message


def _too_large(most_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"A request's body has at most {most_bytes} bytes: send less at once.")
