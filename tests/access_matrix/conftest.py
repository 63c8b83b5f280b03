"""The marked province behind the real web application; what the matrix came to is told at the end of the run."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ioc.broker.embedded import EmbeddedBroker
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.app import WebApp, build_app
from tests.access_matrix.canaries import build_province, write_geography
from tests.access_matrix.everybody import Somebody, make_everybody, sign_in
from tests.access_matrix.wire import Headers
from tests.databases import copy_database, drop_database
from tests.operations.rows import NOW
from tests.web.conftest import standing_clock

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For tests in which the store makes no difference: the matrix itself runs on both databases."""

_SAID = pytest.StashKey[list[str]]()
_CAUGHT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SAID] = []
    config.stash[_CAUGHT] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[_SAID]:
        terminalreporter.write_line(line)
    if caught := config.stash[_CAUGHT]:
        terminalreporter.write_line(f"Planted mistakes that the access matrix caught: {len(caught)}")


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Tell a line at the end of the run."""
    return pytestconfig.stash[_SAID].append


@pytest.fixture
def caught(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Count a planted mistake that was found."""
    return pytestconfig.stash[_CAUGHT].append


@dataclass
class Guarded:
    """The application over the marked province, and everybody who may ask it."""

    store: Store
    broker: EmbeddedBroker
    settings: Settings
    everybody: tuple[Somebody, ...]

    def build(self) -> WebApp:
        return build_app(self.settings, self.store, self.broker, clock=standing_clock)

    async def sign_in(self, web: WebApp) -> dict[str, Headers]:
        return dict(await sign_in(web, self.store, self.settings, self.everybody, NOW))

    @asynccontextmanager
    async def running(self, web: WebApp) -> AsyncIterator[dict[str, Headers]]:
        """The application as its server runs it; what everybody sends to be known."""
        async with web.server.router.lifespan_context(web.server):
            yield await self.sign_in(web)


@pytest.fixture(scope="session")
def marked(tmp_path_factory: pytest.TempPathFactory, database: str | None) -> tuple[Path, str]:
    """The marked province, made once: its folder and the URL of its store."""
    folder = tmp_path_factory.mktemp("marked")
    write_geography(folder / "provinces")
    return folder, build_province(folder, database)


@pytest.fixture
def guarded(marked: tuple[Path, str], tmp_path: Path) -> Iterator[Guarded]:
    folder, url = marked
    copied = copy_database(url, tmp_path)
    copy_database(f"sqlite:///{folder / 'log.db'}", tmp_path, "log.db")
    settings = Settings.load(
        {
            "IOC_DATA": str(tmp_path),
            "IOC_STORE": copied,
            "IOC_PROVINCE": "marked",
            "IOC_PROVINCE_DIR": str(folder / "provinces"),
        },
        folder=tmp_path,
    )
    store, broker = Store.open(copied), EmbeddedBroker(tmp_path / "log.db")
    yield Guarded(store, broker, settings, make_everybody(store, settings, NOW))
    store.close()
    broker.close()
    drop_database(copied)
