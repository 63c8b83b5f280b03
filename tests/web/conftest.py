"""The whole web application over the small centre, behind its real gate, at a standing clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ioc.feeds import FEEDS
from ioc.model.access import Permission, system_principal
from ioc.model.origins import Origin
from ioc.operations.keys import NewKey, add_key
from ioc.settings import Settings
from ioc.store.bounds import DatabaseRole
from ioc.store.engine import Store
from ioc.web.app import WebApp, build_app
from tests.operations.rows import NOW, Rows
from tests.streams.small_centre import STORE_URL, copy_centre

ROOT = system_principal("test")


@dataclass
class Web:
    """The application, the rows under it, and a client for whoever has a key."""

    rows: Rows
    made: WebApp

    def key(self, name: str, *may: Permission, **bounds: frozenset[str]) -> dict[str, str]:
        """Headers of a new key."""
        key = NewKey(name, Origin.LIVE, frozenset(may), **bounds)
        token = add_key(ROOT, self.rows.small.store, self.rows.settings, key, now=NOW)
        return {"Authorization": f"Bearer {token}"}

    def reader(self, *centres: str) -> dict[str, str]:
        return self.key("reader", Permission.READ, centres=frozenset(centres))

    def sender(self) -> dict[str, str]:
        return self.key("sender", Permission.SEND, feeds=frozenset(FEEDS))

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.made.app)
        async with httpx.AsyncClient(transport=transport, base_url=self.rows.settings.public_url) as client:
            return await client.request(method, path, **more)


@pytest.fixture
def web(template: Path, tmp_path: Path) -> Iterator[Web]:
    small = copy_centre(template, tmp_path / "centre")
    settings = Settings.load({"IOC_DATA": str(tmp_path / "centre")}, folder=tmp_path)
    own = Store.open((small.folder / STORE_URL).read_text(), DatabaseRole.WEB)  # as the program opens it
    yield Web(Rows(small, settings), build_app(settings, own, small.broker, clock=standing_clock))
    own.close()
    small.drop()


def standing_clock() -> datetime:
    return NOW
