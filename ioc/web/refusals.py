"""How an error leaves the web program: one JSON object `{"error": sentence}` with the status of its kind.

Refused: tracebacks, SQL, paths and other insides in an answer. What is nobody's fault outside gets a generic sentence
and an id; the log holds the rest under that id.
"""

import json
import secrets
from contextvars import ContextVar
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ioc import logs
from ioc.errors import (
    BadRequest,
    BrokerError,
    InvalidMessage,
    IocError,
    NoRoom,
    NotFound,
    Refused,
    StoreError,
    TooMany,
    UnknownPlace,
)


class BodyTooLarge(BadRequest):
    """A request's body is longer than the centre takes."""


class SignInNeeded(IocError):
    """Nobody is signed in, or the API key is not known."""


_STATUS: Final[tuple[tuple[type[IocError], int], ...]] = (
    (SignInNeeded, 401),
    (BodyTooLarge, 413),
    (BadRequest, 400),
    (Refused, 403),
    (NotFound, 404),
    (UnknownPlace, 404),
    (InvalidMessage, 422),
    (TooMany, 429),
    (NoRoom, 503),
    (StoreError, 503),
    (BrokerError, 503),
)
_UNAVAILABLE: Final = "The centre cannot do that at the moment: try again soon."
_INTERNAL: Final = "Something went wrong here: try again, and tell the administrator this id if it stays."
_RETRY_S: Final = 5

_log = logs.get_logger("ioc.web")


noticed: ContextVar[list[BaseException] | None] = ContextVar("noticed", default=None)
"""What was refused within the request at hand; the gate begins an empty list for each."""


def note_refused(error: BaseException) -> None:
    """Tell the gate of a refusal, which the status of the answer may not say."""
    if (noted := noticed.get()) is not None and status_of(error) in (401, 403, 404, 429):
        noted.append(error)


def noted_refusals() -> tuple[BaseException, ...]:
    return tuple(noticed.get() or ())


def status_of(error: BaseException) -> int:
    """The HTTP status of an error's kind; 500 for what is not one of ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def answer_to(error: BaseException) -> Response:
    """The answer to a request that ended with this error; logs what the answer must not say."""
    status = status_of(error)
    note_refused(error)
    headers: dict[str, str] = {}
    if isinstance(error, TooMany | NoRoom):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status < 500 or isinstance(error, NoRoom):
        return error_response(status, str(error), headers=headers)
    error_id = secrets.token_hex(4)
    if status == 503:
        _log.error("store or broker failed", error_id=error_id, reason=str(error))
        headers["Retry-After"] = str(_RETRY_S)
        return error_response(status, _UNAVAILABLE, error_id=error_id, headers=headers)
    _log.error("request failed", error_id=error_id, exc_info=error)
    return error_response(status, _INTERNAL, error_id=error_id, headers=headers)


def error_response(
    status: int, sentence: str, *, error_id: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {"error": sentence}
    if error_id is not None:
        body["id"] = error_id
    content = json.dumps(body, ensure_ascii=False)
    return Response(content, status, headers, media_type="application/json")


def install_errors(app: FastAPI) -> None:
    """Make every error of this application leave it in the one form; call it once, on the outer application."""

    async def on_error(_request: Request, error: Exception) -> Response:
        if isinstance(error, ClientDisconnect):
            return Response(status_code=204)  # nobody reads it
        return answer_to(error)

    async def on_http_error(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return answer_to(error)
        return error_response(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    async def on_invalid(_request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            return answer_to(error)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return error_response(422, f"{where}: {first['msg']}")

    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(IocError, on_error)
    app.add_exception_handler(Exception, on_error)
