"""The intake's route: POST /api/v1/feeds/{feed}/messages, a JSON array or newline-delimited JSON, plain or gzipped.

What was accepted is durable before the answer leaves. Refused: more requests or messages than the key's rate, more
bytes at once than there is room for (429), a body that does not come (408), that is no list of messages (400) or that
grows beyond the limit when it is unpacked (413), and everything while the disk is low (503).
"""

import hashlib
import time
import zlib
from datetime import datetime
from typing import Annotated, Final

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from ioc.errors import BadRequest
from ioc.model.access import Principal
from ioc.operations.access import check_may_send
from ioc.operations.intake import Intake, IntakeAnswer, KeyReused, accept, split_array, split_lines
from ioc.web.answers import Anybody, Now, as_json
from ioc.web.refusals import BodyTooLarge, error_response
from ioc.web.throttle import IntakeLimits, WaitingBodies

ARRAY: Final = "application/json"
LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")

BODY_S: Final = 120.0
"""How long a body may take to come: whoever sends a byte now and then holds room that others want."""

_AT_ONCE: Final = 4  # judging is work of the processor: more threads would only take turns with the screens


def intake_api(intake: Intake, limits: IntakeLimits) -> APIRouter:
    """The route, over one intake. `limits` counts by key, in this process."""
    router = APIRouter(prefix="/api/v1")
    most_bytes = intake.province.settings.max_body_bytes
    threads: list[CapacityLimiter] = []
    waiting = WaitingBodies(intake.province.settings)

    @router.post(
        "/feeds/{feed}/messages",
        tags=["intake"],
        summary="Send messages of a feed",
        description="Body: a JSON array (`application/json`) or one message per line (`application/x-ndjson`)."
        " Of two fields with one name in one object the last one counts.",
        status_code=202,
        responses={
            422: {"description": "nothing of it could be used"},
            408: {"description": "the body did not come in time"},
            409: {"description": "the key was used before"},
            503: {"description": "nothing is taken in now: send it again after Retry-After"},
        },
    )
    async def post_messages(
        who: Anybody,
        request: Request,
        now: Now,
        feed: str,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Response:
        check_may_send(who, feed)
        limits.take_request(who, time.monotonic())
        if not threads:
            threads.append(CapacityLimiter(_AT_ONCE))  # made inside the event loop that uses it
        # Without a stated length (it comes in pieces) a body may become as large as any.
        with waiting.room_for(who, int(request.headers.get("content-length", most_bytes))):
            return await take(who, request, now, feed, idempotency_key)

    async def take(who: Principal, request: Request, now: datetime, feed: str, idempotency_key: str | None) -> Response:
        try:
            with fail_after(BODY_S):
                body = await request.body()
        except TimeoutError:
            return error_response(408, f"The body did not come within {BODY_S:.0f} s: send less at once.")

        def take_in() -> IntakeAnswer:
            content = _unpacked(body, request.headers.get("content-encoding"), most_bytes)
            messages = _split(content, request.headers.get("content-type", ARRAY))
            limits.take_messages(who, len(messages), time.monotonic())
            digest = hashlib.sha256(content).digest()
            return accept(who, intake, feed, messages, now=now, key=idempotency_key, body_hash=digest)

        try:
            answer = await to_thread.run_sync(take_in, limiter=threads[0])
        except KeyReused as error:
            return error_response(409, str(error))
        return as_json(answer, 202 if answer.accepted else 422)

    return router


def _split(content: bytes, content_type: str) -> list[bytes]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in LINES:
        return split_lines(content)
    if kind == ARRAY or kind.endswith("+json"):
        return split_array(content)
    raise BadRequest(f"Content-Type {kind[:80]!r} is not taken: send {ARRAY} or {LINES[0]}")


def _unpacked(body: bytes, encoding: str | None, most_bytes: int) -> bytes:
    """The body without its gzip; BodyTooLarge before it fills the memory."""
    if encoding in (None, "identity"):
        return body
    if encoding != "gzip":
        raise BadRequest(f"Content-Encoding {encoding!r} is not taken: send it plain or gzipped")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, most_bytes + 1)
    except zlib.error:
        raise BadRequest("the body is not gzip, though its Content-Encoding says so") from None
    if len(content) > most_bytes:
        raise BodyTooLarge(f"A request's body has at most {most_bytes} bytes, unpacked too: send less at once.")
    if not unpacker.eof:
        raise BadRequest("the gzipped body is cut off: send it again")
    return content
