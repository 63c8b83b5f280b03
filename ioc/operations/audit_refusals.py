"""Refusals on their way into the audit trail: the first at once, those that follow from the same address by the minute.

A refusal changes nothing, so there is no transaction to enter it in, and whoever is refused can order as many as they
like. What is refused is therefore only counted here, in memory. Of each (who, what, from where) the first is entered at
the next writing, and what follows within a minute as one entry with its count. New ones are entered at most ten a
minute after the first hundred; beyond that they are counted together as those of `others`. One writing is one short
transaction, whatever was refused meanwhile.

A program that is killed loses the counts of its last minute, never the first refusal but for a second.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ioc.errors import TooMany
from ioc.model.audit import Act, Said
from ioc.operations.gatekeeping import Rate, network_of
from ioc.store import audit as rows
from ioc.store.engine import Store

WINDOW_S: Final = 60.0
OTHERS: Final = "others"
ANYBODY: Final = "anonymous"
"""Who was refused without saying, or proving, who they are."""
_NEW_AT_ONCE: Final = 100
_NEW_PER_MINUTE: Final = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused to whom. `who` is an id, or ANYBODY; `method` and `path` are those of the request."""

    act: Act
    who: str
    address: str
    status: int
    method: str
    path: str
    centres: frozenset[str] = frozenset()
    kind: str = ""
    id: str = ""


@dataclass(slots=True)
class _Minute:
    """The refusals of one kind since the first of them."""

    key: tuple[str, ...]
    first: Refusal
    began: float
    unsaid: int = 0
    is_begun: bool = False
    """Whether the first one is entered."""


class Refusals:
    """Counts refusals and enters them; one for each process, used from any thread."""

    def __init__(self) -> None:
        self._rate = Rate(_NEW_PER_MINUTE / 60, _NEW_AT_ONCE, what="refusals")
        self._minutes: dict[tuple[str, ...], _Minute] = {}
        self._lock = threading.Lock()

    def note(self, refusal: Refusal, now: float) -> None:
        """Count a refusal; `now` in seconds. Writes nothing."""
        network = network_of(refusal.address)
        key: tuple[str, ...] = (refusal.act, refusal.who, network, refusal.kind, refusal.id)
        with self._lock:
            if key not in self._minutes:
                try:
                    self._rate.take("", now)
                except TooMany:
                    key = (refusal.act, OTHERS)
                    refusal = Refusal(refusal.act, OTHERS, "", refusal.status, refusal.method, "")
            self._minutes.setdefault(key, _Minute(key, refusal, now)).unsaid += 1

    def due_in(self, now: float) -> float | None:
        """Seconds until something is to be entered; None where nothing waits."""
        with self._lock:
            waits = [
                0.0 if not minute.is_begun else max(0.0, minute.began + WINDOW_S - now)
                for minute in self._minutes.values()
            ]
        return min(waits, default=None)

    def write(self, store: Store, now: datetime, *, is_last: bool = False) -> int:
        """Enter what is due (`is_last`: all), in one transaction; how many entries. After an error it is due still."""
        taken = self._take(now.timestamp(), is_last=is_last)
        if not taken:
            return 0
        try:
            with store.writing() as connection:
                rows.append(connection, [_said(minute.first, count) for minute, count in taken], _ms(now))
        except BaseException:
            self._give_back(taken)
            raise
        return len(taken)

    def _take(self, now: float, *, is_last: bool) -> list[tuple[_Minute, int]]:
        taken = []
        with self._lock:
            for key, minute in list(self._minutes.items()):
                is_over = is_last or now >= minute.began + WINDOW_S
                if minute.unsaid and (is_over or not minute.is_begun):
                    taken.append((minute, minute.unsaid))
                    minute.unsaid, minute.is_begun = 0, True
                if is_over:
                    del self._minutes[key]
        return taken

    def _give_back(self, taken: Iterable[tuple[_Minute, int]]) -> None:
        with self._lock:
            for minute, count in taken:
                stands = self._minutes.setdefault(minute.key, minute)
                stands.unsaid += count
                stands.is_begun = False


def _said(first: Refusal, count: int) -> Said:
    details: dict[str, str | int] = {"count": count, "status": first.status, "method": first.method[:10]}
    if first.path:
        details["path"] = "".join(sign if sign.isprintable() else "?" for sign in first.path[:120])
    address = network_of(first.address) if first.address else ""
    return Said(first.who, first.act, first.kind, first.id, first.centres, "", address, details)


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
