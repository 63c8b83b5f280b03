"""Whether the audit trail is whole: every entry sealed, each after the one before, and the exported heads within it.

The trail is read once, in order, in one snapshot and a page at a time. What it is held against:

- the anchor, where the keeping job left off, which a kept entry of that job must name;
- the head row, so that a tail that was cut off leaves a head without its entry;
- heads that were copied elsewhere, so that cutting off the tail together with the head, or sealing the whole chain
  anew, is seen too;
- the legal holds, which must be those that entries speak of.

Not seen: a chain that was sealed anew from an entry after the last head that was copied elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ioc.errors import Refused
from ioc.model.access import Permission, Principal
from ioc.model.audit import Act, Entry, Head, read_details
from ioc.operations.access import check_permission
from ioc.store import audit as rows
from ioc.store.audit import Point
from ioc.store.engine import Store

_MOST_LOST: Final = 5
"""Heads lost with a restore that are told one by one."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry at which the trail does not hold, and why, in a sentence."""

    n: int
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found. `first` and `last` are numbers of entries; `heads` that many exported ones fit."""

    first: int
    last: int
    count: int
    heads: int
    broken: Break | None
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Walk:
    """What is known while the entries go by."""

    expected: Point
    heads: dict[int, list[Head]]
    fitting: int = 0
    count: int = 0
    holds: dict[str, object] = field(default_factory=dict)
    forgotten: dict[int, str] = field(default_factory=dict)
    restored: set[int] = field(default_factory=set)

    def take(self, entry: Entry) -> Break | None:
        """Look at the next entry; what is wrong with it, if anything."""
        wrong = self._wrong(entry)
        if wrong is not None:
            return Break(entry.n if entry.n <= self.expected.n + 1 else self.expected.n + 1, wrong)
        self.expected = Point(entry.n, entry.hash)
        self.count += 1
        match entry.act:
            case Act.HOLD_SET:
                self.holds[entry.id] = read_details(entry).get("since")
            case Act.HOLD_RELEASED:
                self.holds.pop(entry.id, None)
            case Act.AUDIT_FORGOTTEN:
                self.forgotten[int(entry.id)] = str(read_details(entry).get("hash"))
            case Act.RESTORED:
                self.restored.add(entry.n)
        return None

    def _wrong(self, entry: Entry) -> str | None:
        if entry.n != self.expected.n + 1:
            return f"entry {self.expected.n + 1} is missing; the next one that is there is {entry.n}"
        if not entry.is_whole:
            return f"entry {entry.n} does not fit its own hash: something in it was changed"
        if entry.before != self.expected.hash:
            return f"entry {entry.n} was not written after the entry that stands before it now"
        for head in self.heads.get(entry.n, ()):
            if head.hash != entry.hash:
                return f"entry {entry.n} is not the one that was exported {_utc(head.at)}: the trail was written anew"
            self.fitting += 1
        return None


def verify(principal: Principal, store: Store, heads: Iterable[Head] = ()) -> Verdict:
    """Read the whole trail and say whether it holds; `heads` in the order in which they were exported."""
    check_permission(principal, Permission.ADMINISTER)
    if not principal.everything:
        raise Refused("The audit as a whole is for the centre's shell: use `python -m ioc audit verify` there.")
    kept, lost = _without_lost(heads)
    with store.reading() as connection:
        anchor, head = rows.anchor(connection), rows.head(connection)
        walk = _Walk(anchor, _by_number(kept))
        broken = _against_anchor(anchor, walk)
        for entry in rows.entries_in_order(connection):
            if broken is not None:
                break
            broken = walk.take(entry)
        active = {one.name: one.since for one in rows.holds(connection) if one.released_at is None}
    broken = broken or _at_the_end(walk, anchor, head, kept) or _of_holds(walk, active)
    return Verdict(anchor.n + 1, walk.expected.n, walk.count, walk.fitting, broken, _notes(lost))


def _without_lost(heads: Iterable[Head]) -> tuple[list[Head], list[tuple[Head, Head]]]:
    """The heads that must be in the trail, and those that a restore took back, each with that restore's head."""
    kept: list[Head] = []
    lost: list[tuple[Head, Head]] = []
    for head in heads:
        if head.is_restored:
            lost += [(one, head) for one in kept if one.n >= head.n]
            kept = [one for one in kept if one.n < head.n]
        kept.append(head)
    return kept, lost


def _by_number(heads: Iterable[Head]) -> dict[int, list[Head]]:
    found: dict[int, list[Head]] = {}
    for head in heads:
        found.setdefault(head.n, []).append(head)
    return found


def _against_anchor(anchor: Point, walk: _Walk) -> Break | None:
    for head in walk.heads.get(anchor.n, ()):
        if head.hash != anchor.hash:
            return Break(anchor.n, f"the anchor {anchor.n} is not the entry that was exported {_utc(head.at)}")
        walk.fitting += 1
    return None


def _at_the_end(walk: _Walk, anchor: Point, head: Point, heads: list[Head]) -> Break | None:
    last = walk.expected
    if anchor.n and walk.forgotten.get(anchor.n) != anchor.hash.hex():
        return Break(anchor.n + 1, f"entries up to {anchor.n} are gone, and no entry of the keeping job says so")
    if unknown := [n for n in walk.forgotten if n > anchor.n]:
        return Break(min(unknown), f"entries up to {min(unknown)} were dropped, but the anchor stands at {anchor.n}")
    if last != head:
        return Break(last.n + 1, f"the last entry is {last.n}, but the head of the trail is {head.n}: the tail is gone")
    beyond = [one for one in heads if one.n > last.n]
    if beyond:
        first = min(beyond, key=lambda one: one.n)
        return Break(
            last.n + 1,
            f"the trail ends at {last.n}, but {first.n} was exported as its end {_utc(first.at)}: the tail is gone",
        )
    unsaid = [one.n for one in heads if one.is_restored and one.n > anchor.n and one.n not in walk.restored]
    if unsaid:
        return Break(unsaid[0], f"a restore was exported as entry {unsaid[0]}, which speaks of none")
    return None


def _of_holds(walk: _Walk, active: dict[str, int]) -> Break | None:
    if active == walk.holds:
        return None
    names = sorted(name for name in {*active, *walk.holds} if active.get(name) != walk.holds.get(name))
    return Break(walk.expected.n, f"the hold {names[0]} was set, changed or released without its entry")


def _notes(lost: list[tuple[Head, Head]]) -> tuple[str, ...]:
    words = [
        f"entry {head.n}, exported {_utc(head.at)}, was lost with the restore of {_utc(restore.at)}"
        for head, restore in lost[:_MOST_LOST]
    ]
    if len(lost) > _MOST_LOST:
        words.append(f"and {len(lost) - _MOST_LOST} more")
    return tuple(words)


def _utc(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
