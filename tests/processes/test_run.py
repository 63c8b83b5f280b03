"""`python -m ioc run`: what it refuses before it changes anything, and that the whole starts and stops."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ioc.errors import IocError, PortInUse, SettingsError
from ioc.processes.data_folder import make_data_folder, only_run, write_private
from ioc.processes.port import check_port, why_not_ready
from ioc.processes.run import scenario_command
from ioc.settings import PROJECT, Settings
from scripts.parts.server import free_port
from tests.commands import run_ioc
from tests.simulators.peer import KEY, Peer, serving
from tests.waiting import eventually

ROAD = {"id": "a1", "kind": "road_segment", "title_vi": "QL13", "group": "QL13", "lat": 11.0, "lon": 106.6}


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving(Peer([ROAD], [])) as running:
        yield running


def test_a_used_port_is_refused_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"Port {port} .* IOC_PORT"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(IocError):
        check_port("192.0.2.1", free_port())


def test_nobody_listening_is_a_reason_not_to_be_ready() -> None:
    assert why_not_ready("127.0.0.1", free_port()) == "web does not answer yet"


def test_a_second_run_on_the_same_data_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    text = f"""
from pathlib import Path
from ioc.processes.data_folder import only_run
with only_run(Path({str(tmp_path)!r})):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", text], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(IocError, match=rf"process {first.pid}"), only_run(tmp_path):
            pass
        first.kill()
    with only_run(tmp_path):
        assert (tmp_path / "run.lock").read_text() == str(os.getpid())


def test_a_private_file_is_its_owners_only_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "sign-in.txt"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    make_data_folder(tmp_path / "a" / "data")
    assert stat.S_IMODE((tmp_path / "a" / "data").stat().st_mode) == 0o700


def test_a_file_in_place_of_the_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(SettingsError, match="IOC_DATA"):
        make_data_folder(tmp_path / "data")


@pytest.mark.parametrize("program", ["run", "web", "ingest", "jobs", "setup", "check"])
def test_a_wrong_setting_is_one_sentence_and_exit_code_2(program: str) -> None:
    answer = run_ioc(program, environ={"IOC_PROT": "1"})
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr == "There is no setting IOC_PROT (found in the environment): did you mean IOC_PORT?\n"


def test_run_refuses_a_used_port_before_it_makes_a_store(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = {"IOC_DATA": str(tmp_path / "data"), "IOC_PORT": str(other.getsockname()[1])}
        answer = subprocess.run(
            [sys.executable, "-m", "ioc", "run"],
            cwd=PROJECT,
            env={name: text for name, text in os.environ.items() if not name.startswith("IOC_")} | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "IOC_PORT" in answer.stderr
    assert not list((tmp_path / "data").glob("*.db"))


def test_the_command_to_try_is_short_where_everything_is_usual() -> None:
    command = scenario_command(Settings())
    assert command.endswith(" -m simulators scenario accident")
    assert "IOC_" not in command


@pytest.mark.slow
def test_the_command_to_try_works_in_another_terminal_as_it_stands(peer: Peer, tmp_path: Path) -> None:
    data = tmp_path / "a folder's name"
    data.mkdir()
    (data / "simulators.key").write_text(KEY)
    port = urlsplit(peer.url).port
    assert port is not None
    command = scenario_command(Settings(data=data, port=port))
    environ = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")}
    with subprocess.Popen(command, shell=True, cwd=PROJECT, env=environ, start_new_session=True) as started:
        peer.wait_for(lambda: bool(peer.stored("traffic")))
        os.killpg(started.pid, signal.SIGINT)


class Centre:
    """A whole centre in a process of its own, on a free port and an empty data folder, without simulators."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        environ = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")}
        environ |= {"IOC_DATA": str(data), "IOC_PORT": str(self.port)}
        self.said = data.with_suffix(".said")
        with self.said.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ioc", "run", "--no-simulators"],
                cwd=PROJECT,
                env=environ,
                stdout=out,
                stderr=out,
            )

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said.read_text()
        return why_not_ready("127.0.0.1", self.port) is None

    def children(self) -> dict[str, int]:
        """Name of each program -> process id, from the kernel."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/status"):
            try:
                parent = re.search(r"^PPid:\t(\d+)$", path.read_text(), re.MULTILINE)
                if parent and int(parent[1]) == self.process.pid:
                    found[(path.parent / "cmdline").read_text().split("\0")[-2]] = int(path.parent.name)
            except (FileNotFoundError, ProcessLookupError, IndexError):
                continue
        return found


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    started = Centre(tmp_path / "data")
    yield started
    if started.process.poll() is None:
        started.process.send_signal(signal.SIGINT)
    started.process.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the programs in /proc")
def test_the_centre_starts_restarts_what_dies_hides_its_links_and_stops_cleanly(centre: Centre) -> None:
    eventually(centre.is_ready, "ready", within_s=60)
    before = centre.children()
    assert before.keys() == {"web", "ingest", "jobs"}

    sign_in = centre.data / "sign-in.txt"
    eventually(sign_in.exists, "links written", within_s=10)
    assert stat.S_IMODE(sign_in.stat().st_mode) == 0o600
    links = re.findall(r"https?://\S+", sign_in.read_text())
    assert len(links) == 3
    eventually(lambda: str(sign_in) in centre.said.read_text(), "the file is named", within_s=5)
    assert not any(link in centre.said.read_text() for link in links)
    logs = "".join(path.read_text() for path in (centre.data / "logs").iterdir())
    assert not any(link in logs for link in links)

    os.kill(before["ingest"], signal.SIGKILL)
    gone = (None, before["ingest"])
    eventually(lambda: centre.children().get("ingest") not in gone, "restarted", within_s=30)
    assert "ingest ended (signal SIGKILL)" in centre.said.read_text()
    eventually(centre.is_ready, "ready again", within_s=30)

    pids = centre.children().values()
    centre.process.send_signal(signal.SIGINT)
    assert centre.process.wait(30) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert "Traceback" not in "".join(path.read_text() for path in (centre.data / "logs").iterdir())
