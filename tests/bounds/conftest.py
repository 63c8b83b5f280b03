"""A really small disk, and a centre on it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.conftest import web

__all__ = ["small_disk", "web"]

DISK_BYTES = 64_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 64 MB of its own. Skips, saying so, where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={DISK_BYTES},mode=0700"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "ioc-test", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no small filesystem can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
