"""Fixtures: the small centre, copied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ioc.settings import Settings
from tests.operations.rows import Rows
from tests.streams.small_centre import copy_centre


@pytest.fixture
def rows(template: Path, tmp_path: Path) -> Iterator[Rows]:
    small = copy_centre(template, tmp_path / "centre")
    yield Rows(small, Settings.load({"IOC_DATA": str(tmp_path / "centre")}, folder=tmp_path))
    small.drop()
