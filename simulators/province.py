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
from simulators.traffic import TOGETHER, Traffic
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
    starts. Traffic before `fine_from` is told in longer intervals.
    """

    begin: int
    end: int
    traffic_from: int
    dossiers_from: int
    fine_from: int = 0


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
        begin = max(span.begin, span.traffic_from + self.traffic.period)
        coarse = max(0, min(span.end, span.fine_from) - begin) // (self.traffic.period * TOGETHER)
        fine = max(0, span.end - max(begin, span.fine_from)) // self.traffic.period
        return len(self._places.segments) * (coarse + fine) + len(self.changed(span))

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
        traffic = self.traffic
        begin = max(span.begin, span.traffic_from + traffic.period)
        for first, end in _hours(begin, min(span.end, span.fine_from)):
            yield from traffic.coarse_lines(first, end)
        # Where a longer interval would end after `fine_from`, its minutes are told instead, from before it on.
        for first, end in _hours(max(begin, span.fine_from - TOGETHER * traffic.period), span.end):
            yield from traffic.lines(first, end, accidents, fine_from=span.fine_from)


def _hours(begin: int, end: int) -> Iterator[tuple[int, int]]:
    while begin < end:
        until = min(end, begin - begin % HOUR + HOUR)
        yield begin, until
        begin = until


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
