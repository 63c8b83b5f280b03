"""Stores: an empty database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ioc.store.engine import Store
from tests.databases import drop_database, new_database


@pytest.fixture
def url(tmp_path: Path, database: str | None) -> Iterator[str]:
    """Of a database without tables."""
    made = new_database(tmp_path, database)
    yield made
    drop_database(made)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store without tables."""
    made = Store.open(url)
    yield made
    made.close()
