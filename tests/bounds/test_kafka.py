"""What other producers may write into Kafka: records of our time only, and header names of any bytes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from ioc.broker.kafka import KafkaBroker
from ioc.broker.kafka_connection import KafkaOptions
from ioc.broker.kafka_records import records_of
from ioc.errors import BrokerError
from ioc.settings import Settings
from tests.broker.conftest import append, now, record, topic, values
from tests.conftest import KafkaServer

__all__ = ["topic"]

DAY_MS = 86_400_000


@pytest.fixture
def broker(kafka: KafkaServer, tmp_path: Path) -> Iterator[KafkaBroker]:
    settings = Settings.load({"IOC_BROKER": f"kafka://{kafka.address}", "IOC_DATA": str(tmp_path)})
    made = KafkaBroker(KafkaOptions.of(settings), tmp_path)
    yield made
    made.close()


@pytest.mark.kafka
@pytest.mark.parametrize("age", [-2 * DAY_MS, 8 * DAY_MS, 9_000 * DAY_MS], ids=["ahead", "older than kept", "2002"])
def test_records_are_of_the_time_that_is_kept(broker: KafkaBroker, topic: str, age: int) -> None:
    """Heartbeats are counted by minute and letters by hour: with any time whatever they would have no bound."""
    broker.ensure_topic(topic, 1)
    with pytest.raises(BrokerError, match="InvalidTimestamp"):
        broker.append(topic, [record("a", "of another time")], now() - age)
    append(broker, topic, [record("a", "six days old")], now() - 6 * DAY_MS)
    assert values(broker, topic) == ["six days old"]


def test_a_header_name_of_any_bytes_stops_nothing() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, 0, 0, 1 << 20)
    assert builder.append(0, 1_700_000_000_000, b"k", b"v", [("aaaa", b"1"), ("source", b"s")])
    buffer = bytes(builder.build()).replace(b"aaaa", b"\xff\xfe\x00\xfd")
    (received,) = records_of(DefaultRecordBatch(buffer))
    assert received.value == b"v"
    assert received.headers["source"] == "s"
