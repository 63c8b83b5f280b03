"""What anybody may send to Dash's own routes, and what becomes of it.

Dash takes a payload as a browser made it and fails somewhere inside where somebody else did; that is a bad request, not
a failure of the centre. An error of our own callback stays one: it comes through as CallbackFailed, with its cause.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

import msgspec
from dash.exceptions import PreventUpdate
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ioc import logs
from ioc.errors import BadRequest, IocError, NotFound

UPDATE: Final = "/_dash-update-component"
_FILES: Final = "/_dash-component-suites/"

_log = logs.get_logger("ioc.panels")


class CallbackFailed(IocError):
    """A callback ended with an error that it does not know; its cause says which."""


def check_calls(server: FastAPI) -> None:
    """Put a border around the routes through which Dash calls callbacks and reads its files."""
    routes = server.router.routes
    for at, route in enumerate(routes):
        if not isinstance(route, APIRoute):
            continue
        if route.path.endswith(UPDATE):
            answer = _bordered(route.endpoint, BadRequest("This call fits no callback: load the page again."))
        elif _FILES in route.path:
            answer = _bordered(route.endpoint, NotFound("There is no such file: load the page again."))
        else:
            continue
        routes[at] = APIRoute(
            route.path, answer, methods=route.methods, name=route.name, include_in_schema=route.include_in_schema
        )


def _bordered(endpoint: Callable[..., Any], refusal: IocError) -> Callable[..., Awaitable[Any]]:
    @wraps(endpoint)
    async def answer(*args: Any, **named: Any) -> Any:
        try:
            answered = endpoint(*args, **named)
            return await answered if inspect.isawaitable(answered) else answered
        except (IocError, HTTPException, PreventUpdate):
            raise
        except Exception as error:  # noqa: BLE001 - whatever Dash makes of what it does not expect
            _log.info("a call that fits nothing", reason=type(error).__name__)
            raise type(refusal)(str(refusal)) from None

    return answer


class Arguments:
    """The types that a callback declares for its arguments; anybody may send others."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(answer, eval_str=True).parameters.values())[1:]
        self._types = [Any if one.annotation is one.empty else one.annotation for one in parameters]
        self._takes_more = any(one.kind is one.VAR_POSITIONAL for one in parameters)

    def check(self, values: tuple[Any, ...]) -> None:
        """BadRequest for a number or type of arguments that the callback does not take."""
        if self._takes_more:
            return
        if len(values) != len(self._types):
            raise BadRequest(f"The callback takes {len(self._types)} arguments: load the page again.")
        for value, wanted in zip(values, self._types, strict=True):
            try:
                msgspec.convert(value, wanted, strict=True)
            except msgspec.ValidationError:
                raise BadRequest("An argument of the call has another type: load the page again.") from None
