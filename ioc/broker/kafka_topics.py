"""What Kafka knows of topics: making them, how many partitions they have, where their logs begin and end.

It has a connection of its own, because a question behind a fetch that waits for records waits as long.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from kafka import IsolationLevel, KafkaAdminClient, OffsetSpec, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType

from ioc.broker.kafka_connection import KafkaOptions, as_broker_error, connected
from ioc.broker.port import Extent, Partition

COUNT_AGE_S: Final = 10.0
"""How long the number of a topic's partitions is taken as known."""

_NOT_THERE: Final = (errors.UnknownTopicOrPartitionError, errors.LeaderNotAvailableError)


class Topics:
    """The administrator's client of this process. Safe to use from several threads; one at a time asks."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._client: Any = None
        self._counts: dict[str, tuple[int, float]] = {}

    def ensure(self, topic: str, partitions: int, keep_ms: int | None = None) -> None:
        """Make the topic; where it is there, give it the settings of ours and leave its partitions."""
        configs = self._options.topic(keep_ms)
        wanted = {
            "num_partitions": partitions,
            "replication_factor": self._options.replication,
            "configs": configs,
        }
        with self._asking(f"making the topic {topic}") as client:
            try:
                client.create_topics({topic: wanted}, wait_for_metadata=True)
            except errors.TopicAlreadyExistsError:
                client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
            self._counts.pop(topic, None)

    def count(self, topic: str) -> int:
        """The number of its partitions; 0 if it does not exist."""
        count, seen_at = self._counts.get(topic, (0, float("-inf")))
        if count and time.monotonic() - seen_at <= COUNT_AGE_S:
            return count
        with self._asking(f"asking for the topic {topic}") as client:
            (described,) = client.describe_topics([topic])
            kind = errors.for_code(described["error_code"])
            if kind is not errors.NoError and not issubclass(kind, _NOT_THERE):
                raise kind(topic)
            count = len(described["partitions"])
            self._counts[topic] = (count, time.monotonic())
        return count

    def extents(self, partitions: Iterable[Partition]) -> dict[Partition, Extent]:
        """Where their logs begin and end now; the end is that of what readers of committed records may see."""
        wanted = {one: TopicPartition(one.topic, one.number) for one in partitions}
        with self._asking(f"asking for the log of {', '.join(sorted({one.topic for one in wanted}))}") as client:
            level = IsolationLevel.READ_COMMITTED
            first = client.list_partition_offsets(dict.fromkeys(wanted.values(), OffsetSpec.EARLIEST), level)
            end = client.list_partition_offsets(dict.fromkeys(wanted.values(), OffsetSpec.LATEST), level)
        return {one: Extent(first[tp].offset, max(first[tp].offset, end[tp].offset)) for one, tp in wanted.items()}

    def close(self) -> None:
        with self._lock:
            self._close_client()

    @contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        """The client, made anew after any failure."""
        with self._lock, as_broker_error(self._options, what):
            if self._client is None:
                self._client = connected(KafkaAdminClient, **self._options.client("admin"))
            try:
                yield self._client
            except (errors.KafkaError, RuntimeError):
                self._close_client()
                raise

    def _close_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
