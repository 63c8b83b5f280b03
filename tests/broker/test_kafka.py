"""What only Kafka has: a server that is killed, frozen or away, transactions left open, positions lost."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from ioc.broker.kafka import KafkaBroker
from ioc.broker.kafka_connection import KafkaOptions
from ioc.broker.port import Partition, Record
from ioc.errors import BrokerError
from ioc.settings import PROJECT, Settings
from tests.broker.conftest import append, now, read_all, read_topic, record, values
from tests.conftest import KafkaServer
from tests.waiting import eventually

if TYPE_CHECKING:
    from scripts.parts.kafka import Kafka

pytestmark = pytest.mark.kafka


def settings_for(address: str, folder: Path, **more: str) -> Settings:
    return Settings.load({"IOC_BROKER": f"kafka://{address}", "IOC_DATA": str(folder), **more})


def open_kafka(settings: Settings) -> KafkaBroker:
    return KafkaBroker(KafkaOptions.of(settings), settings.data)


@pytest.fixture
def broker(kafka: KafkaServer, tmp_path: Path) -> Iterator[KafkaBroker]:
    broker = open_kafka(settings_for(kafka.address, tmp_path))
    yield broker
    broker.close()


class Sender:
    """Sends requests of three records to three partitions without a pause, and notes what was answered."""

    def __init__(self, broker: KafkaBroker, topic: str, name: str) -> None:
        self._broker, self._topic, self._name = broker, topic, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.accepted: set[str] = set()
        self.unknown: set[str] = set()
        self.refused: set[str] = set()
        self.accepted_at = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            request = f"{self._name}-{number}"
            number += 1
            try:
                self._broker.append(self._topic, [record(f"k{part}", request) for part in range(9)], now())
            except BrokerError as error:
                (self.unknown if "did not say" in str(error) else self.refused).add(request)
                self._stop.wait(0.05)
            else:
                self.accepted.add(request)
                self.accepted_at = time.monotonic()


def assert_whole_and_once(broker: KafkaBroker, topic: str, senders: list[Sender]) -> None:
    """What was accepted stands there once and whole, what was refused not at all, what is unknown whole or not."""
    accepted = set[str]().union(*(sender.accepted for sender in senders))
    eventually(lambda: set(values(broker, topic)) >= accepted, within_s=30)
    found = Counter(values(broker, topic))
    assert set(found.values()) == {9}
    for sender in senders:
        assert not sender.refused & set(found)
    unknown = set[str]().union(*(sender.unknown for sender in senders))
    assert set(found) - accepted <= unknown


def test_killed_and_started_again_it_has_all_it_acknowledged_and_work_goes_on(
    broker: KafkaBroker, mortal_kafka: "Kafka", topic: str
) -> None:
    broker.ensure_topic(topic, 3)
    with Sender(broker, topic, "a") as one, Sender(broker, topic, "b") as two:
        for _ in range(2):
            count = len(one.accepted)
            eventually(lambda count=count: len(one.accepted) > count + 20, within_s=60)  # type: ignore[misc]
            mortal_kafka.kill()
            mortal_kafka.start()
            back = time.monotonic()
            eventually(lambda back=back: min(one.accepted_at, two.accepted_at) > back, within_s=30)  # type: ignore[misc]
            print(f"Kafka is back; {min(one.accepted_at, two.accepted_at) - back:.1f} s later it is written to again")
            begun = time.monotonic()
            eventually(lambda: _can_be_read(broker, topic), within_s=60)
            print(f"and read again within {time.monotonic() - begun:.1f} s")
    assert_whole_and_once(broker, topic, [one, two])


def _can_be_read(broker: KafkaBroker, topic: str) -> bool:
    """A question to Kafka is not asked again by itself: who asks tries later, as ingest does."""
    try:
        read_topic(broker, topic)
    except BrokerError:
        return False
    return True


def test_while_it_is_frozen_requests_are_refused_in_time_and_afterwards_none_is_there_by_half(
    broker: KafkaBroker, mortal_kafka: "Kafka", topic: str
) -> None:
    broker.ensure_topic(topic, 3)
    append(broker, topic, [record(f"k{part}", "a-first") for part in range(9)])
    with Sender(broker, topic, "a") as sender:
        eventually(lambda: len(sender.accepted) > 5)
        mortal_kafka.freeze()
        begun = time.monotonic()
        eventually(lambda: bool(sender.refused | sender.unknown), within_s=40)
        assert time.monotonic() - begun < 35
        with pytest.raises(BrokerError, match="does not answer"):
            read_all(broker, Partition(topic, 0))
        mortal_kafka.thaw()
        thawed = time.monotonic()
        eventually(lambda: sender.accepted_at > thawed, within_s=30)
        print(f"thawed; written to {sender.accepted_at - thawed:.1f} s later")
    sender.accepted.add("a-first")
    assert_whole_and_once(broker, topic, [sender])


LEAVES_A_TRANSACTION_OPEN = """
import os, sys
from pathlib import Path
from ioc.broker.kafka import KafkaBroker
from ioc.broker.kafka_connection import KafkaOptions
from ioc.settings import Settings

settings = Settings.load()
broker = KafkaBroker(KafkaOptions.of(settings), settings.data)
producer = broker._appender._open()
producer.begin_transaction()
producer.send(sys.argv[1], key=b"k", value=b"half", partition=0)
producer.flush()
os._exit(9)
"""


def test_what_a_killed_program_left_open_is_not_seen_and_its_successor_clears_it_away(
    broker: KafkaBroker, kafka: KafkaServer, topic: str, tmp_path: Path
) -> None:
    broker.ensure_topic(topic, 1)
    append(broker, topic, [record("k", "before")])
    elsewhere = settings_for(kafka.address, tmp_path / "other")
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEAVES_A_TRANSACTION_OPEN, topic],
        env=elsewhere.environ(),
        cwd=PROJECT,
        check=False,
    )
    assert killed.returncode == 9
    broker.append(topic, [record("k", "behind")], now())
    assert values(broker, topic) == ["before"]  # nobody reads past an open transaction
    successor = open_kafka(elsewhere)
    append(successor, topic, [record("k", "after")])
    assert values(broker, topic) == ["after", "before", "behind"]
    successor.close()


def test_each_program_on_a_folder_writes_under_an_id_of_its_own_and_a_later_one_takes_it_over(
    kafka: KafkaServer, topic: str, tmp_path: Path
) -> None:
    settings = settings_for(kafka.address, tmp_path)
    first, second = open_kafka(settings), open_kafka(settings)
    first.ensure_topic(topic, 1)
    for request in range(3):
        append(first, topic, [record("k", f"first {request}")])
        append(second, topic, [record("k", f"second {request}")])
    ids = {path.name: path.read_text() for path in tmp_path.glob("kafka-producer-*")}
    assert sorted(ids) == ["kafka-producer-0", "kafka-producer-1"]
    assert len(set(ids.values())) == 2
    first.close()
    third = open_kafka(settings)
    append(third, topic, [record("k", "third")])
    assert {path.name: path.read_text() for path in tmp_path.glob("kafka-producer-*")} == ids
    assert len(values(second, topic)) == 7
    second.close()
    third.close()


def test_offsets_have_gaps_where_transactions_end(broker: KafkaBroker, topic: str) -> None:
    broker.ensure_topic(topic, 1)
    for request in range(3):
        append(broker, topic, [record("k", str(request))])
    partition = Partition(topic, 0)
    assert [one.offset for one in read_all(broker, partition)] == [0, 2, 4]
    assert [one.offset for one in broker.read(partition, 1, 1)] == [2]
    assert broker.read(partition, 5, 10) == []
    assert broker.extent(partition).end == 6


def test_what_the_log_has_dropped_is_told_by_the_extent(broker: KafkaBroker, kafka: KafkaServer, topic: str) -> None:
    from kafka import KafkaAdminClient, TopicPartition

    broker.ensure_topic(topic, 1)
    partition = Partition(topic, 0)
    for request in range(5):
        append(broker, topic, [record("k", str(request))])
    assert broker.read(partition, 0, 1)[0].value == b"0"
    with KafkaAdminClient(bootstrap_servers=kafka.address) as admin:
        admin.delete_records({TopicPartition(topic, 0): 4})
    eventually(lambda: broker.extent(partition).first == 4)
    assert [one.offset for one in read_all(broker, partition, offset=0)] == [4, 6, 8]
    assert [one.offset for one in read_all(broker, partition, offset=2)] == [4, 6, 8]


def test_a_topic_made_anew_has_lost_the_position(broker: KafkaBroker, kafka: KafkaServer, topic: str) -> None:
    from kafka import KafkaAdminClient

    broker.ensure_topic(topic, 1)
    partition = Partition(topic, 0)
    append(broker, topic, [record("k", str(number)) for number in range(10)])
    following = read_all(broker, partition)[-1].offset + 1
    with KafkaAdminClient(bootstrap_servers=kafka.address) as admin:
        admin.delete_topics([topic])
        eventually(lambda: topic not in admin.list_topics())
    broker.ensure_topic(topic, 1)
    broker.append(topic, [record("k", "new")], now())
    eventually(lambda: broker.extent(partition).end == 2)
    assert broker.read(partition, following, 10) == []
    assert [one.value for one in broker.read(partition, 0, 10)] == [b"new"]


def test_a_partition_that_nobody_reads_on_takes_no_more_memory(broker: KafkaBroker, topic: str) -> None:
    broker.ensure_topic(topic, 2)
    broker.append(topic, [record("k1", "x" * 100) for _ in range(50_000)], now())
    full = broker.partitions(topic)[1 if broker.extent(Partition(topic, 1)).end > 1 else 0]
    empty = Partition(topic, 1 - full.number)
    eventually(lambda: broker.extent(full).end > 50_000)
    begun = broker.read(full, 0, 10)
    for _ in range(300):
        assert broker.read(empty, 0, 1_000) == []
    lane = broker._reader._lanes[full]
    assert len(lane.waiting) < 25_000
    rest = read_all(broker, full, offset=begun[-1].offset + 1, limit=5_000)
    assert [one.offset for one in [*begun, *rest]] == list(range(50_000))


def test_a_record_that_is_too_large_refuses_its_request_only(broker: KafkaBroker, topic: str) -> None:
    broker.ensure_topic(topic, 2)
    with pytest.raises(BrokerError, match="IOC_MAX_MESSAGE_BYTES"):
        broker.append(topic, [record("a", "1"), Record(b"b", b"x" * 1_200_000, {})], now())
    append(broker, topic, [record("a", "2"), Record(b"b", b"x" * 1_048_576, {})])
    assert [text[:1] for text in values(broker, topic)] == ["2", "x"]


def test_what_kafka_itself_refuses_fails_with_a_sentence_and_the_next_request_is_taken(
    broker: KafkaBroker, topic: str
) -> None:
    broker.ensure_topic(topic, 1)
    in_two_days = now() + 2 * 86_400_000
    with pytest.raises(BrokerError, match="InvalidTimestamp"):
        broker.append(topic, [record("a", "future")], in_two_days)
    append(broker, topic, [record("a", "now")])
    assert values(broker, topic) == ["now"]


def test_setup_gives_an_existing_topic_the_keeping_time_of_today(
    kafka: KafkaServer, topic: str, tmp_path: Path
) -> None:
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType

    for hours in ("48", "24"):
        broker = open_kafka(settings_for(kafka.address, tmp_path, IOC_KAFKA_KEEP=hours))
        broker.ensure_topic(topic, 1)
        broker.close()
    with KafkaAdminClient(bootstrap_servers=kafka.address) as admin:
        (described,) = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])["topic"].values()
    assert described["retention.ms"]["value"] == str(24 * 3_600_000)


def test_a_broker_that_is_not_there_is_named_soon(tmp_path: Path) -> None:
    broker = open_kafka(settings_for("127.0.0.1:1", tmp_path))
    threads = threading.active_count()
    begun = time.monotonic()
    for attempt in (
        lambda: broker.append("t", [record("k")], now()),
        lambda: broker.read(Partition("t", 0), 0, 1),
        lambda: broker.ensure_topic("t", 1),
    ):
        with pytest.raises(BrokerError, match=r"Kafka at 127\.0\.0\.1:1 does not answer .* IOC_BROKER"):
            attempt()
    assert time.monotonic() - begun < 30
    assert threading.active_count() == threads
    broker.close()


def test_a_user_with_the_right_password_is_let_in_and_no_other(topic: str, tmp_path: Path) -> None:
    from scripts.parts.kafka import Kafka
    from scripts.parts.server import free_port

    port, controller = free_port(), free_port()
    users = 'username="ioc" password="right" user_ioc="right"'
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    server = Kafka(
        tmp_path / "server",
        port,
        more=f"""
listeners=SASL_PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_PLAINTEXT://127.0.0.1:{port}
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={plain} {users};
""",
    )
    server.start()
    try:
        for password in ("right", "wrong"):
            broker = open_kafka(
                settings_for(
                    server.address,
                    tmp_path,
                    IOC_KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
                    IOC_KAFKA_SASL_MECHANISM="PLAIN",
                    IOC_KAFKA_USERNAME="ioc",
                    IOC_KAFKA_PASSWORD=password,
                )
            )
            if password == "right":
                broker.ensure_topic(topic, 1)
                append(broker, topic, [record("k", "let in")])
                assert values(broker, topic) == ["let in"]
            else:
                with pytest.raises(BrokerError, match="IOC_KAFKA_PASSWORD") as refused:
                    broker.append(topic, [record("k", "kept out")], now())
                assert password not in str(refused.value).replace("IOC_KAFKA_PASSWORD", "")
            broker.close()
    finally:
        server.kill()
