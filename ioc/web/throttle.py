"""How often a source system may call the intake: requests and messages, for each API key.

Counted in this process's memory: with several web processes behind a proxy, each grants the rate once.
"""

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
