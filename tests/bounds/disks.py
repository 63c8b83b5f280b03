"""A small filesystem, somebody else's file on it, and a program's loop for so many waits."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

DISK_BYTES = 64_000_000


def mount(folder: Path, mode: str = "0700") -> None:
    """Mount a filesystem of 64 MB of its own there. Skips, saying so, where this user may not."""
    options = f"size={DISK_BYTES},mode={mode}"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "ioc-test", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no small filesystem can be mounted here: {made.stderr.strip()}")


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder], check=True)


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, *, leave: int) -> Path:
    """Somebody else's file, which leaves so many bytes."""
    filler = folder / "somebody-elses.bin"
    descriptor = os.open(filler, os.O_CREAT | os.O_RDWR)
    os.posix_fallocate(descriptor, 0, free(folder) - leave)
    os.close(descriptor)
    return filler


class StopAfter(threading.Event):
    """Is set once it has been waited for so often (with that pause): what a program does until then is all it does."""

    def __init__(self, times: int, pause: float | None = None) -> None:
        super().__init__()
        self._left = times
        self._pause = pause

    def wait(self, timeout: float | None = None) -> bool:
        if self._pause is None or timeout == self._pause:
            self._left -= 1
        if self._left <= 0:
            self.set()
        return self.is_set()
