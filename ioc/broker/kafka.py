"""The port `Broker` on Apache Kafka, by kafka-python: the log of a centre that outgrew one machine.

Safe settings everywhere: acknowledged by all replicas in sync, transactions, only what is committed is read, nothing
is made by asking for it, positions come from the store alone. Refused: a topic that `setup` has not made.

Offsets have gaps: the end of each transaction takes one. So an extent may end behind the last record.
"""

from collections.abc import Sequence
from pathlib import Path

from ioc.broker.kafka_appending import Appender
from ioc.broker.kafka_connection import KafkaOptions
from ioc.broker.kafka_reading import Reader
from ioc.broker.kafka_topics import Topics
from ioc.broker.port import Extent, Partition, Received, Record, partition_of
from ioc.errors import BrokerError


class KafkaBroker:
    """The port `Broker` on Kafka. Safe to use from several threads; nothing is connected before it is needed.

    `folder` holds which transactional id this process writes under. Connections are made again after any failure, so
    a broker that comes back is used again without a restart.
    """

    def __init__(self, options: KafkaOptions, folder: Path) -> None:
        self._topics = Topics(options)
        self._appender = Appender(options, folder)
        self._reader = Reader(options, self._topics)

    def ensure_topic(self, topic: str, partitions: int, keep_ms: int | None = None) -> None:
        self._topics.ensure(topic, partitions, keep_ms)

    def partitions(self, topic: str) -> tuple[Partition, ...]:
        return tuple(Partition(topic, number) for number in range(self._topics.count(topic)))

    def append(self, topic: str, records: Sequence[Record], now: int) -> None:
        if not records:
            return
        count = self._topics.count(topic)
        if not count:
            raise BrokerError(f"topic {topic} does not exist: run `python -m ioc setup` to make it")
        self._appender.append(topic, [(partition_of(record.key, count), record) for record in records], now)
        self._reader.forget_extents()

    def read(self, partition: Partition, offset: int, limit: int) -> list[Received]:
        return self._reader.read(partition, offset, limit)

    def extent(self, partition: Partition) -> Extent:
        return self.extents([partition])[partition]

    def extents(self, partitions: Sequence[Partition]) -> dict[Partition, Extent]:
        for one in partitions:
            if one.number >= self._topics.count(one.topic):
                raise BrokerError(f"topic {one.topic} has no partition {one.number}: run `python -m ioc setup`")
        return self._topics.extents(partitions) if partitions else {}

    def identity(self, topic: str, believed: str = "") -> str:
        found = self._topics.identity(topic, believed)
        if found != believed:
            self._reader.forget(topic)  # what was fetched may be of the log before
        return found

    def shared_until(self, partition: Partition, log: str) -> int | None:
        return None  # Kafka gives a topic its id; what was copied into it is not known

    def close(self) -> None:
        self._appender.close()
        self._reader.close()
        self._topics.close()
