"""A really small disk, and the web application of tests/web."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bounds.disks import mount, unmount
from tests.web.conftest import web

__all__ = ["small_disk", "web"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder)
    yield folder
    unmount(folder)
