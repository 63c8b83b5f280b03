"""What only the embedded log has: one file that several processes write, and keeping by time."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.embedded_copy import copy_log
from ioc.broker.port import Broker, Extent, Partition, Received, Record
from ioc.errors import BrokerError
from ioc.settings import PROJECT
from tests.broker.appender import records
from tests.broker.conftest import assert_whole


def _record(key: str, value: str) -> Record:
    return Record(key.encode(), value.encode(), {})


def _all(broker: Broker) -> list[Received]:
    return [one for partition in broker.partitions("t") for one in broker.read(partition, 0, 10_000)]


def _appender(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.broker.appender", str(path), name, str(count)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(tmp_path / "log.db")
    made.ensure_topic("t", 1)
    yield made
    made.close()


def test_two_processes_append_at_once(log: EmbeddedBroker, tmp_path: Path) -> None:
    programs = [_appender(tmp_path / "log.db", name, 40) for name in ("one", "two")]
    assert [program.wait() for program in programs] == [0, 0]
    for program in programs:
        assert program.stdout is not None
        program.stdout.close()
    assert_whole(_all(log), {"one": 40, "two": 40})
    assert log.extent(Partition("t", 0)) == Extent(0, 240)


def test_killed_while_it_appends_it_leaves_whole_appends_and_all_it_acknowledged(
    log: EmbeddedBroker, tmp_path: Path
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
    assert_whole(_all(log), {"one": count})
    log.append("t", records("two", 0), 0)
    assert_whole(_all(log), {"two": 1})


def test_a_full_disk_refuses_the_whole_append_and_nothing_else(log: EmbeddedBroker) -> None:
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


def test_a_disk_that_fills_up_on_the_way_is_named_and_nothing_is_left(log: EmbeddedBroker) -> None:
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


def test_a_record_that_cannot_be_kept_takes_its_append_along(log: EmbeddedBroker) -> None:
    broken = Record(b"k", {"not": "bytes"}, {})  # type: ignore[arg-type]
    with pytest.raises(BrokerError):
        log.append("t", [_record("k", "1"), broken], 0)
    assert _all(log) == []
    log.append("t", [_record("k", "2")], 0)
    assert [(one.offset, one.value) for one in _all(log)] == [(0, b"2")]


def test_old_records_go_from_the_beginning_only(log: EmbeddedBroker) -> None:
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


def test_forgetting_takes_a_portion_at_a_time(log: EmbeddedBroker) -> None:
    log.append("t", [_record("k", str(number)) for number in range(10)], 0)
    assert log.forget_before(1, limit=4) == 4
    assert log.extent(Partition("t", 0)) == Extent(4, 10)
    assert log.forget_before(1, limit=4) + log.forget_before(1, limit=4) == 6
    assert log.extent(Partition("t", 0)) == Extent(10, 10)


def test_reading_from_before_the_beginning_gives_the_first_that_is_kept(log: EmbeddedBroker) -> None:
    log.append("t", [_record("k", "1")], 0)
    log.append("t", [_record("k", "2")], 10)
    log.forget_before(5)
    assert [one.offset for one in log.read(Partition("t", 0), 0, 10)] == [1]


def test_reading_does_not_wait_for_a_writer(log: EmbeddedBroker, tmp_path: Path) -> None:
    log.append("t", [_record("k", "1")], 0)
    other = EmbeddedBroker(tmp_path / "log.db")
    with other._transaction():
        assert len(_all(log)) == 1
    other.close()


def test_a_file_that_is_no_log_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.write_bytes(b"this is no database, and it is long enough to be looked at as one" * 20)
    with pytest.raises(BrokerError, match=r"other\.db"):
        EmbeddedBroker(path)


def test_it_opens_itself_again_after_closing(log: EmbeddedBroker) -> None:
    log.append("t", [_record("k", "1")], 0)
    log.close()
    assert len(_all(log)) == 1


def test_the_embedded_log_never_loads_kafka(tmp_path: Path) -> None:
    code = (
        "import sys; from ioc.broker.open import open_broker; from ioc.settings import Settings;"
        "open_broker(Settings.load()).close(); print('kafka' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={"IOC_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "False\n"


# --- copies ------------------------------------------------------------------------------------------------------


def _copied(log: Path, to: Path) -> EmbeddedBroker:
    copy_log(log, to)
    assert [path.name for path in to.parent.glob(f"{to.name}*")] == [to.name]
    return EmbeddedBroker(to)


def test_a_copy_is_a_log_of_its_own_that_knows_how_much_it_shares_with_the_first(
    log: EmbeddedBroker, tmp_path: Path
) -> None:
    log.append("t", [_record("k", str(number)) for number in range(3)], 0)
    with closing(_copied(tmp_path / "log.db", tmp_path / "copy.db")) as copy:
        log.append("t", [_record("k", "first only")], 0)
        copy.append("t", [_record("k", "copy only")], 0)
        assert copy.identity("t") not in ("", log.identity("t"))
        assert copy.shared_until(Partition("t", 0), log.identity("t")) == 3
        assert log.shared_until(Partition("t", 0), copy.identity("t")) is None


def test_a_copy_of_a_copy_shares_with_both(log: EmbeddedBroker, tmp_path: Path) -> None:
    log.append("t", [_record("k", "a")], 0)
    with closing(_copied(tmp_path / "log.db", tmp_path / "copy.db")) as copy:
        copy.append("t", [_record("k", "b")], 0)
        with closing(_copied(tmp_path / "copy.db", tmp_path / "again.db")) as again:
            assert again.shared_until(Partition("t", 0), log.identity("t")) == 1
            assert again.shared_until(Partition("t", 0), copy.identity("t")) == 2


def test_a_file_of_before_logs_had_identities_gets_one_and_keeps_it(log: EmbeddedBroker, tmp_path: Path) -> None:
    log.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        connection.executescript("DROP TABLE topics; DROP TABLE copied_from")
    with closing(EmbeddedBroker(tmp_path / "log.db")) as opened:
        identity = opened.identity("t")
    assert identity
    with closing(EmbeddedBroker(tmp_path / "log.db")) as opened:
        assert opened.identity("t") == identity
