"""The web program as a process: it listens, streams, stops cleanly, and refuses what it cannot do in one sentence."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ioc.model.access import Role, system_principal
from ioc.operations.access import add_person
from ioc.settings import PROJECT
from ioc.store.engine import Store

PASSWORD = "vài chữ đặt cạnh nhau"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    for name in ("ioc.db", "log.db"):
        shutil.copyfile(template / name, tmp_path / name)
    return tmp_path


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    environ = {**os.environ, "IOC_DATA": str(folder), "IOC_PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, "-m", "ioc", "web"], cwd=PROJECT, env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    program = start(folder, port)
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            assert program.poll() is None, program.communicate()
            try:
                httpx.get(f"{base}/healthz")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield program, base
    finally:
        program.kill()
        program.communicate()


@contextmanager
def signed_in(folder: Path, base: str) -> Iterator[httpx.Client]:
    store = Store.open(f"sqlite:///{folder / 'ioc.db'}")
    add_person(
        system_principal("test"), store, login="wall", name="Wall", role=Role.VIEWER, centres=["c-all"],
        now=datetime.now(UTC), password=PASSWORD,
    )  # fmt: skip
    store.close()
    with httpx.Client(base_url=base, headers={"Sec-Fetch-Site": "same-origin"}, timeout=20) as client:
        assert client.post("/sign-in", data={"login": "wall", "password": PASSWORD}).status_code == 303
        yield client


def test_it_streams_and_stops_within_its_grace_though_screens_look_on(folder: Path) -> None:
    with running(folder) as (program, base), signed_in(folder, base) as client:
        begun, ended = threading.Semaphore(0), threading.Semaphore(0)

        def look() -> None:
            with client.stream("GET", "/live", params={"view": "wall:c-all"}) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                assert "server" not in answer.headers
                for line in answer.iter_lines():
                    if line.startswith("event: snapshot"):
                        begun.release()
            ended.release()

        screens = [threading.Thread(target=look, daemon=True) for _ in range(3)]
        for screen in screens:
            screen.start()
        assert all(begun.acquire(timeout=20) for _ in screens)
        refused = client.get("/live", params={"view": "wall:c-d2"})
        assert refused.status_code == 404
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
        assert all(ended.acquire(timeout=5) for _ in screens), "every stream was ended, none cut off"


def test_a_port_in_use_is_one_sentence(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        program = start(folder, other.getsockname()[1])
        _, said = program.communicate(timeout=30)
    assert program.returncode == 2
    assert "IOC_PORT" in said
    assert "Traceback" not in said


def test_a_store_of_another_version_is_one_sentence_and_stays_as_it_is(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'ioc.db'}")
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'f00'")
    store.close()
    program = start(folder, free_port())
    _, said = program.communicate(timeout=30)
    assert program.returncode == 2
    assert "f00" in said
    assert "Traceback" not in said
