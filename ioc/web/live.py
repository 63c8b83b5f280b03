"""Live views: one reader of what changed, however many screens look on (decision 7).

While anybody looks, one task asks the store for the newest change of each writer, ten times a second; that is one
tiny query. What has changed goes to the boards of the views that are open, each computed once and encoded once for
all its subscribers, at most four times a second. A subscriber first gets the whole view, then changes numbered by the
view; one that cannot keep up is cut off, comes back by itself and begins with a whole view again.

Refused: a view of a centre that is not the principal's. The session behind a stream is watched by the gate.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from ioc import logs
from ioc.errors import IocError, TooMany
from ioc.model.columns import Integers
from ioc.operations.places import Place, Province
from ioc.operations.views import Board, View, check_view
from ioc.panels.requests import LIVE
from ioc.store.packing import unpack_triples
from ioc.store.source_reading import read_changes, read_writers
from ioc.web.answers import Now, Reader

POLL_S: Final = 0.1
UPDATE_EVERY_S: Final = 0.25
REFRESH_EVERY_S: Final = 15.0
TICK_EVERY_S: Final = 5.0
FORGOTTEN_AFTER_S: Final = 60.0
IDLE_POLL_S: Final = 1.0
RETRY_S: Final = 1.0
RETRY_BUSY_S: Final = 10.0
MOST_SHARE: Final = 5
"""After an update that took a second, the next one begins five seconds after it."""

MOST_WAITING: Final = 32
"""Events that wait for one subscriber: some eight seconds of a busy view."""

MOST_SUBSCRIBERS: Final = 2_000
"""Screens of one process: a page that opens streams without end must not take them all."""

NOTHING: Final = np.empty((0, 3), np.int64)

Result = TypeVar("Result")

_encode: Final = msgspec.json.Encoder().encode
_log = logs.get_logger("ioc.web.live")


class Subscription:
    """One screen: the events that wait for it. Ends when it falls behind, or when the program stops."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.is_open = True

    def put(self, event: bytes) -> None:
        if not self.is_open:
            return
        if self._queue.qsize() >= MOST_WAITING:
            self.end()
        else:
            self._queue.put_nowait(event)

    def end(self) -> None:
        """Let what waits go: whoever comes back begins with a whole view."""
        if self.is_open:
            self.is_open = False
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[bytes]:
        while (event := await self._queue.get()) is not None:
            yield event


@dataclass(slots=True)
class _Watched:
    """A view that somebody looks at: its board, who looks, and what was touched since it was last computed.

    Whoever uses the board holds the lock: it is computed in threads.
    """

    board: Board
    left_at: float
    n: int = 0
    subscriptions: set[Subscription] = field(default_factory=set)
    touched: list[Integers] = field(default_factory=list)
    next_update: float = 0.0
    next_refresh: float = 0.0
    whole: bytes | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Live:
    """All live views of this process. `start` and `stop` belong to the program."""

    def __init__(self, province: Province, clock: Callable[[], datetime]) -> None:
        self._province = province
        self._clock = clock
        self._views: dict[str, _Watched] = {}
        self._seen: dict[str, int] = {}
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._threads = CapacityLimiter(2)
        self._working: set[asyncio.Future[Any]] = set()

    @property
    def subscribers(self) -> int:
        return sum(len(watched.subscriptions) for watched in self._views.values())

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._tick())]

    async def stop(self) -> None:
        """End all streams, so that the server can stop."""
        self._is_stopping = True
        self._end_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        # The store is closed after this: nobody may still read from it.
        await asyncio.gather(*self._working, return_exceptions=True)

    async def subscribe(self, view: View, centre: Place) -> Subscription:
        """A subscription whose first event is the whole view; TooMany where this process has as many as it serves."""
        if self.subscribers >= MOST_SUBSCRIBERS:
            raise TooMany("Too many screens follow this server: close some, or try again.", retry_after_s=RETRY_BUSY_S)
        watched = self._views.get(view.id)
        if watched is None:
            watched = self._views[view.id] = _Watched(Board(self._province, view, centre), time.monotonic())
        self._woken.set()
        async with watched.lock:
            if not watched.subscriptions:
                await self._refresh(watched)
                if watched.board.changes():
                    watched.n, watched.whole = watched.n + 1, None
            subscription = Subscription()
            if watched.whole is None:
                watched.whole = _event("snapshot", watched.board.document(watched.n), watched.n)
            subscription.put(watched.whole)
            if self._is_stopping:
                subscription.end()
            else:
                watched.subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, view: View, subscription: Subscription) -> None:
        watched = self._views.get(view.id)
        if watched is not None:
            watched.subscriptions.discard(subscription)
            watched.left_at = time.monotonic()

    # --- the reader

    async def _follow(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._step(began)
            except IocError as error:
                _log.error("the live reader will try again", reason=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:  # noqa: BLE001 - the outer loop of the reader: screens come back with a whole view
                _log.exception("the live reader failed; all streams begin again")
                self._end_all()
                await asyncio.sleep(RETRY_S)
            if self._views:
                await asyncio.sleep(max(0.0, POLL_S - (time.monotonic() - began)))
            else:
                self._woken.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), IDLE_POLL_S)

    async def _step(self, now: float) -> None:
        touched, is_complete = await self._in_thread(self._read_touched)
        for key, watched in tuple(self._views.items()):
            if len(touched):
                watched.touched.append(touched)
            if watched.lock.locked():
                continue  # somebody is just coming: what was touched meanwhile waits
            if not watched.subscriptions:
                watched.touched = []  # whoever comes next begins with everything computed anew
                if now - watched.left_at > FORGOTTEN_AFTER_S:
                    del self._views[key]
                continue
            if not is_complete or now >= watched.next_refresh:
                await self._send_changes(watched, whole=True)
            elif watched.touched and now >= watched.next_update:
                await self._send_changes(watched, whole=False)

    def _read_touched(self) -> tuple[Integers, bool]:
        """The (series, place, origin) rows that were touched since the last time, and whether none is missing."""
        with self._province.store.reading() as connection:
            newest = read_writers(connection)
            seen, self._seen = self._seen, newest
            if not self._views:
                return NOTHING, True
            blobs: list[bytes] = []
            missing = 0
            for writer, n in newest.items():
                if n != (before := seen.get(writer, 0)):
                    found = read_changes(connection, writer, after=before)
                    missing += n - before - len(found)
                    blobs += [blob for _, blob in found]
        if not blobs:
            return NOTHING, missing == 0
        return np.unique(np.concatenate([unpack_triples(blob) for blob in blobs]), axis=0), missing <= 0

    async def _send_changes(self, watched: _Watched, *, whole: bool) -> None:
        async with watched.lock:
            if whole:
                await self._refresh(watched)
            else:
                began = time.monotonic()
                touched, watched.touched = np.concatenate(watched.touched), []
                await self._in_thread(lambda: watched.board.update(touched, self._clock()))
                # A view that costs much is computed less often: screens never take a whole processor.
                took = time.monotonic() - began
                watched.next_update = began + max(UPDATE_EVERY_S, MOST_SHARE * took)
            changes = watched.board.changes()
            if not changes:
                return
            watched.n, watched.whole = watched.n + 1, None
            event = _event("change", {"n": watched.n, "at": watched.board.at, **changes}, watched.n)
            for subscription in tuple(watched.subscriptions):
                subscription.put(event)

    async def _refresh(self, watched: _Watched) -> None:
        watched.touched = []
        await self._in_thread(lambda: watched.board.refresh(self._clock()))
        now = time.monotonic()
        watched.next_refresh, watched.next_update = now + REFRESH_EVERY_S, now + UPDATE_EVERY_S

    async def _tick(self) -> None:
        """Say to every screen that the stream lives, and what time it is here."""
        while True:
            await asyncio.sleep(TICK_EVERY_S)
            event = _event("tick", {"at": self._clock().isoformat(timespec="milliseconds")}, None)
            for watched in self._views.values():
                for subscription in tuple(watched.subscriptions):
                    subscription.put(event)

    def _end_all(self) -> None:
        for watched in self._views.values():
            for subscription in tuple(watched.subscriptions):
                subscription.end()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        """The result of work in a thread; who is cancelled meanwhile leaves it to `stop` to wait for its end."""
        task = asyncio.ensure_future(to_thread.run_sync(work, limiter=self._threads))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)


def _event(name: str, data: Mapping[str, Any], n: int | None) -> bytes:
    head = f"event: {name}\n" if n is None else f"id: {n}\nevent: {name}\n"
    return head.encode() + b"data: " + _encode(data) + b"\n\n"


def live_stream(province: Province, live: Live) -> APIRouter:
    """The route GET /live."""
    router = APIRouter()

    @router.get(LIVE, tags=["live"], summary="Server-sent events of a view: snapshot, change, tick")
    async def get_live(
        who: Reader, now: Now, view: Annotated[str, Query(description="such as wall:binh-duong")]
    ) -> StreamingResponse:
        wanted = View.from_id(view)
        centre = await to_thread.run_sync(lambda: check_view(who, province, wanted, now=now))
        subscription = await live.subscribe(wanted, centre)

        async def events() -> AsyncIterator[bytes]:
            try:
                yield b"retry: 1000\n\n"
                async for event in subscription.events():
                    yield event
            finally:
                live.unsubscribe(wanted, subscription)

        return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return router
