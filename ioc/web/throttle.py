"""How much a source system may send to the intake: requests and messages a second, and bytes that wait at once.

Counted in this process's memory: with several web processes behind a proxy, each grants the rate once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ioc.errors import TooMany
from ioc.model.access import Principal
from ioc.operations.gatekeeping import Rate
from ioc.settings import Settings

BURST_S = 2.0
"""A sender that was quiet may send so many seconds' worth at once."""


class IntakeLimits:
    """The two rates of `IOC_INTAKE_REQUESTS` and `IOC_INTAKE_MESSAGES`. `now` is seconds, of any clock."""

    def __init__(self, settings: Settings) -> None:
        requests, messages = settings.intake_requests, settings.intake_messages
        self._requests = Rate(requests, max(1.0, requests * BURST_S), what="requests with this key")
        self._messages = Rate(messages, max(1.0, messages * BURST_S), what="messages with this key")

    def take_request(self, principal: Principal, now: float) -> None:
        """Count one request, before its body is read; TooMany with the time to wait."""
        self._requests.take(principal.id, now)

    def take_messages(self, principal: Principal, count: int, now: float) -> None:
        """Count a request's messages, once they are counted; TooMany with the time to wait."""
        self._messages.take(principal.id, now, cost=count)


BODIES: Final = 8
"""Largest bodies that may wait at the same time. Smaller ones may be more: it is their bytes that take memory."""


class WaitingBodies:
    """The bytes of the bodies that have begun to come and are not judged yet; of one key at most half of them."""

    def __init__(self, settings: Settings) -> None:
        self._most = BODIES * settings.max_body_bytes
        self._held: dict[str, int] = {}

    @contextmanager
    def room_for(self, principal: Principal, size: int) -> Iterator[None]:
        """Room for a body of that size while the block lasts; TooMany where there is none."""
        mine = self._held.get(principal.id, 0)
        if mine + size > self._most // 2 or sum(self._held.values()) + size > self._most:
            raise TooMany("Too many bodies are on their way here at once: wait for answers, then send again.")
        self._held[principal.id] = mine + size
        try:
            yield
        finally:
            self._held[principal.id] -= size
            if not self._held[principal.id]:
                del self._held[principal.id]
