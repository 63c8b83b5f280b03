"""The servers that tests start: they keep their data when killed, and say it when they cannot be had."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ioc.settings import PROJECT

if TYPE_CHECKING:
    from scripts.parts.kafka import Kafka
    from scripts.parts.postgres import Postgres


def run_services(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.parts", *words],
        cwd=PROJECT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_part_that_does_not_exist_is_named() -> None:
    answer = run_services("start", "oracle")
    assert answer.returncode == 2
    assert "there is no part oracle; the parts are: kafka, postgres, chromium, openid" in answer.stderr


def test_a_stated_server_is_not_got() -> None:
    answer = run_services("get", "kafka", IOC_TEST_KAFKA="kafka.example:9092")
    assert answer.stdout == "kafka: IOC_TEST_KAFKA names kafka.example:9092\n"


def test_a_part_that_cannot_be_had_says_how_to_name_one(tmp_path: Path) -> None:
    answer = run_services("get", "chromium", PATH=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert "chromium: not there: this machine has no apt-get: install chromium yourself" in answer.stdout
    assert "or set IOC_TEST_CHROMIUM" in answer.stdout


@pytest.mark.kafka
def test_kafka_answers_again_after_it_was_killed(mortal_kafka: "Kafka") -> None:
    assert mortal_kafka.is_healthy()
    mortal_kafka.kill()
    assert not mortal_kafka.is_healthy()
    mortal_kafka.start()
    assert mortal_kafka.is_healthy()


@pytest.mark.postgres
def test_postgres_keeps_what_was_committed_when_it_is_killed(mortal_postgres: "Postgres") -> None:
    mortal_postgres.sql("CREATE TABLE kept (n integer); INSERT INTO kept VALUES (7)")
    mortal_postgres.kill()
    assert not mortal_postgres.is_healthy()
    mortal_postgres.start()
    assert mortal_postgres.sql("SELECT n FROM kept") == "7"


@pytest.mark.openid
def test_the_openid_provider_signs_with_other_keys_when_it_starts_again(tmp_path: Path) -> None:
    from scripts.parts.openid import OpenId

    def keys() -> set[str]:
        with urllib.request.urlopen(f"{provider.issuer}/jwks", timeout=60) as answer:
            return {one["kid"] for one in json.load(answer)["keys"]}

    provider = OpenId(tmp_path)
    provider.start()
    try:
        before = keys()
        provider.kill()
        assert not provider.is_healthy()
        provider.start()
        assert keys().isdisjoint(before)
    finally:
        provider.kill()
