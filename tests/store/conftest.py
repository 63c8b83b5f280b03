"""Stores: an empty file, and the small centre of tests/streams."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ioc.store.engine import Store
from tests.streams.conftest import centre, template

__all__ = ["centre", "template"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A store without tables."""
    made = Store.open(f"sqlite:///{path}")
    yield made
    made.close()


@pytest.fixture
def everything(path: Path) -> Callable[[], list[str]]:
    """All that the file holds, as SQL."""

    def _everything() -> list[str]:
        connection = sqlite3.connect(path)
        lines = list(connection.iterdump())
        connection.close()
        return lines

    return _everything
