"""The one HTTP client of the simulators: sends batches to the intake until they are answered, and learns the
territory.

A lost connection, 429 and 5xx are tried again under the same Idempotency-Key (a digest of the body, so the
same batch has the same key even after a restart). A refused key and a wrong address are errors. The key goes
into one header and nowhere else.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from simulators.errors import KeyRefused, NotAnIntake, ServerAway, SimulatorError
from simulators.places import Asset, Territory, Unit, territory
from simulators.province import Request

T = TypeVar("T")

USER_AGENT = "ioc-simulators"
FIRST_WAIT, LONGEST_WAIT = 0.25, 8.0
LONGEST_RETRY_AFTER = 120.0
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
REASONS_SHOWN, REASONS_KEPT = 5, 100


class Rejected(msgspec.Struct):
    index: int
    reason: str


class Answer(msgspec.Struct):
    """What the intake says to a batch."""

    accepted: int
    rejected: list[Rejected] = []


@dataclass(slots=True)
class Tally:
    """What came of the messages so far."""

    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    requests: int = 0
    retries: int = 0
    judged_before: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def all_refused(self) -> bool:
        return self.sent > 0 and self.accepted == 0

    def sentence(self) -> str:
        text = f"{self.sent:,} messages sent in {self.requests:,} requests: {self.accepted:,} accepted"
        text += f", {self.rejected:,} rejected" if self.rejected else ""
        text += f" ({self.retries} requests tried again)" if self.retries else ""
        text += f"; {self.judged_before} batches had been judged before" if self.judged_before else ""
        reasons = "".join(f"\n  {n:,} × {reason}" for reason, n in self.reasons.most_common(REASONS_SHOWN))
        return text + reasons


class Intake:
    """A connection to the server. `patience` is how long (seconds) it may be away; None waits for ever."""

    def __init__(self, url: str, key: str, say: Callable[[str], None], patience: float | None = None) -> None:
        self.tally = Tally()
        self._say = say
        self._patience = patience
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}", "User-Agent": USER_AGENT},
            timeout=httpx.Timeout(60, connect=5),
            trust_env=False,  # the key must not go through a proxy that somebody set for browsing
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def send(self, request: Request) -> Answer:
        """Sends a batch until the server has judged it; counts the verdict."""
        digest = hashlib.blake2b(request.body, digest_size=16, person=request.feed.encode()[:16]).hexdigest()
        response = await self._ask(
            "POST",
            f"/api/v1/feeds/{request.feed}/messages",
            content=request.body,
            headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": digest},
        )
        if response.status_code == 413:
            raise SimulatorError(f"The server refuses a request of {len(request.body):,} bytes: use a smaller --batch.")
        if response.status_code == 409:
            # The key is a digest of the body, so this very batch was judged before, with another list of assets.
            self.tally.judged_before += 1
            return Answer(0)
        answer = self._decode(response, Answer, {200, 202, 422})
        self.tally.requests += 1
        self.tally.sent += request.count
        self.tally.accepted += answer.accepted
        self.tally.rejected += len(answer.rejected)
        for item in answer.rejected:
            new = item.reason not in self.tally.reasons
            if new and len(self.tally.reasons) < REASONS_SHOWN:
                self._say(f"The server rejects {request.feed} messages: {item.reason}")
            reason = "other reasons" if new and len(self.tally.reasons) >= REASONS_KEPT else item.reason
            self.tally.reasons[reason] += 1
        return answer

    async def places(self) -> Territory:
        """The assets and units that hold now."""
        assets = [
            Asset(
                id=row["id"],
                kind=row["kind"],
                title=row.get("title_vi") or row["id"],
                road=row.get("group") or "",
                lat=row.get("lat") or 0.0,
                lon=row.get("lon") or 0.0,
                unit=row.get("unit"),
            )
            for kind in ("road_segment", "office")
            for row in await self._pages("/api/v1/assets", "assets", kind=kind)
        ]
        units = [
            Unit(row["id"], row["lat"], row["lon"], row.get("area_km2"), row.get("parent"))
            for row in await self._pages("/api/v1/units", "units")
            if row.get("lat") is not None and row.get("lon") is not None
        ]
        return territory(assets, units)

    async def _pages(self, path: str, name: str, **wanted: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            response = await self._ask("GET", path, params=wanted | ({"cursor": cursor} if cursor else {}))
            page = self._decode(response, dict[str, Any], {200})
            rows += page.get(name, [])
            cursor = page.get("next")
            if not cursor:
                return rows

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Asks until there is an answer other than "later"."""
        began, wait, told = time.monotonic(), FIRST_WAIT, False
        while True:
            pause = wait
            try:
                response = await self._client.request(method, path, **arguments)
            except httpx.TransportError as error:
                trouble = f"no answer ({type(error).__name__})"
            else:
                if response.status_code in {401, 403}:
                    raise KeyRefused(
                        f"The server does not accept the API key for {path} ({response.status_code}): "
                        "check the key file, or make a key with `python -m ioc key add`."
                    )
                if response.status_code not in TRY_AGAIN:
                    if told:
                        self._say("The server answers again.")
                    return response
                trouble = f"answer {response.status_code}"
                pause = retry_after(response.headers.get("Retry-After"), datetime.now(UTC)) or wait
            if self._patience is not None and time.monotonic() + pause - began > self._patience:
                raise ServerAway(
                    f"{self._client.base_url} did not take the request within {self._patience:g} s: {trouble}. "
                    "Is the server running there?"
                )
            if not told and time.monotonic() - began > 2:
                self._say(f"Waiting for {self._client.base_url}: {trouble}.")
                told = True
            self.tally.retries += 1
            await asyncio.sleep(pause)
            wait = min(LONGEST_WAIT, 2 * wait)

    def _decode(self, response: httpx.Response, kind: type[T], expected: set[int]) -> T:
        if response.status_code in expected:
            try:
                return msgspec.json.decode(response.content, type=kind)
            except msgspec.DecodeError:
                pass
        raise NotAnIntake(
            f"{response.request.method} {response.request.url} answered {response.status_code} in a form that is not "
            f"the intake's: {response.text[:200]!r}. Check --url and the versions of server and simulators."
        )


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (a number or an HTTP date); None where it says nothing usable."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(LONGEST_RETRY_AFTER, max(0.0, seconds))
