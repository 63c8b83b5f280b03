"""What the centre may rely on, whichever log it has."""

import random
import threading
from collections import defaultdict

import pytest

from ioc.broker.port import MOST_READ_BYTES, Broker, Extent, Partition, Record, partition_of
from ioc.errors import BrokerError
from tests.broker.appender import records
from tests.broker.conftest import (
    OpenBroker,
    append,
    assert_whole,
    now,
    read_all,
    read_topic,
    record,
    values,
)
from tests.waiting import eventually


def test_a_topic_keeps_its_partitions(broker: Broker, topic: str) -> None:
    assert broker.partitions(topic) == ()
    broker.ensure_topic(topic, 3)
    broker.ensure_topic(topic, 5)
    assert broker.partitions(topic) == tuple(Partition(topic, number) for number in range(3))


def test_a_topic_that_was_never_made_takes_nothing(broker: Broker, topic: str) -> None:
    with pytest.raises(BrokerError, match="python -m ioc setup"):
        broker.append(topic, [record("a")], now())
    with pytest.raises(BrokerError, match="python -m ioc setup"):
        broker.extent(Partition(topic, 0))
    assert broker.partitions(topic) == ()


def test_a_partition_that_does_not_exist_is_an_error(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 1)
    with pytest.raises(BrokerError, match="python -m ioc setup"):
        broker.extent(Partition(topic, 1))


def test_a_record_comes_back_as_it_was_appended(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 1)
    at = now()
    sent = [
        Record("đường-1".encode(), '{"tên": "Bến Cát"}'.encode(), {"source": "s1", "origin": "2"}),
        Record(b"\x00\xff", bytes(range(256)) * 4, {"batch": "b" * 32, "index": "0"}),
        Record(b"k", b"", {}),
    ]
    append(broker, topic, sent, at)
    found = read_all(broker, Partition(topic, 0))
    assert [Record(one.key, one.value, one.headers) for one in found] == sent
    assert [one.time for one in found] == [at] * 3


def test_large_records_come_in_portions_that_fit_into_memory_and_none_is_left_out(broker: Broker, topic: str) -> None:
    """Of Kafka with what a fetch brings beyond that."""
    fetched, size, many = 1_048_576, 200_000, 60
    broker.ensure_topic(topic, 1)
    for at in range(0, many, 4):
        append(
            broker, topic, [Record(b"k", bytes([number]) + random.randbytes(size), {}) for number in range(at, at + 4)]
        )
    partition, offset = Partition(topic, 0), 0
    found: list[int] = []
    eventually(lambda: broker.extent(partition).end >= many)
    while len(found) < many:
        portion = broker.read(partition, offset, 20_000)
        assert sum(len(one.value) for one in portion) <= MOST_READ_BYTES + fetched + size
        found += [one.value[0] for one in portion]
        offset = portion[-1].offset + 1 if portion else offset
    assert found == list(range(many))


def test_records_of_one_key_share_a_partition_and_keep_their_order(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 3)
    sent = defaultdict(list)
    for request in range(5):
        batch = [record(f"key {number % 20}", f"{request}-{number}") for number in range(50)]
        append(broker, topic, batch)
        for appended in batch:
            sent[appended.key].append(appended.value)
    found = defaultdict(list)
    for number, received in read_topic(broker, topic).items():
        assert received  # keys are spread
        for one in received:
            assert partition_of(one.key, 3) == number
            found[one.key].append(one.value)
    assert found == sent


@pytest.mark.parametrize("limit", [1, 7, 100, 10_000])
def test_a_limit_cuts_and_nothing_is_lost_or_doubled(broker: Broker, topic: str, limit: int) -> None:
    broker.ensure_topic(topic, 2)
    for request in range(4):
        append(broker, topic, [record(f"k{number}", f"{request}-{number}") for number in range(25)])
    for received in read_topic(broker, topic, limit=limit).values():
        offsets = [one.offset for one in received]
        assert offsets == sorted(set(offsets))
    assert values(broker, topic) == sorted(f"{request}-{number}" for request in range(4) for number in range(25))


def test_the_end_of_the_log_gives_nothing_until_something_is_appended(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 1)
    partition = Partition(topic, 0)
    assert broker.read(partition, 0, 10) == []
    following = 0
    for request in range(5):
        append(broker, topic, [record("k", str(request))])
        (found,) = broker.read(partition, following, 10)
        assert found.value == str(request).encode()
        following = found.offset + 1
        assert broker.read(partition, following, 10) == []


def test_any_offset_can_be_read_again(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 2)
    for request in range(10):
        append(broker, topic, [record(f"k{number}", f"{request}-{number}") for number in range(40)])
    everything = read_topic(broker, topic)
    drawn = random.Random(7)
    for _ in range(20):
        number = drawn.randrange(2)
        offset = drawn.randrange(everything[number][-1].offset + 2)
        limit = drawn.choice([1, 3, 200])
        wanted = [one for one in everything[number] if one.offset >= offset][:limit]
        found = broker.read(Partition(topic, number), offset, limit)
        assert found == wanted[: len(found)]
        assert bool(found) == bool(wanted)


def test_partitions_are_read_in_turn_however_unequal_they_are(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 4)
    keys = {partition_of(f"k{number}".encode(), 4): f"k{number}" for number in range(100)}
    crowd = [record(keys[2], str(number)) for number in range(3_000)]
    append(broker, topic, [*crowd, record(keys[0], "a"), record(keys[3], "b")])
    following = dict.fromkeys(broker.partitions(topic), 0)
    found = defaultdict(list)
    for _ in range(100):
        for partition, offset in following.items():
            for one in broker.read(partition, offset, 40):
                found[partition.number].append(one.value.decode())
                following[partition] = one.offset + 1
    assert found == {0: ["a"], 2: [str(number) for number in range(3_000)], 3: ["b"]}


def test_the_extent_says_where_a_log_begins_and_ends(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 1)
    partition = Partition(topic, 0)
    assert broker.extent(partition) == Extent(0, 0)
    for _ in range(3):
        append(broker, topic, [record("k"), record("k")])
        extent = broker.extent(partition)
        last = read_all(broker, partition)[-1].offset
        assert extent.first == 0
        assert last < extent.end
        assert broker.read(partition, extent.end, 10) == []


def test_extents_of_several_partitions_are_those_of_each(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 3)
    append(broker, topic, [record(f"k{number}") for number in range(20)])
    partitions = broker.partitions(topic)
    assert broker.extents(partitions) == {one: broker.extent(one) for one in partitions}
    assert broker.extents([]) == {}


def test_a_log_keeps_its_identity_and_no_two_have_the_same(
    broker: Broker, open_another: OpenBroker, topic: str
) -> None:
    with pytest.raises(BrokerError, match="does not exist"):
        broker.identity(topic)
    broker.ensure_topic(topic, 2)
    broker.ensure_topic(f"{topic}-other", 1)
    identity = broker.identity(topic)
    assert identity
    assert broker.identity(f"{topic}-other") not in ("", identity)
    broker.ensure_topic(topic, 2)
    append(broker, topic, [record("k")])
    assert broker.identity(topic, "") == broker.identity(topic, "another") == broker.identity(topic, identity)
    assert open_another().identity(topic) == identity
    assert broker.shared_until(Partition(topic, 0), "another") is None


@pytest.mark.parametrize(("position", "has"), [(1, False), (2, True), (4, True), (5, True), (6, False)])
def test_an_extent_has_the_positions_from_its_first_to_its_end(position: int, has: bool) -> None:
    assert Extent(2, 5).has(position) is has


def test_beyond_the_end_there_is_nothing(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 1)
    append(broker, topic, [record("k")])
    partition = Partition(topic, 0)
    assert broker.read(partition, 1_000, 10) == []
    assert broker.read(partition, 1_000, 10) == []
    assert [one.key for one in broker.read(partition, 0, 10)] == [b"k"]


def test_nothing_to_append_is_no_error(broker: Broker, topic: str) -> None:
    broker.append(topic, [], now())


def test_what_one_program_appended_another_reads(broker: Broker, open_another: OpenBroker, topic: str) -> None:
    broker.ensure_topic(topic, 2)
    other = open_another()
    append(broker, topic, [record("a", "1"), record("b", "2")])
    assert values(other, topic) == ["1", "2"]
    append(other, topic, [record("a", "3")])
    broker.close()
    assert values(open_another(), topic) == ["1", "2", "3"]


def test_topics_do_not_mix(broker: Broker, topic: str) -> None:
    for name in (topic, f"{topic}-other"):
        broker.ensure_topic(name, 1)
        append(broker, name, [record("k", name)])
    assert values(broker, topic) == [topic]
    assert values(broker, f"{topic}-other") == [f"{topic}-other"]


def test_threads_of_one_program_append_each_request_in_a_row(broker: Broker, topic: str) -> None:
    broker.ensure_topic(topic, 2)

    def send(name: str) -> None:
        for number in range(20):
            broker.append(topic, records(name, number), now())

    threads = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: len(values(broker, topic)) == 4 * 20 * 3)
    found = read_topic(broker, topic)
    assert_whole([*found[0], *found[1]], dict.fromkeys("abcd", 20))


def test_requests_from_many_threads_and_programs_are_whole_and_in_order(
    broker: Broker, open_another: OpenBroker, topic: str
) -> None:
    broker.ensure_topic(topic, 2)
    brokers = [broker, open_another()]
    failures: list[BaseException] = []

    def send(writer: int) -> None:
        try:
            for request in range(10):
                batch = [record(f"k{number}", f"{writer}-{request}-{number}") for number in range(10)]
                brokers[writer % 2].append(topic, batch, now())
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=send, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    reader = open_another()
    eventually(lambda: len(values(reader, topic)) == 6 * 10 * 10)
    seen: dict[tuple[str, str], list[int]] = defaultdict(list)
    for received in read_topic(reader, topic).values():
        for one in received:
            writer, request, number = one.value.decode().split("-")
            seen[writer, number].append(int(request))
    assert set(map(tuple, seen.values())) == {tuple(range(10))}
