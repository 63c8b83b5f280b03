"""Real parts of the tests: what this machine has, what the run used, and what must not be missing.

A test that needs a real part carries its marker (`chromium`, `kafka`, `postgres`, `rtsp`, `real_data`) and is skipped,
saying so, where the part is absent. `IOC_TEST_REQUIRE=chromium,…` turns an absent or unused part into a failed run.
The run ends with one line per part.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PARTS_FOLDER = PROJECT / ".parts"
LAST = ("slow", "chromium", "kafka", "postgres", "rtsp")  # markers of tests that run after the fast ones


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
    folder = PARTS_FOLDER / "kafka"
    return folder if _program("java") and any(folder.glob("libs/kafka-clients-*.jar")) else None


def _postgres() -> Path | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return debian[-1].parent if debian else getattr(_program("initdb"), "parent", None)


def _rtsp() -> Path | None:
    found = sorted(Path("/usr/lib").glob("*/girepository-1.0/GstRtspServer-1.0.typelib"))
    return found[0] if found else None


def _real_data() -> Path | None:
    folder = Path(os.environ.get("IOC_TEST_DATA") or PROJECT.parent / "shared" / "data")
    return folder if (folder / "README.md").is_file() else None


PARTS = (
    Part("kafka", "Kafka", _kafka, "Java and .parts/kafka are not there"),
    Part("postgres", "PostgreSQL", _postgres, "initdb was not found"),
    Part("chromium", "Chromium", _chromium, "no chromium was found; `scripts/services chromium` gets it"),
    Part("rtsp", "RTSP server", _rtsp, "GStreamer's RTSP server was not found"),
    Part("real_data", "Real data", _real_data, "IOC_TEST_DATA, else ../shared/data, is not there"),
)

_FOUND = pytest.StashKey[dict[str, Path | None]]()
_SELECTED = pytest.StashKey[dict[str, int]]()
_RAN = pytest.StashKey[dict[str, int]]()


def _required(config: pytest.Config) -> list[str]:
    names = [name.strip() for name in os.environ.get("IOC_TEST_REQUIRE", "").split(",") if name.strip()]
    if unknown := sorted(set(names) - {part.marker for part in PARTS}):
        known = ", ".join(part.marker for part in PARTS)
        raise pytest.UsageError(f"IOC_TEST_REQUIRE names {', '.join(unknown)}; the parts are: {known}")
    return [] if config.option.collectonly else names


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FOUND] = {part.marker: part.find() for part in PARTS}
    config.stash[_SELECTED] = {part.marker: 0 for part in PARTS}
    config.stash[_RAN] = {part.marker: 0 for part in PARTS}
    _required(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast tests first, so that a simple mistake shows at once; tests of absent parts are skipped."""
    items.sort(key=lambda item: any(item.get_closest_marker(name) for name in LAST))
    for item in items:
        for part in PARTS:
            if item.get_closest_marker(part.marker):
                config.stash[_SELECTED][part.marker] += 1
                if config.stash[_FOUND][part.marker] is None:
                    item.add_marker(pytest.mark.skip(reason=part.missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call" and not report.skipped:  # type: ignore[attr-defined]
        for part in PARTS:
            if item.get_closest_marker(part.marker):
                item.config.stash[_RAN][part.marker] += 1
    return report


def _unused(config: pytest.Config, part: Part) -> str | None:
    """Why a part was not used, or None if it was."""
    if config.stash[_RAN][part.marker]:
        return None
    if not config.stash[_SELECTED][part.marker]:
        return "no test of this run needs it"
    return part.missing if config.stash[_FOUND][part.marker] is None else "its tests did not get as far"


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
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
