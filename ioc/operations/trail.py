"""The transaction of an operation that changes something, with the audit's entries about it.

    with changing(store, now) as (connection, trail):
        rows.disable_person(connection, person.id, at)
        trail.say(principal, Act.PERSON_DISABLED, "person", person.id, centres=person.centres)

What was said is added to the trail as the last step of the same transaction: nothing happens without its entry, and no
entry speaks of what was rolled back. Refused: a block that ends without having said anything, which is a mistake of
ours and undoes the change; one that found nothing to change says so (`trail.nothing_changed()`).
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from ioc.model.access import Kind, Principal
from ioc.model.audit import Act, Detail, Said
from ioc.store import audit as rows
from ioc.store.access import Connection
from ioc.store.engine import Store

asked_from: ContextVar[str] = ContextVar("asked_from", default="")
"""The network address of who asks, where there is one; the gate sets it."""


class Unsaid(RuntimeError):
    """An operation changed something and said nothing of it: a mistake in this program."""


class Trail:
    """What a transaction has to say; it is written when the transaction's block ends."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.is_settled = False

    def say(
        self,
        principal: Principal,
        act: Act,
        kind: str = "",
        id_: str = "",
        *,
        centres: Iterable[str] = (),
        unit: str = "",
        address: str = "",
        details: Mapping[str, Detail] | None = None,
    ) -> None:
        """Enter that the principal did this to the thing of that kind and id; see `Said` for who may read it."""
        where = address or address_of(principal)
        self.said.append(Said(principal.id, act, kind, id_, frozenset(centres), unit, where, details or {}))
        self.is_settled = True

    def nothing_changed(self) -> None:
        """The block found nothing to do, and so has nothing to say."""
        self.is_settled = True


@contextmanager
def changing(store: Store, now: datetime) -> Iterator[tuple[Connection, Trail]]:
    """A transaction that writes, and its trail."""
    trail = Trail()
    with store.writing() as connection:
        yield connection, trail
        write(connection, trail, now)


def write(connection: Connection, trail: Trail, now: datetime) -> None:
    """Add what was said to the trail; the last step of a transaction."""
    if not trail.is_settled:
        raise Unsaid("a change must say in the audit what was done, or that nothing was")
    if trail.said:
        rows.append(connection, trail.said, int(now.timestamp() * 1000))


def address_of(principal: Principal) -> str:
    """Where a principal asks from: an address, or for this machine's own programs the number of their user."""
    if principal.kind is Kind.SYSTEM:
        return asked_from.get() or f"uid:{os.getuid()}"
    return asked_from.get()
