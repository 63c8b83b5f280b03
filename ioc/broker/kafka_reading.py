"""Reading Kafka by partition and offset, fast when it goes on where it stopped.

One consumer with manual assignment serves all partitions that were asked for: no group, no rebalancing, so a program
that was killed reads on at once after its restart. What it fetches of a partition that was not asked for waits in a
lane; a lane that grows too long rests: it is fetched again when it has been read. (It is taken out of the assignment:
kafka-python 3.0.12 never gives the rest of what it had fetched of a partition that was paused and resumed.) Kafka's own
offsets are not committed: the store holds the positions.

Refused: jumping. Where a position is no longer (or not yet) in the log, its extent tells so and the caller decides;
kafka-python would move on silently. Where Kafka has records and gives none, reading starts again with a new
connection, and says so.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition, errors

from ioc.broker.kafka_connection import REQUEST_MS, KafkaOptions, as_broker_error, connected
from ioc.broker.kafka_records import Records
from ioc.broker.kafka_topics import Topics
from ioc.broker.port import MOST_READ_BYTES, Extent, Partition, Received
from ioc.errors import BrokerError
from ioc.logs import get_logger

EXTENTS_AGE_S: Final = 0.05
"""How old the known ends of the log may be when a read looks for more: one look serves all partitions of a batch."""

PATIENCE_S: Final = 5.0
POLL_MS: Final = 100
FETCH_WAIT_MS: Final = 100
"""How long Kafka holds back an answer that would be empty; a jump to another offset waits for it."""

LONGEST_LANE: Final = 20_000
AT_ONCE: Final = 500
"""Records taken from the consumer at once, of all partitions: what was fetched may be far larger when unpacked."""

log = get_logger(__name__)


@dataclass(slots=True)
class _Lane:
    """Records of one partition that were fetched and not yet asked for; `following` is the offset asked for next.

    `size` is that of their values in bytes, `rests_at` where fetching goes on, while the lane rests.
    """

    tp: Any
    following: int
    waiting: deque[Received] = field(default_factory=deque)
    size: int = 0
    rests_at: int | None = None

    @property
    def is_long(self) -> bool:
        return len(self.waiting) > LONGEST_LANE or self.size > MOST_READ_BYTES

    def add(self, records: list[Received]) -> None:
        self.waiting.extend(records)
        self.size += sum(len(record.value) for record in records)

    def take(self, limit: int) -> list[Received]:
        waiting = self.waiting
        records = [waiting.popleft() for _ in range(min(limit, len(waiting)))]
        if records:
            self.following = records[-1].offset + 1
            self.size -= sum(len(record.value) for record in records)
        return records

    def clear(self) -> None:
        self.waiting.clear()
        self.size = 0


class Reader:
    """The one consumer of this process. Safe to use from several threads; one at a time reads."""

    def __init__(self, options: KafkaOptions, topics: Topics) -> None:
        self._options = options
        self._topics = topics
        self._lock = threading.RLock()
        self._consumer: Any = None
        self._lanes: dict[Partition, _Lane] = {}
        self._extents: dict[Partition, Extent] = {}
        self._extents_at = float("-inf")

    def read(self, partition: Partition, offset: int, limit: int) -> list[Received]:
        with self._lock, as_broker_error(self._options, f"reading {partition.topic}[{partition.number}]"):
            try:
                return self._read(partition, offset, limit)
            except errors.LogTruncationError as error:  # a topic was made anew; any question for a position may say so
                self._drop(error.divergent_offsets)
                return self._read(partition, offset, limit)

    def _read(self, partition: Partition, offset: int, limit: int) -> list[Received]:
        lane = self._lane_at(partition, offset)
        if lane is None:
            return []
        if len(lane.waiting) < limit and not lane.is_long:
            if lane.rests_at is not None:
                self._fetch_from(lane, lane.rests_at)
            self._take_what_is_there(lane, limit)
        if not lane.waiting and partition in self._lanes:
            self._wait_for(partition, lane)
        return lane.take(limit)

    def forget(self, topic: str) -> None:
        """Fetch the topic's records anew: it may have been made anew."""
        with self._lock, as_broker_error(self._options, f"reading {topic}"):
            self._drop([lane.tp for lane in self._lanes.values() if lane.tp.topic == topic])

    def forget_extents(self) -> None:
        """Look again at the next question: this process has appended."""
        self._extents_at = float("-inf")

    def close(self) -> None:
        with self._lock:
            consumer, self._consumer = self._consumer, None
            self._lanes.clear()
            self.forget_extents()
            if consumer is not None:
                consumer.close(timeout_ms=REQUEST_MS)

    # --- positions

    def _lane_at(self, partition: Partition, offset: int) -> _Lane | None:
        """The lane of the partition, which gives the record at `offset` or the first after it; None beyond the end."""
        lane = self._lanes.get(partition)
        if lane is not None and lane.following == offset:
            return lane
        extent = self._extent(partition)
        if offset > extent.end:
            return None
        if lane is None:
            lane = self._lanes[partition] = _Lane(TopicPartition(partition.topic, partition.number), offset)
        for other in self._lanes.values():
            self._let_rest(other)  # else what it wants next is fetched again with each jump, and before this
        lane.clear()
        lane.following = offset
        self._fetch_from(lane, max(offset, extent.first))
        return lane

    def _let_rest(self, lane: _Lane) -> None:
        if lane.rests_at is None and lane.tp in self._open().assignment():
            lane.rests_at = self._position(lane)

    def _fetch_from(self, lane: _Lane, offset: int) -> None:
        lane.rests_at = None
        self._assign()
        self._consumer.seek(lane.tp, offset)

    def _assign(self) -> None:
        """Have the consumer fetch what the lanes that do not rest want; those that it fetches already go on."""
        self._open().assign([lane.tp for lane in self._lanes.values() if lane.rests_at is None])

    def _extent(self, partition: Partition) -> Extent:
        if time.monotonic() - self._extents_at > EXTENTS_AGE_S or partition not in self._extents:
            self._extents_at = time.monotonic()
            self._extents = self._topics.extents({*self._lanes, partition})
        return self._extents[partition]

    # --- records

    def _take_what_is_there(self, lane: _Lane, limit: int) -> None:
        """Put what has been fetched already into the lanes, until this one has enough."""
        while len(lane.waiting) < limit and not lane.is_long and self._poll(0):
            pass

    def _poll(self, timeout_ms: int) -> bool:
        """Put some of what has been fetched into the lanes; whether there was any.

        A lane whose position the log does not have is dropped.
        """
        try:
            fetched = self._open().poll(timeout_ms=timeout_ms)
        except errors.OffsetOutOfRangeError as error:
            self._drop(error.args[0])
        except errors.LogTruncationError as error:
            self._drop(error.divergent_offsets)
        else:
            for tp, records in fetched.items():
                lane = self._lanes[Partition(tp.topic, tp.partition)]
                lane.add(records)
                if lane.is_long:
                    self._let_rest(lane)
                    self._assign()
            return bool(fetched)
        return False

    def _drop(self, lost: Iterable[Any]) -> None:
        self.forget_extents()
        dropped = [self._lanes.pop(Partition(tp.topic, tp.partition), None) for tp in lost]
        if any(dropped):
            self._assign()

    def _wait_for(self, partition: Partition, lane: _Lane) -> None:
        """Wait until the lane has records, or nothing but marks stands between its position and the end of the log."""
        deadline = time.monotonic() + PATIENCE_S
        end = self._extent(partition).end
        while not lane.waiting and partition in self._lanes and self._position(lane) < end:
            if time.monotonic() > deadline:
                log.error("kafka gives no records", partition=f"{partition.topic}[{partition.number}]", end=end)
                self.close()
                raise BrokerError(
                    f"Kafka has records of {partition.topic}[{partition.number}] up to {end} but gives none from"
                    f" {lane.following}: reading starts again with a new connection"
                )
            self._poll(POLL_MS)

    def _position(self, lane: _Lane) -> int:
        position = self._consumer.position(lane.tp, timeout_ms=REQUEST_MS)
        return -1 if position is None else int(position)

    def _open(self) -> Any:
        if self._consumer is None:
            self._consumer = connected(
                KafkaConsumer,
                **self._options.client("consumer"),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                fetch_max_wait_ms=FETCH_WAIT_MS,
                max_poll_records=AT_ONCE,
                metrics_enabled=False,
            )
            self._consumer._fetcher.PartitionRecords = Records  # noqa: SLF001 - no option names it
        return self._consumer
