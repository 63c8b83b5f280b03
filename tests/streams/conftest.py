"""Fixtures of the small centre; its template is built once and copied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams.small_centre import SmallCentre, build_template, copy_centre


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    build_template(folder)
    return folder


@pytest.fixture
def centre(template: Path, tmp_path: Path) -> Iterator[SmallCentre]:
    made = copy_centre(template, tmp_path / "centre")
    yield made
    made.close()
