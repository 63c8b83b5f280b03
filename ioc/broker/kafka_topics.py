"""What Kafka knows of topics: making them, how many partitions they have, where their logs begin and end.

It has a connection of its own, because a question behind a fetch that waits for records waits as long.
"""

import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka import IsolationLevel, KafkaAdminClient, OffsetSpec, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType

from ioc.broker.kafka_connection import KafkaOptions, as_broker_error, connected
from ioc.broker.port import Extent, Partition
from ioc.errors import BrokerError

COUNT_AGE_S: Final = 10.0
"""How long the number of a topic's partitions is taken as known."""

IDENTITY_AGE_S: Final = 0.2
"""How long a topic is taken for the one that it was. Kafka is asked so often at most, however fast batches follow.

What is read of a topic that was deleted, made anew and filled beyond the position within this time counts twice.
"""

_NO_ID: Final = uuid.UUID(int=0)
_NOT_THERE: Final = (errors.UnknownTopicOrPartitionError, errors.LeaderNotAvailableError)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Kafka said of a topic, and when (monotonic seconds); without partitions it does not exist."""

    partitions: int
    identity: str
    at: float

    def is_younger_than(self, seconds: float) -> bool:
        return self.partitions > 0 and time.monotonic() - self.at <= seconds


class Topics:
    """The administrator's client of this process. Safe to use from several threads; one at a time asks."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._client: Any = None
        self._seen: dict[str, _Seen] = {}

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
            self._seen.pop(topic, None)

    def count(self, topic: str) -> int:
        """The number of its partitions; 0 if it does not exist."""
        seen = self._seen.get(topic)
        if seen is None or not seen.is_younger_than(COUNT_AGE_S):
            (seen,) = self._asked([topic])
        return seen.partitions

    def identity(self, topic: str, believed: str = "") -> str:
        """The id that Kafka gave it when it was made; empty where Kafka is older than such ids (2.8).

        Asked anew unless it was the `believed` one a moment ago. Then all topics are, as that costs no more.
        """
        seen = self._seen.get(topic)
        if seen is None or not believed or seen.identity != believed or not seen.is_younger_than(IDENTITY_AGE_S):
            (seen, *_) = self._asked([topic, *(other for other in self._seen if other != topic)])
        if not seen.partitions:
            raise BrokerError(f"topic {topic} does not exist: run `python -m ioc setup` to make it")
        return seen.identity

    def _asked(self, topics: list[str]) -> list[_Seen]:
        """What Kafka says of the topics now."""
        with self._asking(f"asking for the topic {topics[0]}") as client:
            now = time.monotonic()
            for described in client.describe_topics(topics):
                topic, kind = described["name"], errors.for_code(described["error_code"])
                if kind is not errors.NoError and not issubclass(kind, _NOT_THERE):
                    raise kind(topic)
                given = described.get("topic_id") or _NO_ID
                identity = "" if given == _NO_ID else str(given)
                self._seen[topic] = _Seen(len(described["partitions"]), identity, now)
            return [self._seen[topic] for topic in topics]

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
