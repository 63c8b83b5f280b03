"""Under which name a record's sender is known, and how many batches of senders are remembered.

What came through the intake carries the id of our own key. Whoever else may write to a topic names itself, and names
each of its batches, so both are bounded here: as many names and batches as people can still look through. Beyond that
nothing is refused: a further name is known as `others:<topic>`, and the oldest batches are forgotten first.

Refused (by `decode`, as dead letters): names that are no text of a line, or longer than the intake's own keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ioc.broker.port import Partition
from ioc.store import senders as rows
from ioc.store.engine import Connection, Store
from ioc.store.streams import BatchKey

LONGEST_NAME: Final = 200
"""Characters of a source or of a batch id: as long as an Idempotency-Key of the intake may be."""

MOST_OTHERS: Final = 100
"""Names of a feed that are not our keys; they are free again when they were silent for eight days."""

MOST_OTHER_BATCHES: Final = 20_000
MOST_OWN_BATCHES: Final = 1_000_000
"""In each partition. An hour of five keys that send as fast as the intake lets them is less; whoever writes under the
name of one of our keys may send more."""


def is_name(text: str) -> bool:
    """Whether a header can be kept as the name of a source or a batch. PostgreSQL keeps no U+0000, for one."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()


def known_as(stated: Iterable[str], own: frozenset[str], others: frozenset[str], topic: str) -> Mapping[str, str]:
    """The name of each sender: its own while there is room among the others, in the order in which they appear."""
    room = MOST_OTHERS - len(others - own)
    names: dict[str, str] = {}
    for one in stated:
        if one in names or not is_name(one):
            continue
        if one in own or one in others:
            names[one] = one
        elif room > 0:
            names[one] = one
            room -= 1
        else:
            names[one] = f"others:{topic}"
    return names


class Senders:
    """What one ingest knows of those who send. The store has the rest: several may know their own parts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own: frozenset[str] = frozenset()
        self._known: dict[str, frozenset[str]] = {}
        self._batches: dict[tuple[Partition, bool], int] = {}

    def names(self, feed: str, topic: str, stated: Iterable[str]) -> Mapping[str, str]:
        """The name of each sender of these records; those that cannot be kept are left out."""
        wanted = dict.fromkeys(stated)
        known = self._known.get(feed, frozenset())
        if wanted.keys() <= known:
            return {one: one for one in wanted}
        with self._store.reading() as connection:
            self._own, others = rows.read_key_ids(connection), rows.read_names(connection, feed)
        others -= {f"topic:{topic}", f"others:{topic}"}
        names = known_as(wanted, self._own, others, topic)
        self._known[feed] = self._own | others | {name for one, name in names.items() if one == name}
        return names

    def bound_batches(self, connection: Connection, partition: Partition, new: Sequence[BatchKey]) -> None:
        """Forget the oldest batches where these new ones, just written, are too many."""
        own = sum(source in self._own for source, _, _, _ in new)
        for is_own, added, most in ((True, own, MOST_OWN_BATCHES), (False, len(new) - own, MOST_OTHER_BATCHES)):
            if added:
                self._bound(connection, partition, added, most, own=is_own)

    def _bound(self, connection: Connection, partition: Partition, added: int, most: int, *, own: bool) -> None:
        topic, number = partition.topic, partition.number
        before = self._batches.get((partition, own))
        held = rows.count_batches(connection, topic, number, own=own) if before is None else before + added
        if held > most + most // 10:
            rows.forget_oldest_batches(connection, topic, number, most, own=own)
            held = rows.count_batches(connection, topic, number, own=own)
        self._batches[partition, own] = held
