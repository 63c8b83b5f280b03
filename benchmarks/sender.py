"""A source system of the benchmarks: one connection to the intake, kept open, with a key of its own."""

import http.client
from types import TracebackType
from typing import Self

import msgspec

from ioc.processes import accounts
from ioc.settings import Settings


class Sender:
    """Posts bodies of traffic messages; RuntimeError unless every message was accepted."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._key = accounts.key_add(settings, name, may=["send"], feeds=["traffic"])
        self._connection = http.client.HTTPConnection(settings.host, settings.port, timeout=60)

    def post(self, body: bytes, count: int, batch: str | None = None) -> None:
        """Send `count` messages, one per line; returns when they are accepted."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/x-ndjson"}
        if batch is not None:
            headers["Idempotency-Key"] = batch
        self._connection.request("POST", "/api/v1/feeds/traffic/messages", body, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 202 or msgspec.json.decode(said)["accepted"] != count:
            raise RuntimeError(f"the intake answered {answer.status}: {said[:500]!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
