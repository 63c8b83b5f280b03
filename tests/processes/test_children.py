"""Child programs: restart with back-off, clean stop, and that none outlives its parent.

The parent under test is a real process, its children are real programs; the tests watch and signal them from
outside.
"""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ioc.processes.children import delay_before_start
from ioc.settings import PROJECT
from tests.waiting import eventually

PARENT = """
import os, sys
from pathlib import Path
from ioc.errors import IocError
from ioc.processes.children import Children, Program

folder = Path(sys.argv[1])
say = lambda sentence: print(sentence, flush=True)
try:
    with Children(folder / "logs", say, environ=os.environ, folder=folder) as children:
        for name in sys.argv[2:]:
            children.start(Program(name, (sys.executable, "-u", str(folder / f"{name}.py"))))
        children.wait_for_stop()
    print("all ended", flush=True)
except IocError as error:
    print(f"given up: {error}", flush=True)
    sys.exit(2)
"""

# Writes its process id and waits; notes how it was told to end.
POLITE = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: open("{name}.end", "w").write("terminated"))
open("{name}.pid", "a").write(f"{{os.getpid()}}\\n")
signal.pause()
"""
DEAF = """
import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("{name}.pid", "a").write(f"{{os.getpid()}}\\n")
while True:
    signal.pause()
"""
FAILING = """
import os, time
open("{name}.pid", "a").write(f"{{os.getpid()}} {{time.monotonic()}}\\n")
raise SystemExit(3)
"""


class Parent:
    """A running parent: what it says, and the process ids that its children wrote."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder), *names],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            text=True,
        )

    def starts(self, name: str) -> list[list[str]]:
        path = self.folder / f"{name}.pid"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def pid(self, name: str) -> int:
        eventually(lambda: bool(self.starts(name)), f"{name} started")
        return int(self.starts(name)[-1][0])

    def end(self, number: signal.Signals = signal.SIGINT) -> str:
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=30)
        return said


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


Start = Callable[..., Parent]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a parent with children: name = program text."""
    parents: list[Parent] = []

    def start_with(**programs: str) -> Parent:
        for name, text in programs.items():
            (tmp_path / f"{name}.py").write_text(text.format(name=name))
        parents.append(Parent(tmp_path, *programs))
        return parents[-1]

    yield start_with
    for parent in parents:
        if parent.process.poll() is None:
            parent.process.kill()
        parent.process.wait()
        if parent.process.stdout is not None:
            parent.process.stdout.close()


def test_the_delay_doubles_up_to_half_a_minute() -> None:
    assert [delay_before_start(deaths) for deaths in (1, 2, 3, 4, 5, 6, 7, 100)] == [
        1,
        2,
        4,
        8,
        16,
        30,
        30,
        30,
    ]


def test_a_child_that_dies_is_started_again_and_that_is_said(start: Start) -> None:
    parent = start(web=POLITE)
    first = parent.pid("web")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(parent.starts("web")) == 2, "started again")
    said = parent.end()
    assert parent.pid("web") != first
    assert "web ended (signal SIGKILL); it starts again in 1 s; its log is" in said


@pytest.mark.slow
def test_a_child_that_keeps_dying_is_started_at_growing_intervals(start: Start) -> None:
    parent = start(jobs=FAILING, web=POLITE)
    eventually(lambda: len(parent.starts("jobs")) >= 4, "four starts", within_s=15)
    times = [float(started) for _, started in parent.starts("jobs")[:4]]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(parent.starts("web")) == 1, "the other child is left alone"
    said = parent.end()
    for wait, expected in zip(waits, (1, 2, 4), strict=True):
        assert expected <= wait < expected + 0.9
    assert "jobs ended (exit code 3); it starts again in 4 s" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_reaches_every_child(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    parent = start(web=POLITE, ingest=POLITE)
    pids = [parent.pid("web"), parent.pid("ingest")]
    said = parent.end(number)
    assert parent.process.returncode == 0
    assert said == "all ended\n"
    assert [(tmp_path / f"{name}.end").read_text() for name in ("web", "ingest")] == ["terminated"] * 2
    assert not any(is_alive(pid) for pid in pids)


def test_a_second_interrupt_kills_a_child_that_does_not_listen(start: Start) -> None:
    parent = start(web=DEAF)
    pid = parent.pid("web")
    began = time.monotonic()
    # Signals of one kind that arrive before the first is handled are one: press until it reacts.
    while parent.process.poll() is None and time.monotonic() < began + 8:
        parent.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert time.monotonic() - began < 5
    assert parent.process.communicate()[0] == "all ended\n"
    assert not is_alive(pid)


@pytest.mark.slow
def test_a_child_that_does_not_listen_is_killed_after_the_grace_time(start: Start) -> None:
    parent = start(web=DEAF)
    pid = parent.pid("web")
    began = time.monotonic()
    parent.end()
    assert 9 < time.monotonic() - began < 14
    assert not is_alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_no_child_outlives_a_killed_parent(start: Start) -> None:
    parent = start(web=POLITE, ingest=DEAF)
    pids = [parent.pid("web"), parent.pid("ingest")]
    parent.process.kill()
    eventually(lambda: not any(is_alive(pid) for pid in pids), "children died with their parent")


def test_a_program_that_refuses_to_start_ends_the_others_with_its_own_words(start: Start) -> None:
    parent = start(web=POLITE, jobs="import sys\nsys.stderr.write('There is no setting IOC_PROT.\\n')\nsys.exit(2)")
    said, _ = parent.process.communicate(timeout=30)
    assert parent.process.returncode == 2
    assert said == "given up: jobs refuses to start: There is no setting IOC_PROT.\n"


def test_what_a_child_prints_is_in_its_log(start: Start, tmp_path: Path) -> None:
    parent = start(web=POLITE + "\nprint('heard')")
    parent.pid("web")
    parent.end()
    assert (tmp_path / "logs" / "web.log").read_text() == "heard\n"
