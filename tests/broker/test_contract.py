"""What every broker must do, whichever it is. A new adapter adds its factory to `FACTORIES`."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Broker, Extent, Partition, Received, Record, partition_of
from ioc.errors import BrokerError
from tests.broker.appender import records

PROJECT = Path(__file__).resolve().parents[2]
Factory = Callable[[], Broker]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Factory]:
    opened: list[EmbeddedBroker] = []

    def _open() -> EmbeddedBroker:
        opened.append(EmbeddedBroker(tmp_path / "log.db"))
        return opened[-1]

    yield _open
    for broker in opened:
        broker.close()


FACTORIES = ("embedded",)


@pytest.fixture(params=FACTORIES)
def factory(request: pytest.FixtureRequest) -> Factory:
    """Opens the same broker, as many times as a test wants: as several programs would."""
    made: Factory = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def broker(factory: Factory) -> Broker:
    made = factory()
    made.ensure_topic("t", 3)
    return made


def _record(key: str, value: str, **headers: str) -> Record:
    return Record(key.encode(), value.encode(), headers)


def _all(broker: Broker, topic: str = "t") -> list[Received]:
    return [one for partition in broker.partitions(topic) for one in broker.read(partition, 0, 10_000)]


class TestBroker:
    def test_a_record_comes_back_as_it_was(self, broker: Broker) -> None:
        value, key = bytes(range(256)), "khóa ✓\0"
        broker.append("t", [Record(key.encode(), value, {"source": "nguồn", "index": "0"})], 1_234)
        (received,) = _all(broker)
        assert received == Received(0, 1_234, key.encode(), value, {"source": "nguồn", "index": "0"})

    def test_records_of_one_key_keep_their_order(self, broker: Broker) -> None:
        sent = [_record(f"key{number % 7}", str(number)) for number in range(300)]
        for at in range(0, 300, 11):
            broker.append("t", sent[at : at + 11], at)
        for key in {record.key for record in sent}:
            got = [one.value for one in _all(broker) if one.key == key]
            assert got == [record.value for record in sent if record.key == key]

    def test_a_key_stays_in_its_partition_and_keys_are_spread(self, broker: Broker) -> None:
        broker.append("t", [_record(f"key{number}", "") for number in range(60)], 0)
        for partition in broker.partitions("t"):
            keys = {one.key for one in broker.read(partition, 0, 100)}
            assert keys
            assert all(partition_of(key, 3) == partition.number for key in keys)

    def test_offsets_grow_within_a_partition(self, broker: Broker) -> None:
        for time in range(5):
            broker.append("t", [_record(str(number), "") for number in range(20)], time)
        for partition in broker.partitions("t"):
            offsets = [one.offset for one in broker.read(partition, 0, 1_000)]
            assert offsets == sorted(set(offsets))
            extent = broker.extent(partition)
            assert extent.first <= offsets[0]
            assert offsets[-1] < extent.end

    def test_reading_begins_at_the_offset_and_takes_at_most_the_limit(self, broker: Broker) -> None:
        broker.append("t", [_record("k", str(number)) for number in range(10)], 0)
        partition = Partition("t", partition_of(b"k", 3))
        offsets = [one.offset for one in broker.read(partition, 0, 100)]
        assert [one.offset for one in broker.read(partition, offsets[4], 3)] == offsets[4:7]
        assert broker.read(partition, broker.extent(partition).end, 10) == []

    def test_another_program_reads_what_was_appended(self, broker: Broker, factory: Factory) -> None:
        broker.append("t", [_record("k", "v")], 5)
        assert [one.value for one in _all(factory())] == [b"v"]

    def test_what_was_appended_outlives_the_program(self, broker: Broker, factory: Factory) -> None:
        broker.append("t", [_record("k", "v")], 5)
        broker.close()
        assert [one.value for one in _all(factory())] == [b"v"]

    def test_appending_nothing_is_nothing(self, broker: Broker) -> None:
        broker.append("t", [], 0)
        assert _all(broker) == []

    def test_a_topic_is_made_once_and_keeps_its_partitions(self, broker: Broker) -> None:
        broker.append("t", [_record("k", "v")], 5)
        broker.ensure_topic("t", 9)
        assert broker.partitions("t") == tuple(Partition("t", number) for number in range(3))
        assert len(_all(broker)) == 1

    def test_what_does_not_exist_is_said(self, broker: Broker) -> None:
        assert broker.partitions("nowhere") == ()
        with pytest.raises(BrokerError, match="setup"):
            broker.append("nowhere", [_record("k", "v")], 0)
        with pytest.raises(BrokerError, match="setup"):
            broker.extent(Partition("nowhere", 0))

    def test_topics_do_not_mix(self, broker: Broker) -> None:
        broker.ensure_topic("other", 1)
        broker.append("t", [_record("k", "1")], 0)
        broker.append("other", [_record("k", "2")], 0)
        assert [one.value for one in _all(broker)] == [b"1"]
        assert [one.value for one in _all(broker, "other")] == [b"2"]

    def test_threads_may_share_it(self, broker: Broker) -> None:
        def _append(name: str) -> None:
            for number in range(20):
                broker.append("t", records(name, number), number)

        threads = [threading.Thread(target=_append, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _assert_whole(broker, dict.fromkeys("abcd", 20))


def _assert_whole(broker: Broker, counts: dict[str, int]) -> None:
    """All appends of each name stand there, each whole, in order, without another's records in between."""
    received = _all(broker)
    for name, count in counts.items():
        values = [one.value.decode() for one in received if one.key == name.encode()]
        assert values == [f"{name} {number} {part}" for number in range(count) for part in range(3)]
    in_a_row = [one.value.decode().rsplit(" ", 1)[0] for one in received]
    assert all(len(set(in_a_row[at : at + 3])) == 1 for at in range(0, len(in_a_row), 3))


def _appender(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.broker.appender", str(path), name, str(count)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )


class TestEmbedded:
    """What only the embedded log has: one file that several processes write, and keeping by time."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EmbeddedBroker]:
        made = EmbeddedBroker(tmp_path / "log.db")
        made.ensure_topic("t", 1)
        yield made
        made.close()

    def test_two_processes_append_at_once(self, log: EmbeddedBroker, tmp_path: Path) -> None:
        programs = [_appender(tmp_path / "log.db", name, 40) for name in ("one", "two")]
        assert [program.wait() for program in programs] == [0, 0]
        for program in programs:
            assert program.stdout is not None
            program.stdout.close()
        _assert_whole(log, {"one": 40, "two": 40})
        assert log.extent(Partition("t", 0)) == Extent(0, 240)

    def test_killed_while_it_appends_it_leaves_whole_appends_and_all_it_acknowledged(
        self, log: EmbeddedBroker, tmp_path: Path
    ) -> None:
        program = _appender(tmp_path / "log.db", "one", 100_000)
        assert program.stdout is not None
        acknowledged = [int(program.stdout.readline()) for _ in range(20)][-1]
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        rest = program.stdout.read().split()
        program.stdout.close()
        acknowledged = int(rest[-1]) if rest else acknowledged
        count = log.extent(Partition("t", 0)).end // 3
        assert count in (acknowledged + 1, acknowledged + 2)
        _assert_whole(log, {"one": count})
        log.append("t", records("two", 0), 0)
        _assert_whole(log, {"two": 1})

    def test_a_full_disk_refuses_the_whole_append_and_nothing_else(self, log: EmbeddedBroker) -> None:
        connection = log._connection()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 10}")
        large = [Record(b"k", b"x" * 5_000, {}) for _ in range(50)]
        with pytest.raises(BrokerError, match="full"):
            log.append("t", [_record("k", "first"), *large], 0)
        assert _all(log) == []
        connection.execute("PRAGMA max_page_count = 1000000")
        log.append("t", large, 0)
        assert len(_all(log)) == 50
        assert log.extent(Partition("t", 0)) == Extent(0, 50)

    def test_a_disk_that_fills_up_on_the_way_is_named_and_nothing_is_left(self, log: EmbeddedBroker) -> None:
        """More than the cache holds: SQLite writes before the commit, and rolls back by itself."""
        log.append("t", [_record("k", "1")], 0)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            with pytest.raises(BrokerError, match=r"disk|full"):
                log.append("t", [Record(b"k", b"x" * 1_000, {}) for _ in range(4_000)], 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        log.append("t", [_record("k", "2")], 0)
        assert [(one.offset, one.value) for one in _all(log)] == [(0, b"1"), (1, b"2")]

    def test_a_record_that_cannot_be_kept_takes_its_append_along(self, log: EmbeddedBroker) -> None:
        broken = Record(b"k", {"not": "bytes"}, {})  # type: ignore[arg-type]
        with pytest.raises(BrokerError):
            log.append("t", [_record("k", "1"), broken], 0)
        assert _all(log) == []
        log.append("t", [_record("k", "2")], 0)
        assert [(one.offset, one.value) for one in _all(log)] == [(0, b"2")]

    def test_old_records_go_from_the_beginning_only(self, log: EmbeddedBroker) -> None:
        for time in (10, 20, 5, 30):  # the clock went back once
            log.append("t", [_record("k", str(time))], time)
        assert log.forget_before(15) == 1
        assert log.extent(Partition("t", 0)) == Extent(1, 4)
        assert [one.value for one in _all(log)] == [b"20", b"5", b"30"]
        assert log.forget_before(25) == 2
        assert log.forget_before(25) == 0
        assert log.forget_before(1_000) == 1
        assert log.extent(Partition("t", 0)) == Extent(4, 4)
        log.append("t", [_record("k", "new")], 40)
        assert [(one.offset, one.value) for one in _all(log)] == [(4, b"new")]

    def test_forgetting_takes_a_portion_at_a_time(self, log: EmbeddedBroker) -> None:
        log.append("t", [_record("k", str(number)) for number in range(10)], 0)
        assert log.forget_before(1, limit=4) == 4
        assert log.extent(Partition("t", 0)) == Extent(4, 10)
        assert log.forget_before(1, limit=4) + log.forget_before(1, limit=4) == 6
        assert log.extent(Partition("t", 0)) == Extent(10, 10)

    def test_reading_from_before_the_beginning_gives_the_first_that_is_kept(self, log: EmbeddedBroker) -> None:
        log.append("t", [_record("k", "1")], 0)
        log.append("t", [_record("k", "2")], 10)
        log.forget_before(5)
        assert [one.offset for one in log.read(Partition("t", 0), 0, 10)] == [1]

    def test_reading_does_not_wait_for_a_writer(self, log: EmbeddedBroker, tmp_path: Path) -> None:
        log.append("t", [_record("k", "1")], 0)
        other = EmbeddedBroker(tmp_path / "log.db")
        with other._transaction():
            assert len(_all(log)) == 1
        other.close()

    def test_a_file_that_is_no_log_is_refused_in_one_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        path.write_bytes(b"this is no database, and it is long enough to be looked at as one" * 20)
        with pytest.raises(BrokerError, match=r"other\.db"):
            EmbeddedBroker(path)

    def test_it_opens_itself_again_after_closing(self, log: EmbeddedBroker) -> None:
        log.append("t", [_record("k", "1")], 0)
        log.close()
        assert len(_all(log)) == 1
