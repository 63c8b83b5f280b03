"""`python -m ioc publish`: what is sent, what is said about each refused line, and what is refused at once."""

import gzip
import io
import json
import os
import shutil
import subprocess
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ioc.broker.open import open_broker
from ioc.broker.port import ORIGIN, Received
from ioc.errors import IocError
from ioc.feeds import traffic
from ioc.model.origins import Origin
from ioc.model.windows import HOUR
from ioc.operations.places import milliseconds
from ioc.processes import publish, setup
from ioc.processes.ingest import make_ingest
from ioc.settings import PROJECT, Settings
from ioc.store.engine import Store
from ioc.store.source_reading import read_sources
from tests.commands import run_ioc

SEGMENT = "urn:ngsi-ld:RoadSegment:binh-duong:ql13-01"


def message(**changed: object) -> str:
    plain = {
        "id": "flow-1",
        "type": "TrafficFlowObserved",
        "refRoadSegment": SEGMENT,
        "dateObserved": datetime.now(UTC).isoformat(timespec="seconds"),
        "intensity": 12,
        "averageVehicleSpeed": 41.5,
    }
    return json.dumps(plain | changed)


@dataclass(frozen=True)
class Shell:
    """Somebody at the shell of a centre of their own."""

    settings: Settings
    folder: Path

    def file(self, name: str, *lines: str) -> Path:
        path = self.folder / name
        text = "".join(line + "\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
        return path

    def publish(self, *files: Path, feed: str = "traffic", origin: str = "live") -> tuple[int, str]:
        out = io.StringIO()
        return publish.main(self.settings, feed, list(files), origin=origin, out=out), out.getvalue()

    def log(self) -> list[Received]:
        broker = open_broker(self.settings)
        try:
            topic = traffic.FEED.topic
            return [one for partition in broker.partitions(topic) for one in broker.read(partition, 0, 100_000)]
        finally:
            broker.close()

    def ingested(self) -> tuple[int, int]:
        """How many messages ingest has taken in, and how many it has dropped as sent before."""
        store, broker = Store.open(self.settings.store), open_broker(self.settings)
        now = milliseconds(datetime.now(UTC))
        try:
            ingest = make_ingest(self.settings, store, broker, now)
            ingest.start(now)
            while ingest.step(now):
                pass
            with store.reading() as connection:
                counts = read_sources(connection, since=now - HOUR, recent_since=now)
            return sum(one.accepted for one in counts), sum(one.duplicate for one in counts)
        finally:
            broker.close()
            store.close()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shutil.copytree(PROJECT / "provinces", tmp_path / "provinces")
    settings = Settings(data=tmp_path / "data", province_dir=tmp_path / "provinces")
    setup.main(settings)
    return Shell(settings, tmp_path)


def test_every_line_of_every_file_comes_into_the_log_with_its_origin(shell: Shell) -> None:
    plain = shell.file("a.jsonl", message(), "", message())
    packed = shell.file("b.jsonl.gz", *[message(intensity=number) for number in range(2_500)])
    assert shell.publish(plain, packed, origin="replay") == (0, "Accepted: 2,502, rejected: 0.\n")
    assert len(shell.log()) == 2_502
    assert {one.headers[ORIGIN] for one in shell.log()} == {str(int(Origin.REPLAY))}


def test_a_refused_line_is_named_by_file_and_number_and_the_others_are_taken(shell: Shell) -> None:
    file = shell.file("a.jsonl", message(), "", message(intensity="many"), "{", message(refRoadSegment="urn:nowhere"))
    code, said = shell.publish(file)
    assert code == 1
    lines = said.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == [f"{file}, line {number}" for number in (3, 4, 5)]
    assert "intensity" in lines[0]
    assert "urn:nowhere" in lines[2]
    assert lines[-1] == "Accepted: 1, rejected: 3."
    assert len(shell.log()) == 1


def test_only_the_first_refused_lines_are_shown_but_all_are_counted(shell: Shell) -> None:
    code, said = shell.publish(shell.file("a.jsonl", *["{"] * 5_000, message()))
    lines = said.splitlines()
    assert code == 1
    assert len(lines) == publish.SHOWN + 2
    assert lines[-2:] == ["… and 4,980 more", "Accepted: 1, rejected: 5,000."]


def test_a_run_that_is_repeated_counts_nothing_twice(shell: Shell) -> None:
    file = shell.file("a.jsonl", *[message(intensity=number) for number in range(2_100)])
    assert shell.publish(file)[0] == shell.publish(file)[0] == 0
    assert shell.ingested() == (2_100, 2_100)


def test_a_damaged_gz_ends_in_one_sentence_and_its_whole_copy_counts_once(shell: Shell) -> None:
    whole = shell.file("a.jsonl.gz", *[message(id=os.urandom(30).hex()) for _ in range(3_000)])
    broken = shell.folder / "broken.jsonl.gz"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size * 9 // 10])
    with pytest.raises(IocError, match=r"broken\.jsonl\.gz is damaged after line 2\d\d\d .*whole copy"):
        shell.publish(broken)
    assert len(shell.log()) == publish.BATCH_LINES
    assert shell.publish(whole)[0] == 0
    assert shell.ingested() == (3_000, 2_000)


def test_what_is_no_gz_at_all_ends_in_one_sentence(shell: Shell) -> None:
    path = shell.folder / "a.jsonl.gz"
    path.write_text(message() + "\n")
    with pytest.raises(IocError, match=r"a\.jsonl\.gz is damaged after line 0"):
        shell.publish(path)


def test_lines_are_not_taken_twice_where_an_asset_that_they_name_became_known_in_between(shell: Shell) -> None:
    file = shell.file("a.jsonl", message(), message(refRoadSegment="urn:new"))
    assert shell.publish(file)[0] == 1
    with (shell.settings.province_dir / "binh_duong" / "assets.csv").open("a") as assets:
        assets.write("urn:new,road_segment,Đoạn mới,New segment,11,106.7,,,\n")
    setup.main(shell.settings)
    with pytest.raises(IocError, match=r"a\.jsonl, lines 1 to 2 were published not long ago"):
        shell.publish(file)
    assert shell.publish(shell.file("b.jsonl", message(refRoadSegment="urn:new")))[0] == 0
    assert shell.ingested() == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"feed": "weather"}, "There is no feed weather: use one of traffic, dossiers"),
        ({"origin": "imagined"}, "imagined"),
    ],
)
def test_a_wrong_feed_or_origin_is_refused(shell: Shell, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(IocError, match=words):
        shell.publish(shell.file("a.jsonl", message()), **arguments)
    assert not shell.log()


def test_a_file_that_cannot_be_opened_is_refused_before_anything_is_sent(shell: Shell) -> None:
    with pytest.raises(IocError, match=r"none\.jsonl cannot be opened"):
        shell.publish(shell.file("a.jsonl", message()), shell.folder / "none.jsonl")
    assert not shell.log()


def test_simulated_data_is_refused_where_the_settings_forbid_it(shell: Shell) -> None:
    forbidding = Shell(Settings(data=shell.settings.data, production=True), shell.folder)
    with pytest.raises(IocError, match="no simulated data"):
        forbidding.publish(shell.file("a.jsonl", message()), origin="simulated")
    assert shell.publish(shell.file("a.jsonl", message()), origin="simulated")[0] == 0


def test_memory_stays_flat_whatever_the_size_of_file_or_line() -> None:
    longest = 10_000

    class Large(io.RawIOBase):
        """40 MB: half in short lines, then one line without an end."""

        left = 40

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            view = memoryview(buffer)  # type: ignore[arg-type]
            if not self.left:
                return 0
            self.left -= 1
            view[:] = (b"x" * 100 if self.left < 20 else b"{%s}\n" % (b" " * 97)) * 10_000
            return len(view)

    stream = io.BufferedReader(Large(), 1_000_000)
    tracemalloc.start()
    try:
        lines, last = 0, b""
        for batch in publish.batches(Path("a.jsonl"), stream, longest):
            lines, last = lines + len(batch.numbers), batch.messages[-1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lines == 200_001
    assert longest < len(last) < 2 * longest
    assert peak < 8_000_000


def test_the_command_reads_standard_input_and_says_in_its_exit_code_what_came_of_it(shell: Shell) -> None:
    def run(text: str, *options: str) -> subprocess.CompletedProcess[str]:
        return run_ioc("publish", "traffic", "-", *options, environ=shell.settings.environ(), typed=text)

    fine = run(message() + "\n")
    assert (fine.returncode, fine.stdout, fine.stderr) == (0, "Accepted: 1, rejected: 0.\n", "")
    partly = run(f"\ufeff{message()}\r\nno\n", "--origin", "exercise")
    assert (partly.returncode, partly.stderr) == (1, "")
    assert partly.stdout.startswith("standard input, line 2: ")
    wrong = run(message(), "--origin", "imagined")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.count("\n") == 1
