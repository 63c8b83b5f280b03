"""Callbacks that say who may call them.

Any client can call any callback with any arguments, so each one declares the permission that it needs, here, and gets
the Principal as its first argument. `verify` fails the start for one that was registered past this class.

Refused: arguments of other types than the callback's own annotations say.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from dash import Dash
from dash._callback import GLOBAL_CALLBACK_LIST
from dash.dependencies import DashDependency
from dash.exceptions import PreventUpdate
from starlette.exceptions import HTTPException

from ioc.errors import IocError
from ioc.model.access import Kind, Permission, Principal
from ioc.panels.calls import Arguments, CallbackFailed

Answer = Callable[..., Awaitable[Any]]


class UndeclaredCallback(IocError):
    """A callback was registered without saying which permission it needs."""


class Callbacks:
    """The only way in which pages register callbacks."""

    def __init__(self, app: Dash, principal: Callable[[], Principal]) -> None:
        self._app = app
        self._principal = principal
        self._declared: dict[str, Permission] = {}

    def add(
        self, *dependencies: DashDependency, permission: Permission, for_screens: bool = False
    ) -> Callable[[Answer], Answer]:
        """Register a coroutine function; it is called with the Principal, then the values of the dependencies.

        A wall screen, which nobody touches, may call it only if that is declared too.

        Coroutines only: Dash runs a plain function on the event loop, where one slow read would stop all screens.
        """

        def register(answer: Answer) -> Answer:
            arguments = Arguments(answer)

            async def guarded(*values: Any) -> Any:
                who = self._principal()
                if not who.may(permission) or (who.kind is Kind.SCREEN and not for_screens):
                    raise HTTPException(403, f"{who.name} may not {permission.value}.")
                arguments.check(values)
                try:
                    return await answer(who, *values)
                except (IocError, HTTPException, PreventUpdate):
                    raise
                except Exception as error:
                    raise CallbackFailed(f"A callback failed: {type(error).__name__}.") from error

            before = set(self._app.callback_map) | {entry["output"] for entry in GLOBAL_CALLBACK_LIST}
            self._app.callback(*dependencies)(guarded)
            for output in set(self._app.callback_map) - before:
                self._declared[output] = permission
            return answer

        return register

    def verify(self) -> dict[str, Permission]:
        """Output → permission of every callback; UndeclaredCallback names those that declared none."""
        registered = {
            str(entry["output"])
            for entry in (*self._app._callback_list, *GLOBAL_CALLBACK_LIST)  # noqa: SLF001
        }
        if undeclared := sorted(registered - set(self._declared)):
            raise UndeclaredCallback(
                f"The callback for {undeclared[0]} declares no permission: register it through Callbacks.add."
            )
        return dict(self._declared)
