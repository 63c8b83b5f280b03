"""A program that starts before its database waits for it; what no waiting cures is one sentence."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from ioc.errors import StoreAway, StoreError
from ioc.settings import PROJECT
from ioc.store.engine import Store
from scripts.parts.server import free_port
from tests.commands import run_ioc
from tests.conftest import PostgresServer
from tests.databases import drop_database, new_database
from tests.waiting import eventually

if TYPE_CHECKING:
    from scripts.parts.postgres import Postgres


def test_nobody_there_is_away_and_said_in_one_line() -> None:
    store = Store.open(f"postgresql://ioc:geheim@127.0.0.1:{free_port()}/ioc")
    with pytest.raises(StoreAway, match="start PostgreSQL") as caught, store.reading():
        pass
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.postgres
def test_a_database_that_does_not_exist_is_refused_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    environ = {"IOC_STORE": f"{postgres.url}/nowhere", "IOC_DATA": str(tmp_path)}
    answer = run_ioc("ingest", environ=environ)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "nowhere" in answer.stderr
    found = run_ioc("check", environ=environ)
    assert found.returncode == 1
    assert "WRONG  store: the database did not do what was asked" in found.stdout


@pytest.mark.postgres
def test_rows_are_not_quoted_in_errors(postgres: PostgresServer, tmp_path: Path) -> None:
    url = new_database(tmp_path, postgres.url)
    store = Store.open(url)
    with store.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE few (n integer CHECK (n < 5), secret text)")
    with pytest.raises(StoreError) as caught, store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO few VALUES (7, 'số căn cước')")
    assert "few" in str(caught.value)
    assert "căn cước" not in str(caught.value)
    store.close()
    drop_database(url)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("program", ["ingest", "jobs", "web"])
def test_a_program_that_starts_before_its_database_goes_on_when_it_comes(
    program: str, mortal_postgres: "Postgres", tmp_path: Path
) -> None:
    url = mortal_postgres.make_database(f"late_{program}")
    environ = {"IOC_STORE": url, "IOC_DATA": str(tmp_path / "data"), "IOC_PORT": str(free_port())}
    assert run_ioc("setup", environ=environ).returncode == 0
    mortal_postgres.kill()
    log = tmp_path / "log"
    outside = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")}
    with log.open("wb") as said:
        started = subprocess.Popen(
            [sys.executable, "-m", "ioc", program], cwd=PROJECT, env={**outside, **environ}, stderr=said
        )
    try:
        eventually(lambda: "start PostgreSQL" in log.read_text(), "it waits, and says so", within_s=60)
        assert started.poll() is None
        mortal_postgres.start()

        def works() -> bool:
            assert started.poll() is None, log.read_text()
            with psycopg.connect(url) as connection:
                asked = "SELECT FROM pg_stat_activity WHERE application_name = 'ioc' AND datname = current_database()"
                return connection.execute(asked).fetchone() is not None

        eventually(works, "it uses the database", within_s=60)
        started.send_signal(signal.SIGTERM)
        assert started.wait(30) == 0
    finally:
        started.kill()
        started.wait()
