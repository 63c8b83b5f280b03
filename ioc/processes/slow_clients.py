"""Connections that take too long to say what they want are closed: each holds a socket and some memory.

The application server waits for ever for the rest of a request's head or body. Here a head has HEAD_S from the first
byte of the connection (or of the next request on it), a body BODY_S from the end of its head. Who is answered slowly is
another matter: streams go on for hours.
"""

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ioc import logs

log = logs.get_logger("ioc.web")


class TimelyProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with an end to its patience. A WebSocket leaves it when it is opened."""

    HEAD_S: ClassVar[float] = 20.0
    BODY_S: ClassVar[float] = 90.0  # a full body over a line of 1 Mbit/s
    _waits_for: object = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for(h11.IDLE)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for(self.conn.their_state)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        super().connection_lost(exc)

    def _wait_for(self, state: object) -> None:
        """Begin to wait, or go on waiting for the same; more bytes of the same head or body do not give more time."""
        limit = {h11.IDLE: self.HEAD_S, h11.SEND_BODY: self.BODY_S}.get(state)  # type: ignore[call-overload]
        if limit is not None and state is self._waits_for:
            return
        if self._patience is not None:
            self._patience.cancel()
        self._waits_for = state
        self._patience = None if limit is None else self.loop.call_later(limit, self._lose_patience)

    def _lose_patience(self) -> None:
        log.info("a slow connection was closed", waited_for="head" if self._waits_for is h11.IDLE else "body")
        self.transport.abort()
