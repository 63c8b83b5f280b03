"""The centre as a province runs it: all its programs, twice ingest, over a real Kafka and a real PostgreSQL.

From a file that is published to the number in the read API, with one ingest killed on the way.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from kafka import KafkaAdminClient

from ioc.feeds import FEEDS
from ioc.processes.port import why_not_ready
from ioc.settings import PROJECT
from scripts.parts.server import free_port
from tests.commands import run_ioc
from tests.conftest import KafkaServer
from tests.databases import drop_database, new_database
from tests.waiting import eventually

SEGMENTS = [f"urn:ngsi-ld:RoadSegment:binh-duong:ql13-{number:02}" for number in range(1, 11)]
MESSAGES = 4_000


@dataclass(frozen=True, slots=True)
class Province:
    """The settings of all programs, and how to start one."""

    environ: dict[str, str]
    start: Callable[..., "subprocess.Popen[bytes]"]

    def ioc(self, *words: str, typed: str = "") -> str:
        answer = run_ioc(*words, environ=self.environ, typed=typed)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout


@pytest.fixture
def province(kafka: KafkaServer, database: str | None, tmp_path: Path) -> Iterator[Province]:
    if kafka.server is None:
        pytest.skip("IOC_TEST_KAFKA names a broker whose topics are not ours to delete")
    url = new_database(tmp_path, database)
    environ = {
        "IOC_DATA": str(tmp_path / "data"),
        "IOC_PORT": str(free_port()),
        "IOC_BROKER": f"kafka://{kafka.address}",
        "IOC_STORE": url,
        "IOC_INGEST_BATCH": "200",
    }
    outside = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")}
    with ExitStack() as stack:

        def start(program: str, **more: str) -> "subprocess.Popen[bytes]":
            log = stack.enter_context((tmp_path / f"{program}{len(more)}.log").open("ab"))
            started = subprocess.Popen(
                [sys.executable, "-m", "ioc", program], cwd=PROJECT, env={**outside, **environ, **more}, stderr=log
            )
            stack.callback(started.wait)
            stack.callback(started.kill)
            return started

        yield Province(environ, start)
    drop_database(url)
    with KafkaAdminClient(bootstrap_servers=kafka.address) as admin:
        ours = {name for feed in FEEDS.values() for name in (feed.topic, f"{feed.topic}.dlq")}
        if left := sorted(ours & set(admin.list_topics())):
            admin.delete_topics(left)


def _flows(now: datetime) -> str:
    """Vehicles and a speed for ten segments, over the last two hours; one in a thousand is nonsense."""
    lines = []
    for number in range(MESSAGES):
        at = now - timedelta(seconds=2 * 3600 * (1 - number / MESSAGES))
        message = {
            "id": f"flow-{number}",
            "type": "TrafficFlowObserved",
            "refRoadSegment": SEGMENTS[number % len(SEGMENTS)],
            "dateObserved": at.isoformat(),
            "intensity": "many" if number % 1_000 == 500 else 1,
            "averageVehicleSpeed": 36.0,
        }
        lines.append(json.dumps(message))
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_from_a_published_file_to_the_read_api_while_an_ingest_is_killed(province: Province) -> None:
    province.ioc("setup")
    key = province.ioc("key", "add", "reader", "--may", "read", "--centres", "binh-duong").strip().split()[-1]
    port = int(province.environ["IOC_PORT"])
    province.start("web")
    province.start("jobs")
    first = province.start("ingest", IOC_INSTANCE="one")
    second = province.start("ingest", IOC_INSTANCE="other", IOC_LOG_LEVEL="info")
    eventually(lambda: why_not_ready("127.0.0.1", port) is None, "ready", within_s=60)

    now = datetime.now(UTC)
    publishing = run_ioc("publish", "traffic", "-", environ=province.environ, typed=_flows(now))
    assert "rejected: 4." in publishing.stdout, publishing
    second.send_signal(signal.SIGKILL)

    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=30
    ) as client:

        def vehicles() -> float:
            asked = {
                "centre": "binh-duong",
                "from": (now - timedelta(hours=3)).isoformat(),
                "to": (now + timedelta(minutes=1)).isoformat(),
                "step": "1h",
            }
            answer = client.get("/api/v1/series/traffic.intensity", params=asked)
            assert answer.status_code == 200, answer.text
            return sum(point["value"] or 0 for point in answer.json()["points"])

        eventually(lambda: vehicles() == MESSAGES - 4, "every vehicle counted once", within_s=90)
        settled = time.monotonic() + 3
        while time.monotonic() < settled:  # and none is counted again afterwards
            assert vehicles() == MESSAGES - 4
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
