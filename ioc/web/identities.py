"""Who a cookie or an API key belongs to, without asking the store for every request, and never on the event loop.

An answer is kept for five seconds: so long may a revoked key or screen, an ended session or a disabled person still be
let in.
Only those that exist are kept, so that guesses fill no memory.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, Generic, TypeVar

from anyio import CapacityLimiter, to_thread

from ioc import logs
from ioc.errors import StoreError
from ioc.model.access import Principal
from ioc.operations import access, keys, screens
from ioc.operations.gatekeeping import token_hash
from ioc.settings import Settings
from ioc.store.engine import Store

KEPT_S: Final = 5.0
_LONGEST_TOKEN: Final = 128
_MOST_KEPT: Final = 10_000
_THREADS: Final = 4

Clock = Callable[[], datetime]
_Known = TypeVar("_Known")
_log = logs.get_logger("ioc.web")


class _Kept(Generic[_Known]):
    """What was found, by the hash of its token, for five seconds."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, tuple[float, _Known]] = {}

    def get(self, key: bytes, now: float) -> _Known | None:
        found = self._by_hash.get(key)
        return found[1] if found is not None and 0 <= now - found[0] < KEPT_S else None

    def put(self, key: bytes, now: float, known: _Known) -> None:
        if len(self._by_hash) >= _MOST_KEPT:
            self._by_hash.clear()
        self._by_hash[key] = (now, known)

    def drop(self, key: bytes) -> None:
        self._by_hash.pop(key, None)

    def drop_where(self, is_gone: Callable[[_Known], bool]) -> None:
        self._by_hash = {key: found for key, found in self._by_hash.items() if not is_gone(found[1])}


class Identities:
    """Looks up sessions, screens and keys; one for each process."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._sessions: _Kept[access.Session] = _Kept()
        self._sources: _Kept[Principal] = _Kept()
        self._screens: _Kept[screens.ScreenSession] = _Kept()
        self._limiter: CapacityLimiter | None = None
        self._noting: dict[bytes, asyncio.Task[None]] = {}

    async def session(self, token: str) -> access.Session | None:
        """The open session of a cookie, or None."""
        if len(token) > _LONGEST_TOKEN:
            return None
        now = self._clock()
        key = token_hash(token)
        known = self._sessions.get(key, now.timestamp())
        if known is None:
            known = await to_thread.run_sync(
                access.find_session, self._store, token, self._settings, now, limiter=self._threads()
            )
            if known is None:
                return None
            self._sessions.put(key, now.timestamp(), known)
            self._note_if_due(key, known.seen_at, now, lambda: access.mark_seen(self._store, token, now))
        return known

    async def screen(self, token: str) -> screens.ScreenSession | None:
        """The paired wall screen of a cookie, or None."""
        if len(token) > _LONGEST_TOKEN:
            return None
        now = self._clock()
        key = token_hash(token)
        known = self._screens.get(key, now.timestamp())
        if known is None:
            known = await to_thread.run_sync(screens.find_screen, self._store, token, now, limiter=self._threads())
            if known is None:
                return None
            self._screens.put(key, now.timestamp(), known)
            renew = partial(screens.mark_screen_seen, self._store, self._settings, token, now, ends_at=known.ends_at)
            self._note_if_due(key, known.seen_at, now, renew)
        return known

    async def source(self, token: str) -> Principal | None:
        """The source system of an API key, or None; Refused for a key that this centre must not take."""
        if len(token) > _LONGEST_TOKEN:
            return None
        now = self._clock().timestamp()
        key = token_hash(token)
        known = self._sources.get(key, now)
        if known is None:
            known = await to_thread.run_sync(
                keys.principal_of_key, self._store, token, self._settings, limiter=self._threads()
            )
            if known is not None:
                self._sources.put(key, now, known)
        return known

    def forget(self, token: str) -> None:
        """Ask the store anew about this session, because it was ended here."""
        self._sessions.drop(token_hash(token))

    def forget_person(self, person: str) -> None:
        """Ask the store anew about all sessions of this person, because some were ended here."""
        self._sessions.drop_where(lambda session: session.principal.id == person)

    def _note_if_due(self, key: bytes, seen_at: int, now: datetime, note: Callable[[], None]) -> None:
        if access.as_ms(now) - seen_at >= access.SEEN_EVERY_MS and key not in self._noting:
            self._noting[key] = asyncio.create_task(self._note(key, note))

    async def _note(self, key: bytes, note: Callable[[], None]) -> None:
        """Write that a session or a screen is in use, beside the request: it may wait for other writers."""
        try:
            await to_thread.run_sync(note, limiter=self._threads())
        except StoreError as error:
            _log.warning("the use of a session was not noted", reason=str(error))
        finally:
            self._noting.pop(key, None)

    def _threads(self) -> CapacityLimiter:
        if self._limiter is None:  # made inside the event loop that uses it
            self._limiter = CapacityLimiter(_THREADS)
        return self._limiter
