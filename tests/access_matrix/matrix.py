"""The matrix itself: who × what, each answer looked at, and what was found."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ioc.web.app import WebApp
from tests.access_matrix.callbacks import Callback, calls_of, found_callbacks
from tests.access_matrix.everybody import NOBODY, Somebody
from tests.access_matrix.routes import READS, Found, requests_to
from tests.access_matrix.wire import ACCEPTS_PAGES, Answer, Asked, Headers, ask

_GROUPED: Final = re.compile(rb"(?<=\d)(?:[.,]|\xc2\xa0|\\u00a0|\xe2\x80\xaf|\\u202f)(?=\d{3})")
_LONGEST_SHOWN: Final = 20
READINESS: Final = "/readyz"
"""Says 503 when messages wait, which is no failure of its own."""


@dataclass(slots=True)
class Findings:
    """What a run of the matrix came to. `shown` counts what was seen by right: a matrix that sees nothing proves it."""

    asked: int = 0
    routes: set[str] = field(default_factory=set)
    callbacks: set[str] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)
    streams: dict[str, Asked] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    shown: Counter[str] = field(default_factory=Counter)

    def look(self, who: Somebody, asked: Asked, answer: Answer) -> None:
        self.asked += 1
        self.people.add(who.name)
        self.statuses[answer.status] += 1
        if (answer.status >= 500 or answer.status == 0) and asked.path != READINESS:
            self.failures.append(f"{answer.status} for {who.name}: {asked}: {bytes(answer.body[:200])!r}")
        if found := leaks_in(answer, who, asked.named):
            self.leaks.append(f"{who.name} got {b', '.join(found).decode()} by {asked} ({answer.status})")
        elif answer.status == 200 and any(mark in answer.body for mark in (b"zq7", b"7310")):
            self.shown[asked.path.split("/")[1]] += 1

    def check(self) -> None:
        """Fails if anything foreign was shown, or anything broke."""
        assert not self.leaks, f"{len(self.leaks)} leaks:\n" + "\n".join(self.leaks[:_LONGEST_SHOWN])
        assert not self.failures, f"{len(self.failures)} failures:\n" + "\n".join(self.failures[:_LONGEST_SHOWN])

    def __str__(self) -> str:
        return (
            f"{self.asked} requests = {len(self.people)} people and systems × ({len(self.routes)} routes,"
            f" {len(self.callbacks)} callbacks, {len(self.topics)} live topics) × places:"
            f" {len(self.leaks)} with foreign bytes, {len(self.failures)} answers of 500"
        )


def leaks_in(answer: Answer, who: Somebody, named: Iterable[str]) -> list[bytes]:
    """What stands in an answer and is not theirs; what the request itself named may be said back."""
    content = answer.everything()
    if not any(one in content for one in (b"zq7", b"7310")) and len(content) > 1_000_000:
        return []
    for text in (*who.shown_by_name, *(one.encode() for one in named if "zq7" in one or "7310" in one)):
        content = content.replace(text, b"")
    plain = _GROUPED.sub(b"", content) if len(content) < 1_000_000 else content
    return [one for one in who.forbidden if one in content or one in plain]


async def ask_routes(
    web: WebApp, routes: Iterable[Found], people: Mapping[Somebody, Headers], findings: Findings
) -> None:
    """Ask all of everybody."""
    for route in routes:
        if route.is_socket:
            continue
        findings.routes.add(str(route))
        for asked in requests_to(route):
            for who, headers in people.items():
                answer = await ask(web.app, asked, headers)
                if answer.status == 200 and answer.header(b"content-type").startswith(b"text/event-stream"):
                    findings.streams[str(asked)] = asked
                findings.look(who, asked, answer)


async def ask_callbacks(
    web: WebApp,
    callbacks: Iterable[Callback],
    pathnames: tuple[str, ...],
    people: Mapping[Somebody, Headers],
    findings: Findings,
) -> None:
    for callback in callbacks:
        findings.callbacks.add(callback.output)
        for asked in calls_of(callback, pathnames):
            for who, headers in people.items():
                findings.look(who, asked, await ask(web.app, asked, headers))


async def callbacks_of(web: WebApp, headers: Headers) -> tuple[Callback, ...]:
    """What the application tells a browser that it can call."""
    answer = await ask(web.app, Asked("GET", "/_dash-dependencies"), headers)
    assert answer.status == 200, answer
    return found_callbacks(bytes(answer.body))


async def pathnames_of(web: WebApp, routes: Iterable[Found], headers: Headers) -> tuple[str, ...]:
    """The addresses of pages: what answers a browser with HTML."""
    known: dict[str, None] = {"/": None}
    for route in routes:
        if route.method in READS and not route.is_socket:
            for asked in requests_to(route):
                if not asked.query and asked.path not in known and len(asked.path) < 200:
                    answer = await ask(web.app, asked, (*headers, *ACCEPTS_PAGES))
                    if answer.header(b"content-type").startswith(b"text/html"):
                        known[asked.path] = None
    return tuple(known)


def people_who_ask(everybody: Iterable[Somebody], held: Mapping[str, Headers]) -> dict[Somebody, Headers]:
    return {**{one: held[one.name] for one in everybody}, NOBODY: ()}
