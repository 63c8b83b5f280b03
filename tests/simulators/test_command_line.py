import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulators.metr_la import FILE_NAME
from simulators.position import read_position
from tests.simulators.peer import KEY, Peer

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # each starts the program


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("simulators.key", "replay.key"):
        (folder / name).write_text(f"{KEY}\n", encoding="utf-8")
    return folder


@pytest.fixture
def start(peer: Peer, data: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m simulators` against the peer; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def starting(*arguments: str, **more: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "simulators", *arguments],
            cwd=PROJECT,
            env=environment | {"IOC_DATA": str(data), "IOC_URL": peer.url} | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield starting
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    assert KEY not in output
    return process.returncode, output


@pytest.mark.slow
def test_history_then_again_then_live(peer: Peer, data: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    code, output = ended(start("history", "--traffic-hours", "0.5", "--dossier-days", "3"))
    assert code == 0, output
    assert "Sending the past" in output
    first = len(peer.stored("traffic"))
    assert first == pytest.approx(29 * 250, abs=250)
    assert peer.stored("dossiers")
    position = read_position(data)
    assert position is not None
    code, output = ended(start("history"))
    assert code == 0, output
    assert "going on from there" in output
    assert len(peer.stored("traffic")) - first < 2000

    running = start("live")
    later = len(peer.stored("traffic"))
    peer.wait_for(lambda: len(peer.stored("traffic")) > later + 5)
    code, output = ended(start("scenario", "accident", "--place", "QL13", "--minutes", "2"))
    assert code == 0, output
    assert "keeps it up until its end" in output

    def standing() -> int:
        return sum(m["congested"] and m["averageVehicleSpeed"] < 12 for m in peer.stored("traffic")[later:])

    peer.wait_for(lambda: standing() >= 2)  # once by the command, then by `live`
    asked = time.monotonic()
    running.send_signal(signal.SIGTERM)
    code, output = ended(running)
    assert time.monotonic() - asked < 3
    assert code == 0, output
    assert "Stopped." in output
    per_span: dict[tuple[str, str], int] = {}
    for message in peer.stored("traffic"):
        span = message["refRoadSegment"], message["dateObserved"]
        per_span[span] = per_span.get(span, 0) + 1
    assert max(per_span.values()) == 1


def test_interrupted_history_says_so(peer: Peer, data: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    running = start("history", "--dossier-days", "20", "--batch", "100")
    peer.wait_for(lambda: len(peer.taken) > 3)
    running.send_signal(signal.SIGINT)
    code, output = ended(running)
    assert code == 130, output
    assert "Stopped after" in output
    position = read_position(data)
    assert position is not None
    assert position.sending is not None


def test_live_waits_for_a_server_that_is_not_up(start: Callable[..., subprocess.Popen[str]]) -> None:
    running = start("live", IOC_URL="http://127.0.0.1:9")
    assert running.stdout is not None
    assert "Waiting for http://127.0.0.1:9" in running.stdout.readline()
    running.send_signal(signal.SIGINT)
    assert ended(running)[0] == 0


def test_everything_refused_is_a_failure(peer: Peer, start: Callable[..., subprocess.Popen[str]]) -> None:
    peer.rejecting = "unknown asset"
    code, output = ended(start("history", "--traffic-hours", "0.1", "--dossier-days", "1"))
    assert code == 1
    assert "unknown asset" in output


def test_wrong_settings_are_one_sentence(data: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    def sentence(*arguments: str, **more: str) -> str:
        code, output = ended(start(*arguments, **more))
        assert code == 1, output
        assert "Traceback" not in output
        assert output.startswith("Error: ")
        return output

    assert "--rate 0.7" in sentence("live", "--rate", "0.7")
    assert "does not accept the API key" in sentence("history", IOC_KEY="another")
    assert "give the folder that holds" in sentence("replay", "metr-la", str(data))
    assert "No road is named like 'Pasteur'" in sentence("scenario", "accident", "--place", "Pasteur")
    (data / "simulators.key").unlink()
    assert "There is no API key" in sentence("live")


@pytest.mark.slow
def test_an_accident_without_a_running_simulator_keeps_itself_up(
    peer: Peer, start: Callable[..., subprocess.Popen[str]]
) -> None:
    running = start("scenario", "accident", "--asset", "urn:ngsi-ld:RoadSegment:binh-duong:ql13-05")
    peer.wait_for(lambda: len(peer.taken) > 1)
    running.send_signal(signal.SIGINT)
    code, output = ended(running)
    assert code == 0, output
    assert "keeps it up itself" in output
    assert {m["refRoadSegment"].rpartition(":")[2] for m in peer.stored("traffic")} == {
        "ql13-03", "ql13-04", "ql13-05", "ql13-06",
    }  # fmt: skip


@pytest.mark.real_data
def test_replays_arrive_whole(
    peer: Peer, data: Path, real_data: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    table = data / "table.csv"
    code, output = ended(
        start("replay", "metr-la", str(real_data / "traffic"), "--speed", "0", "--days", "1", "--table", str(table))
    )
    assert code == 0, output
    assert len(peer.stored("traffic")) == 288 * 207
    assert len(table.read_text(encoding="utf-8").splitlines()) == 208
    code, output = ended(start("replay", "boston", str(real_data / "service" / "boston_311_2011-07_first3000.csv")))
    assert code == 0, output
    assert len(peer.stored("dossiers")) == 3000


@pytest.mark.real_data
def test_a_replay_keeps_the_pace(peer: Peer, real_data: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    folder = str(real_data / "traffic" / FILE_NAME)
    code, output = ended(start("replay", "metr-la", folder, "--speed", "600", "--max", "621", "--keep-times"))
    assert code == 0, output
    first, second, third = (batch.at for batch in peer.taken)
    assert 0.3 < second - first < 1.5
    assert 0.3 < third - second < 1.5
    assert peer.stored("traffic")[0]["dateObserved"].startswith("2012-03-01T08:00:00Z/")
