"""Refusals on their way from the gate into the audit trail: whatever was answered with them, wherever they arose.

One look at the end of each request: at the status that went out, and at what those noted who answered otherwise
(`refusals.note_refused`). Somebody who is known is entered with their id; who failed to sign in, or sent a key that is
not known, as nobody; who only has no session yet is not refused, but sent to the sign-in page, and not entered.

Nothing waits for it: a task of its own writes at most once a second, in a thread.
"""

import asyncio
from typing import Final

from anyio import to_thread
from starlette.types import Scope

from ioc import logs
from ioc.errors import StoreError
from ioc.model.access import Principal
from ioc.model.audit import Act
from ioc.operations.access import SignInRefused
from ioc.operations.audit_refusals import ANYBODY, Refusal, Refusals
from ioc.store.engine import Store
from ioc.web.identities import Clock
from ioc.web.plain_pages import SCREEN, SIGN_IN
from ioc.web.refusals import noted_refusals, status_of

GATHERING_S: Final = 1.0
_AGAIN_S: Final = 10.0
_REFUSED: Final = frozenset({401, 403})
_REFUSED_ENTRY: Final = frozenset({401, 403, 429})

_log = logs.get_logger("ioc.web")


class RefusalLog:
    """Sees all requests of one process, and writes down those that were refused."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._refusals = Refusals()
        self._task: asyncio.Task[None] | None = None

    def look(self, scope: Scope, status: int | None, asker: Principal | None) -> None:
        """Count the request if it was refused; `asker` is whoever is known to have sent it."""
        refusal = _refusal(scope, status, asker)
        if refusal is None:
            return
        self._refusals.note(refusal, self._clock().timestamp())
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def write(self, *, is_last: bool = False) -> None:
        """Enter what is due; `is_last`: all of it, because the program ends."""
        await to_thread.run_sync(lambda: self._refusals.write(self._store, self._clock(), is_last=is_last))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        try:
            await self.write(is_last=True)
        except StoreError as error:
            _log.error("refusals were not entered in the audit", reason=str(error))

    async def _run(self) -> None:
        while (wait := self._refusals.due_in(self._clock().timestamp())) is not None:
            await asyncio.sleep(max(wait, GATHERING_S))
            try:
                await self.write()
            except StoreError as error:
                _log.warning("refusals are entered in the audit later", reason=str(error))
                await asyncio.sleep(_AGAIN_S)


def _refusal(scope: Scope, status: int | None, asker: Principal | None) -> Refusal | None:
    noted = noted_refusals()
    client = scope.get("client")
    path = scope["path"]
    request = {"address": client[0] if client else "", "method": scope["method"], "path": path}
    if asker is not None:
        shown = status if status in _REFUSED else next((status_of(error) for error in noted), None)
        if shown is None:
            return None
        return Refusal(Act.REQUEST_REFUSED, asker.id, status=shown, centres=asker.centres, **request)
    if status not in _REFUSED_ENTRY:
        return None
    if path.startswith((SIGN_IN, SCREEN)) and "/assets/" not in path:
        person = next((error.person for error in noted if isinstance(error, SignInRefused)), None)
        if person is None:
            return Refusal(Act.SIGN_IN_REFUSED, ANYBODY, status=status, **request)
        return Refusal(
            Act.SIGN_IN_REFUSED,
            ANYBODY,
            status=status,
            centres=person.centres,
            kind="person",
            id=person.id,
            **request,
        )
    has_key = any(name == b"authorization" for name, _ in scope["headers"])
    return Refusal(Act.REQUEST_REFUSED, ANYBODY, status=status, **request) if has_key else None
