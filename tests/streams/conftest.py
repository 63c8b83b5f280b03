"""Kills are counted over the whole run of the tests and told at its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KafkaServer
from tests.streams.killing import Killing, Score

_SCORE = pytest.StashKey[Score]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SCORE] = Score()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """The test that looks at the score comes when all others have played."""
    yield
    items.sort(key=lambda item: item.path.name == "test_score.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[_SCORE].lines():
        terminalreporter.write_line(line)


@pytest.fixture
def score(pytestconfig: pytest.Config) -> Score:
    return pytestconfig.stash[_SCORE]


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def kafka_address(request: pytest.FixtureRequest) -> str | None:
    """Runs a test over both logs: host:port of a Kafka, or None for the embedded one."""
    if request.param == "embedded":
        return None
    server: KafkaServer = request.getfixturevalue("kafka")
    return server.address


def _where(kafka: str | None, database: str | None) -> str:
    return f"{'embedded' if kafka is None else 'kafka'} + {'sqlite' if database is None else 'postgres'}"


@pytest.fixture
def killing(
    template: Path,
    tmp_path: Path,
    database: str | None,
    kafka_address: str | None,
    score: Score,
    request: pytest.FixtureRequest,
) -> Iterator[Killing]:
    """Over both logs and both stores."""
    made = Killing(template, tmp_path / "centre", _where(kafka_address, database), kafka_address, score)
    yield made
    score.tests.add(request.function.__name__)
    made.drop()


@pytest.fixture
def embedded(
    template: Path, tmp_path: Path, database: str | None, score: Score, request: pytest.FixtureRequest
) -> Iterator[Killing]:
    """Over the embedded log and both stores: where the log does not matter."""
    made = Killing(template, tmp_path / "centre", _where(None, database), None, score)
    yield made
    score.tests.add(request.function.__name__)
    made.drop()
