"""Real parts of the tests: what this machine has, what the run used, and what must not be missing.

A test that needs a real part carries its marker (`chromium`, `kafka`, `postgres`, `openid`, `rtsp`, `real_data`) and is
skipped, saying so, where the part is absent. `IOC_TEST_REQUIRE=chromium,…` turns an absent or unused part into a failed
run. The run ends with one line per part.

Kafka and PostgreSQL are started once for the run, on free ports and in folders of their own, unless IOC_TEST_KAFKA
(host:port) or IOC_TEST_POSTGRES (a URL whose user may create databases) names a server.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.databases import drop_all
from tests.streams.small_centre import SmallCentre, build_template, copy_centre

if TYPE_CHECKING:
    from scripts.parts.kafka import Kafka
    from scripts.parts.postgres import Postgres

PROJECT = Path(__file__).resolve().parent.parent
PARTS_FOLDER = PROJECT / ".parts"
LAST = ("slow", "chromium", "kafka", "postgres", "openid", "rtsp")  # markers of tests that run after the fast ones


@dataclass(frozen=True, slots=True)
class Part:
    """A real part: its marker, its name for people, how it is found and what is missing if it is not."""

    marker: str
    title: str
    find: Callable[[], Path | None]
    missing: str


def _program(*names: str) -> Path | None:
    found = next((path for name in names if (path := shutil.which(name))), None)
    return Path(found) if found else None


def _chromium() -> Path | None:
    if stated := os.environ.get("IOC_TEST_CHROMIUM"):
        return Path(stated) if Path(stated).is_file() else None
    return _program("chromium", "chromium-browser", "google-chrome")


def _kafka() -> Path | None:
    if os.environ.get("IOC_TEST_KAFKA"):
        return PARTS_FOLDER
    complete = sorted(PARTS_FOLDER.glob("kafka/*/complete"))
    return complete[-1].parent if complete and _program("java") else None


def _postgres() -> Path | None:
    if os.environ.get("IOC_TEST_POSTGRES"):
        return PARTS_FOLDER
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return debian[-1].parent if debian else getattr(_program("initdb"), "parent", None)


def _openid() -> Path | None:
    from scripts.parts import openid

    return openid.find(os.environ.get(openid.PACKAGES_VARIABLE))


def _rtsp() -> Path | None:
    found = sorted(Path("/usr/lib").glob("*/girepository-1.0/GstRtspServer-1.0.typelib"))
    return found[0] if found else None


def _real_data() -> Path | None:
    folder = Path(os.environ.get("IOC_TEST_DATA") or PROJECT.parent / "shared" / "data")
    return folder if (folder / "README.md").is_file() else None


PARTS = (
    Part("kafka", "Kafka", _kafka, "Java or .parts/kafka is not there; `scripts/services get kafka` gets them"),
    Part("postgres", "PostgreSQL", _postgres, "initdb was not found; `scripts/services get postgres` gets it"),
    Part("chromium", "Chromium", _chromium, "no chromium was found; `scripts/services get chromium` gets it"),
    Part("openid", "OpenID", _openid, "Node.js or .parts/openid is not there; `scripts/services get openid` gets them"),
    Part("rtsp", "RTSP server", _rtsp, "GStreamer's RTSP server was not found"),
    Part("real_data", "Real data", _real_data, "IOC_TEST_DATA, else ../shared/data, is not there"),
)

_FOUND = pytest.StashKey[dict[str, Path | None]]()
_SELECTED = pytest.StashKey[dict[str, int]]()
_REACHED = pytest.StashKey[dict[str, int]]()
_RAN = pytest.StashKey[dict[str, int]]()
_PART = "part"  # a property of a test's reports: where tests run in several processes, only reports reach the first


def _required(config: pytest.Config) -> list[str]:
    names = [name.strip() for name in os.environ.get("IOC_TEST_REQUIRE", "").split(",") if name.strip()]
    if unknown := sorted(set(names) - {part.marker for part in PARTS}):
        known = ", ".join(part.marker for part in PARTS)
        raise pytest.UsageError(f"IOC_TEST_REQUIRE names {', '.join(unknown)}; the parts are: {known}")
    return [] if config.option.collectonly else names


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FOUND] = {part.marker: part.find() for part in PARTS}
    config.stash[_SELECTED] = {part.marker: 0 for part in PARTS}
    config.stash[_REACHED] = {part.marker: 0 for part in PARTS}
    config.stash[_RAN] = {part.marker: 0 for part in PARTS}
    config.pluginmanager.register(_Reports(config))
    _required(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast tests first, so that a simple mistake shows at once; tests of absent parts are skipped."""
    items.sort(key=lambda item: any(item.get_closest_marker(name) for name in LAST))
    for item in items:
        for part in PARTS:
            if item.get_closest_marker(part.marker):
                config.stash[_SELECTED][part.marker] += 1
                item.user_properties.append((_PART, part.marker))
                if config.stash[_FOUND][part.marker] is None:
                    item.add_marker(pytest.mark.skip(reason=part.missing))


class _Reports:
    """Counts what tests of real parts came to, wherever they ran."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, marker in report.user_properties:
            if name == _PART and report.when == "setup":
                self._config.stash[_REACHED][str(marker)] += 1
            if name == _PART and report.when == "call" and not report.skipped:
                self._config.stash[_RAN][str(marker)] += 1


def _unused(config: pytest.Config, part: Part) -> str | None:
    """Why a part was not used, or None if it was."""
    if config.stash[_RAN][part.marker]:
        return None
    if not config.stash[_SELECTED][part.marker] and not config.stash[_REACHED][part.marker]:
        return "no test of this run needs it"
    return part.missing if config.stash[_FOUND][part.marker] is None else "its tests did not get as far"


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workerinput"):  # one of several processes: the first one judges
        return
    lacking = [part for part in PARTS if part.marker in _required(config) and _unused(config, part)]
    if lacking and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.collectonly:
        return
    terminalreporter.section("real parts")
    for part in PARTS:
        why = _unused(config, part)
        ran = config.stash[_RAN][part.marker]
        words = f"used by {ran} test{'s' * (ran > 1)}" if why is None else f"not used: {why}"
        failed = why is not None and part.marker in _required(config)
        terminalreporter.write_line(f"{part.title + ':':<13}{words}{' - but IOC_TEST_REQUIRE asks for it' * failed}")


@pytest.fixture(scope="session")
def chromium(pytestconfig: pytest.Config) -> Path:
    """The browser's program. For tests marked `chromium`."""
    found = pytestconfig.stash[_FOUND]["chromium"]
    assert found is not None, "mark the test with pytest.mark.chromium"
    return found


@pytest.fixture(scope="session")
def real_data(pytestconfig: pytest.Config) -> Path:
    """The folder of real data. For tests marked `real_data`."""
    found = pytestconfig.stash[_FOUND]["real_data"]
    assert found is not None, "mark the test with pytest.mark.real_data"
    return found


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """A broker for tests, at `address` (host:port); `server` is None where somebody else's is used."""

    address: str
    server: "Kafka | None"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database server for tests; `url` has no database in it, `server` is None where somebody else's is used."""

    url: str
    server: "Postgres | None"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A Kafka broker, started once. For tests marked `kafka`; each uses topics of its own."""
    if stated := os.environ.get("IOC_TEST_KAFKA"):
        yield KafkaServer(stated, None)
        return
    from scripts.parts.kafka import Kafka

    server = Kafka(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield KafkaServer(server.address, server)
    server.kill()


@pytest.fixture
def mortal_kafka(kafka: KafkaServer) -> "Iterator[Kafka]":
    """The same broker, to be killed and frozen; it runs again when the test is over."""
    if kafka.server is None:
        pytest.skip("IOC_TEST_KAFKA names a broker that is not ours to kill")
    yield kafka.server
    kafka.server.thaw()
    if kafka.server.pid is None:
        kafka.server.start()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started once. For tests marked `postgres`; each makes databases of its own."""
    if stated := os.environ.get("IOC_TEST_POSTGRES"):
        yield PostgresServer(stated.rstrip("/"), None)
        return
    from scripts.parts.postgres import USER, Postgres

    # Not in pytest's folder: only we may enter that, and PostgreSQL runs as another user where we are root.
    folder = Path(tempfile.mkdtemp(prefix="ioc-postgres-"))
    # Nothing here needs to survive a power cut: what is killed is programs and the server. Databases are made and
    # dropped by the hundred, each of which would wait for the disk.
    server = Postgres(folder, options=["fsync=off"])
    server.start()
    yield PostgresServer(f"postgresql+psycopg://{USER}@{server.address}", server)
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Runs a test on both databases: the URL of a server, or None for SQLite; see `tests/databases.py`."""
    if request.param == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    yield server.url
    drop_all()


@pytest.fixture
def mortal_postgres(postgres: PostgresServer) -> "Iterator[Postgres]":
    """The same server, to be killed and frozen; it runs again when the test is over."""
    if postgres.server is None:
        pytest.skip("IOC_TEST_POSTGRES names a server that is not ours to kill")
    yield postgres.server
    postgres.server.thaw()
    if postgres.server.pid is None:
        postgres.server.start()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, database: str | None) -> Path:
    """The folder of the small centre of tests/streams, on both databases; `copy_centre` makes centres of it."""
    folder = tmp_path_factory.mktemp("template")
    build_template(folder, database)
    return folder


@pytest.fixture
def centre(template: Path, tmp_path: Path) -> Iterator[SmallCentre]:
    made = copy_centre(template, tmp_path / "centre")
    yield made
    made.drop()
