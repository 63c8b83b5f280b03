"""A Kafka for many small centres at once: each has topics of its own there, under the names that its feeds have."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ioc.broker.open import open_broker
from ioc.broker.port import Broker, Extent, Partition, Received, Record
from ioc.settings import Settings

KEPT_LONG: Final = "87600"  # hours: Kafka would drop what a history of the past was appended at


def new_log(server: str) -> str:
    """The address of a log without topics, in the Kafka at host:port."""
    return f"{server}/{uuid.uuid4().hex[:10]}"


def open_log(address: str, folder: Path) -> "OwnTopics":
    server, prefix = address.split("/")
    settings = Settings.load({"IOC_BROKER": f"kafka://{server}", "IOC_DATA": str(folder), "IOC_KAFKA_KEEP": KEPT_LONG})
    return OwnTopics(open_broker(settings), f"{prefix}.")


def drop_log(address: str) -> None:
    """Take the topics of a log away."""
    from kafka import KafkaAdminClient  # only here: most tests have nothing in a Kafka

    server, prefix = address.split("/")
    with KafkaAdminClient(bootstrap_servers=server) as admin:
        admin.delete_topics([topic for topic in admin.list_topics() if topic.startswith(f"{prefix}.")])


class OwnTopics:
    """The port `Broker`: `broker` under topics that have a prefix there, and none here."""

    def __init__(self, broker: Broker, prefix: str) -> None:
        self._broker = broker
        self._prefix = prefix

    def _there(self, partition: Partition) -> Partition:
        return replace(partition, topic=self._prefix + partition.topic)

    def ensure_topic(self, topic: str, partitions: int, keep_ms: int | None = None) -> None:
        self._broker.ensure_topic(self._prefix + topic, partitions, keep_ms)

    def partitions(self, topic: str) -> tuple[Partition, ...]:
        return tuple(replace(one, topic=topic) for one in self._broker.partitions(self._prefix + topic))

    def append(self, topic: str, records: Sequence[Record], now: int) -> None:
        self._broker.append(self._prefix + topic, records, now)

    def read(self, partition: Partition, offset: int, limit: int) -> list[Received]:
        return self._broker.read(self._there(partition), offset, limit)

    def extent(self, partition: Partition) -> Extent:
        return self._broker.extent(self._there(partition))

    def extents(self, partitions: Sequence[Partition]) -> dict[Partition, Extent]:
        there = self._broker.extents([self._there(one) for one in partitions])
        return {one: there[self._there(one)] for one in partitions}

    def identity(self, topic: str, believed: str = "") -> str:
        return self._broker.identity(self._prefix + topic, believed)

    def shared_until(self, partition: Partition, log: str) -> int | None:
        return self._broker.shared_until(self._there(partition), log)

    def close(self) -> None:
        self._broker.close()
