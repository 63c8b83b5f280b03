"""One contract, two logs: the embedded one, and Kafka where it can be had."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ioc.broker.open import open_broker
from ioc.broker.port import Broker, Partition, Received, Record
from ioc.settings import Settings
from tests.waiting import eventually

OpenBroker = Callable[[], Broker]


def now() -> int:
    """UTC milliseconds. Kafka refuses records from the future, and drops those of long ago."""
    return int(time.time() * 1000)


def record(key: str, value: str = "", **headers: str) -> Record:
    return Record(key.encode(), value.encode(), headers)


def append(broker: Broker, topic: str, records: Sequence[Record], at: int | None = None) -> None:
    """Append, and wait until readers see it: Kafka shows a transaction some milliseconds after it is durable."""
    before = _end(broker, topic)
    broker.append(topic, records, now() if at is None else at)
    eventually(lambda: _end(broker, topic) >= before + len(records))


def _end(broker: Broker, topic: str) -> int:
    return sum(broker.extent(partition).end for partition in broker.partitions(topic))


def read_all(broker: Broker, partition: Partition, *, offset: int = 0, limit: int = 1_000) -> list[Received]:
    """Everything from `offset` on, in pieces of `limit`."""
    found: list[Received] = []
    while piece := broker.read(partition, offset, limit):
        assert len(piece) <= limit
        found += piece
        offset = piece[-1].offset + 1
    return found


def read_topic(broker: Broker, topic: str, *, limit: int = 1_000) -> dict[int, list[Received]]:
    return {one.number: read_all(broker, one, limit=limit) for one in broker.partitions(topic)}


def values(broker: Broker, topic: str) -> list[str]:
    """What a topic holds, sorted."""
    return sorted(one.value.decode() for found in read_topic(broker, topic).values() for one in found)


def assert_whole(received: Sequence[Received], counts: Mapping[str, int]) -> None:
    """The appends of `tests.broker.appender`: all of each name, each whole, in order, with no other's in between."""
    for name, count in counts.items():
        said = [one.value.decode() for one in received if one.key == name.encode()]
        assert said == [f"{name} {number} {part}" for number in range(count) for part in range(3)]
    in_a_row = [one.value.decode().rsplit(" ", 1)[0] for one in received]
    assert all(len(set(in_a_row[at : at + 3])) == 1 for at in range(0, len(in_a_row), 3))


@pytest.fixture
def topic() -> str:
    """The name of a topic that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Of a centre with this log."""
    address = request.param
    if address == "kafka":
        address = f"kafka://{request.getfixturevalue('kafka').address}"
    return Settings.load({"IOC_BROKER": address, "IOC_DATA": str(tmp_path / "data")})


@pytest.fixture
def open_another(settings: Settings) -> Iterator[OpenBroker]:
    """Opens the same log once more, as another program does."""
    opened: list[Broker] = []

    def one_more() -> Broker:
        opened.append(open_broker(settings))
        return opened[-1]

    yield one_more
    for broker in opened:
        broker.close()


@pytest.fixture
def broker(open_another: OpenBroker) -> Broker:
    return open_another()
