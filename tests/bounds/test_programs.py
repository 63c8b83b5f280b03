"""The whole centre on a really small disk, as its own programs: it waits, says so, goes on, and has counted once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ioc.model.room import MB
from ioc.operations.disk import BALLAST, LOW
from ioc.processes.port import why_not_ready
from ioc.settings import PROJECT
from scripts.parts.server import free_port
from tests.bounds.disks import fill, free
from tests.commands import run_ioc
from tests.operations.test_intake import traffic
from tests.waiting import eventually

pytestmark = pytest.mark.slow
RESERVE_MB = 12


@dataclass
class Running:
    """A centre that runs, and the key of a sender that may also read."""

    data: Path
    url: str
    key: str
    environ: dict[str, str]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def send(self, roads: list[str], minute: int) -> httpx.Response:
        """One vehicle on each road."""
        observed = (datetime.now(UTC) - timedelta(minutes=minute)).isoformat()
        messages = b",".join(traffic(road, dateObserved=observed, intensity=1) for road in roads)
        return self.ask("POST", "/api/v1/feeds/traffic/messages", content=b"[" + messages + b"]")

    def counted(self) -> tuple[int, int]:
        """Messages that had their effect, and those that were known again."""
        sources = self.ask("GET", "/api/v1/sources").json()["sources"]
        return sum(one["accepted"] for one in sources), sum(one["duplicates"] for one in sources)

    def vehicles(self) -> float:
        """What the province's centre has counted in the last hours."""
        begin = (datetime.now(UTC) - timedelta(hours=1)).isoformat().replace("+", "%2B")
        path = f"/api/v1/series/traffic.intensity?centre=binh-duong&step=1m&from={begin}"
        return float(sum(point["sum"] for point in self.ask("GET", path).json()["points"]))

    def logged(self, program: str, words: str) -> int:
        lines = (self.data / "logs" / f"{program}.log").read_text().splitlines()
        return sum(words in json.loads(line)["event"] for line in lines if line.startswith("{"))


@pytest.fixture
def running(small_disk: Path) -> Iterator[Running]:
    data, port = small_disk / "data", free_port()
    settings = {
        "IOC_DATA": str(data),
        "IOC_PORT": str(port),
        "IOC_DISK_RESERVE": str(RESERVE_MB),
        "IOC_BALLAST": "4",
        "IOC_LOG_FORMAT": "json",
    }
    environ = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")} | settings
    said = small_disk.with_suffix(".said")
    with said.open("w") as out:
        command = [sys.executable, "-m", "ioc", "run", "--no-simulators"]
        process = subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=out, stderr=out)
    try:
        eventually(lambda: process.poll() is not None or why_not_ready("127.0.0.1", port) is None, "ready", 120)
        assert process.poll() is None, said.read_text()
        made = run_ioc(
            *("key", "add", "roads", "--may", "send,read", "--feeds", "traffic", "--centres", "binh-duong"),
            environ=settings,
        )
        key = next(word for word in made.stdout.split() if word.startswith("ioc_"))
        yield Running(data, f"http://127.0.0.1:{port}", key, settings)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def test_the_whole_centre_waits_for_room_and_goes_on_by_itself(running: Running) -> None:
    assets = running.ask("GET", "/api/v1/assets?kind=road_segment&limit=50").json()["assets"]
    roads = [one["id"] for one in assets]
    assert len(roads) == 50
    assert (running.data / BALLAST).stat().st_blocks * 512 >= 4 * MB
    assert running.send(roads, minute=4).status_code == 202
    eventually(lambda: running.counted() == (50, 0), "the first ones are counted", 30)

    filler = fill(running.data.parent, leave=(RESERVE_MB - 2) * MB)
    eventually(lambda: running.logged("ingest", "ingest waits") == 1, "ingest waits", 30)
    refused = running.send(roads, minute=3)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert "nearly full" in refused.json()["error"]
    ready = running.ask("GET", "/readyz")
    assert ready.status_code == 503
    assert "make room" in ready.text
    assert "ioc_ingest_paused 1.0" in running.ask("GET", "/metrics").text
    checked = run_ioc("check", environ=running.environ)
    assert "WRONG  disk: " in checked.stdout
    assert checked.returncode == 1

    os.truncate(filler, filler.stat().st_size + free(filler.parent))
    descriptor = os.open(filler, os.O_RDWR)
    os.posix_fallocate(descriptor, 0, filler.stat().st_size)
    os.close(descriptor)
    eventually(lambda: not (running.data / BALLAST).exists(), "the ballast is given up", 30)
    assert running.ask("GET", "/api/v1/snapshot?centre=binh-duong").status_code == 200, "screens go on"
    run_ioc("key", "add", "another", "--may", "send", "--feeds", "traffic", environ=running.environ)
    assert "another" in run_ioc("key", "list", environ=running.environ).stdout, "and so does the store"

    filler.unlink()
    eventually(lambda: running.send(roads, minute=2).status_code == 202, "the intake takes in again", 30)
    eventually(lambda: running.counted() == (100, 0), "the second ones are counted", 30)
    eventually(lambda: running.vehicles() == 100, "and rolled up, once", 60)
    eventually(lambda: (running.data / BALLAST).exists(), "the ballast is made again", 30)
    assert not (running.data / LOW).exists()
    assert running.logged("ingest", "ingest goes on") == 1
    assert running.ask("GET", "/readyz").status_code == 200
