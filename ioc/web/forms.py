"""Forms that plain pages send: their fields, and the token by which the gate knows that a page of ours made them.

A script sends the session's CSRF token in a header; a form without scripts can only send it as a field. The gate
reads the form for it, and hands the same bytes on. Refused: a form above MOST_FORM_BYTES, one that cannot be read, a
token that stands in it twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from ioc.errors import BadRequest, Refused
from ioc.web.refusals import BodyTooLarge

CSRF_FIELD: Final = "csrf_token"
MOST_FORM_BYTES: Final = 65_536
MOST_FIELDS: Final = 500
_FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """What a form held. A field that is not there is empty."""

    fields: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str:
        """The first value of a field, without the blanks around it."""
        return next(iter(self.fields.get(name, ())), "").strip()

    def many(self, name: str) -> frozenset[str]:
        """All values of a field that may be chosen several times."""
        return frozenset(self.fields.get(name, ()))


async def check_token(head: Mapping[bytes, bytes], receive: Receive, csrf: str, header: str) -> Receive:
    """The request's body, to be read anew, once its token has been found to be the session's; else Refused."""
    sent = head.get(header.lower().encode())
    if sent is None and head.get(b"content-type", b"").split(b";")[0].strip().lower() == _FORM:
        body = await _body(receive, MOST_FORM_BYTES)
        tokens = parsed(body).fields.get(CSRF_FIELD, ())
        sent = tokens[0].encode() if len(tokens) == 1 else b""
        receive = _again(body, receive)
    if not compare_digest(sent or b"", csrf.encode()):
        raise Refused(f"The change lacks this session's token in {header}: load the page again.")
    return receive


async def read_form(request: Request, *, most_bytes: int = MOST_FORM_BYTES) -> Form:
    """The fields of a plain form; BadRequest for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM.decode():
        raise BadRequest("Send the form as application/x-www-form-urlencoded.")
    return parsed(await _body(request.receive, most_bytes))


def parsed(body: bytes) -> Form:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest("The form cannot be read: load the page again.") from None
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value)
    return Form(fields)


async def _body(receive: Receive, most_bytes: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > most_bytes:
            raise BodyTooLarge(f"A form has at most {most_bytes} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read already, then whatever comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay
