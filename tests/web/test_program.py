"""The web program as a process: it listens, streams, stops cleanly, and refuses what it cannot do in one sentence."""

import json
import os
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
from typing import Any

import httpx
import numpy as np
import pytest

from ioc.model.access import Role, system_principal
from ioc.model.columns import table_of
from ioc.model.origins import Origin
from ioc.model.windows import FINEST
from ioc.operations.access import add_person
from ioc.settings import PROJECT, Settings
from ioc.store import writing
from ioc.store.engine import Store
from scripts.parts.server import free_port
from tests.operations.rows import Rows
from tests.streams.small_centre import STORE_URL, copy_centre

KMH = 41.0
PASSWORD = "vài chữ đặt cạnh nhau"


@pytest.fixture
def rows(template: Path, tmp_path: Path) -> Iterator[Rows]:
    small = copy_centre(template, tmp_path)
    yield Rows(small, Settings.load({"IOC_DATA": str(tmp_path)}, folder=tmp_path))
    small.drop()


@pytest.fixture
def folder(rows: Rows) -> Path:
    return rows.small.folder


def store_url(folder: Path) -> str:
    return (folder / STORE_URL).read_text()


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    environ = {**os.environ, "IOC_DATA": str(folder), "IOC_PORT": str(port), "IOC_STORE": store_url(folder)}
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
    store = Store.open(store_url(folder))
    add_person(
        system_principal("test"), store, login="wall", name="Wall", role=Role.VIEWER, centres=["c-all"],
        now=datetime.now(UTC), password=PASSWORD, password_stays=True,
    )  # fmt: skip
    store.close()
    with httpx.Client(base_url=base, headers={"Sec-Fetch-Site": "same-origin"}, timeout=20) as client:
        assert client.post("/sign-in", data={"login": "wall", "password": PASSWORD}).status_code == 303
        yield client


@pytest.mark.slow
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


@pytest.mark.slow
def test_two_web_programs_show_the_same(rows: Rows) -> None:
    """A session that one has opened holds at the other, and what is committed stands on the screens of both."""
    folder = rows.small.folder
    with (
        running(folder) as (_, first),
        running(folder) as (_, second),
        signed_in(folder, first) as one,
        httpx.Client(base_url=second, cookies=one.cookies, headers=one.headers, timeout=20) as other,
    ):
        heard: dict[httpx.URL, list[Any]] = {one.base_url: [], other.base_url: []}
        begun = threading.Semaphore(0)

        def look(screen: httpx.Client) -> None:
            """Hears cards until the speed that is committed below."""
            with screen.stream("GET", "/live", params={"view": "wall:c-all"}) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: ") and (cards := json.loads(line[6:]).get("cards")):
                        heard[screen.base_url].append({card["id"]: (card["value"], card["as_of"]) for card in cards})
                        begun.release()
                        if any(value == KMH for value, _ in heard[screen.base_url][-1].values()):
                            return

        screens = [threading.Thread(target=look, args=(screen,), daemon=True) for screen in (one, other)]
        for screen in screens:
            screen.start()
        assert all(begun.acquire(timeout=20) for _ in screens)
        commit_speed(rows)
        for screen in screens:
            screen.join(20)
    before, after = ([cards[at] for cards in heard.values()] for at in (0, -1))
    assert before[0] == before[1]
    assert after[0] == after[1] != before[0]
    assert after[0]["traffic.speed"][0] == KMH


def commit_speed(rows: Rows) -> None:
    """What ingest would commit of one message of a minute ago."""
    end = int(time.time() * 1000) // 10_000 * 10_000
    series, place, value = rows.series("traffic.mean_speed"), rows.place("c-all"), round(KMH * 100)
    key = (series, place, int(Origin.LIVE))
    with rows.small.store.writing() as connection:
        writing.add_windows(
            connection, FINEST, table_of([(*key, end - 10_000, 1, 1, *(value,) * 3, end - 10_000, value)])
        )
        writing.upsert_latest(connection, np.array([(*key, end - 10_000, end, value)], np.int64))
        writing.append_change(connection, "ingest", end, np.array([key], np.int64))


@pytest.mark.slow
def test_a_port_in_use_is_one_sentence(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        program = start(folder, other.getsockname()[1])
        _, said = program.communicate(timeout=30)
    assert program.returncode == 2
    assert "IOC_PORT" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_store_of_another_version_is_one_sentence_and_stays_as_it_is(folder: Path) -> None:
    store = Store.open(store_url(folder))
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'f00'")
    store.close()
    program = start(folder, free_port())
    _, said = program.communicate(timeout=30)
    assert program.returncode == 2
    assert "f00" in said
    assert "Traceback" not in said
