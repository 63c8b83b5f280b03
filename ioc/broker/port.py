"""What the centre asks of a broker: append records, read them back in order by partition, say where a log begins.

A record is never changed after it is appended, offsets within a partition only grow (they may have gaps), and a
record that was acknowledged survives the death of any program. The broker keeps no position for a reader: the
store does, in the transaction of what was read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from zlib import crc32

import msgspec

SOURCE: Final = "source"
ORIGIN: Final = "origin"
BATCH: Final = "batch"
INDEX: Final = "index"

MOST_READ_BYTES: Final = 4 * 1024 * 1024
"""Of one partition at once: a batch of the largest messages must fit into memory too, and the numbers in them take many
times as much. Of messages of usual size it is still more than a batch."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is appended. Records of one key keep their order: they share a partition.

    Headers say who sent it: `source` (id of the key), `origin` (its number), and for re-sent requests `batch` and
    `index` within it.
    """

    key: bytes
    value: bytes
    headers: Mapping[str, str]


class Received(msgspec.Struct, frozen=True, gc=False):
    """A record as it is read: with its place in the log and the time of its append (UTC milliseconds)."""

    offset: int
    time: int
    key: bytes
    value: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Extent:
    """Offsets of a partition's log: the first that is kept, and the one that the next record will get."""

    first: int
    end: int

    def has(self, position: int) -> bool:
        """Whether reading from there misses nothing; a position at the end waits for what comes."""
        return self.first <= position <= self.end


class Broker(Protocol):
    """The port. Every method raises BrokerError when the broker cannot do what is asked."""

    def ensure_topic(self, topic: str, partitions: int, keep_ms: int | None = None) -> None:
        """Make the topic if it does not exist; an existing one keeps its partitions.

        `keep_ms`: where the broker itself drops what is old, how long this topic is kept instead of the others' time.
        """

    def partitions(self, topic: str) -> tuple[Partition, ...]:
        """The partitions of a topic; none if it does not exist."""

    def append(self, topic: str, records: Sequence[Record], now: int) -> None:
        """Append all records or none; they are durable when this returns, and soon after readers see them."""

    def read(self, partition: Partition, offset: int, limit: int) -> list[Received]:
        """At most `limit` records from the first whose offset is `offset` or later, in order; none at the end."""

    def extent(self, partition: Partition) -> Extent:
        """Where the partition's log begins and ends now."""

    def extents(self, partitions: Sequence[Partition]) -> dict[Partition, Extent]:
        """The same for several, at the cost of one."""

    def identity(self, topic: str, believed: str = "") -> str:
        """Which log the topic is: another one after it was deleted and made anew. Empty if the broker cannot say.

        Where it is still the `believed` one, the answer may be a moment old, and mostly costs nothing.
        """

    def shared_until(self, partition: Partition, log: str) -> int | None:
        """Up to which offset it holds the same as the log of that identity, of which it was copied; None: of another.

        Only of other logs than its own.
        """

    def close(self) -> None:
        """Give back what the adapter holds."""


def partition_of(key: bytes, partitions: int) -> int:
    """The partition number of a key."""
    return crc32(key) % partitions
