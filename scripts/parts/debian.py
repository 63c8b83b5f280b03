"""Packages of Debian: installed where we may, named where we may not."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from scripts.parts import PartError


def install(*packages: str) -> None:
    """Install the packages; PartError, saying which, if this machine or this user cannot."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise PartError(f"this machine has no apt-get: install {names} yourself")
    if os.geteuid() != 0:
        raise PartError(f"run: sudo apt-get install {names}")
    _apt_get(("update",), names)
    _apt_get(("install", "--no-install-recommends", *packages), names)


def _apt_get(arguments: Sequence[str], names: str) -> None:
    answer = subprocess.run(
        ["apt-get", "-qq", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["apt-get failed"])[-1]
        raise PartError(f"{names} could not be installed: {last}")
