"""The imaginary province: everything that becomes known of it within a span of time, as requests to the
intake.

A span may be a second of the present or months of the past: the same province comes out, however it is cut.
Traffic is told in full; of a dossier that changed several times within a span only its last state is told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from simulators.accidents import Accident
from simulators.cases import LONGEST_DAYS, Case, state_at
from simulators.dossiers import cases_received
from simulators.places import Territory
from simulators.traffic import Traffic
from simulators.working_time import DAY, local_date

BATCH = 2000
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Request:
    """A batch of messages for one feed, as newline-separated JSON."""

    feed: str
    body: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time [begin, end) and what was never told before it: traffic and dossiers older than their
    starts.
    """

    begin: int
    end: int
    traffic_from: int
    dossiers_from: int


@dataclass(frozen=True, slots=True)
class _Received:
    """The cases received on one local day, and the moments at which any of them changes, ascending."""

    cases: list[Case]
    moments: list[int]
    changed: list[int]


class Province:
    """Holds the days computed last; what it tells depends on nothing but seed, places, span and accidents."""

    def __init__(self, seed: int, period: int, places: Territory) -> None:
        self.traffic = Traffic(seed, period, places.segments)
        self._seed = seed
        self._places = places
        self._received: dict[date, _Received] = {}

    def messages(self, span: Span) -> int:
        """About how many messages a span holds: exact for dossiers and, but for accidents, for traffic."""
        seconds = max(0, span.end - max(span.begin, span.traffic_from + self.traffic.period))
        return len(self._places.segments) * seconds // self.traffic.period + len(self.changed(span))

    def requests(self, span: Span, accidents: Sequence[Accident] = (), batch: int = BATCH) -> Iterator[Request]:
        """The span's messages, oldest first; the same requests for the same arguments, byte by byte."""
        told = (state_at(case, span.end) for case in self.changed(span))
        yield from _batches("dossiers", (_json(message) for message in told if message is not None), batch)
        yield from _batches("traffic", self._traffic_lines(span, accidents), batch)

    def changed(self, span: Span) -> list[Case]:
        """The cases with a change within the span, by the day on which they were received."""
        oldest = max(span.dossiers_from, span.begin - LONGEST_DAYS * DAY)
        day, last = local_date(oldest), local_date(span.end - 1)
        for known in [known for known in self._received if known < day]:
            del self._received[known]
        found: list[Case] = []
        while day <= last:
            received = self._on(day)
            low, high = bisect_left(received.moments, span.begin), bisect_left(received.moments, span.end)
            numbers = sorted(set(received.changed[low:high]))
            found += [case for case in map(received.cases.__getitem__, numbers) if case.received >= span.dossiers_from]
            day += timedelta(days=1)
        return found

    def _on(self, day: date) -> _Received:
        if day not in self._received:
            cases = cases_received(self._seed, self._places.offices, day)
            changes = sorted((at, number) for number, case in enumerate(cases) for at, _ in case.events)
            self._received[day] = _Received(cases, [at for at, _ in changes], [number for _, number in changes])
        return self._received[day]

    def _traffic_lines(self, span: Span, accidents: Sequence[Accident]) -> Iterator[str]:
        begin = max(span.begin, span.traffic_from + self.traffic.period)
        while begin < span.end:
            end = min(span.end, begin - begin % HOUR + HOUR)
            yield from self.traffic.lines(begin, end, accidents)
            begin = end


def _json(message: dict[str, str | None]) -> str:
    return msgspec.json.encode(message).decode()


def _batches(feed: str, lines: Iterator[str], size: int) -> Iterator[Request]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield Request(feed, "\n".join(batch).encode(), size)
            batch = []
    if batch:
        yield Request(feed, "\n".join(batch).encode(), len(batch))
