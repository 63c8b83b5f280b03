"""kill -9 of backups and restores at each touch of a file: no manifest of half a backup, no half of a restore."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ioc.settings import PROJECT
from tests.processes.backups import small_backup
from tests.processes.dying import Plan
from tests.streams.long_history import long_history
from tests.streams.small_centre import SmallCentre

pytestmark = pytest.mark.slow

PROVE = bool(os.environ.get("IOC_PROVE"))


def deaths(plan: Plan) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.dying", plan.as_json()],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def test_a_killed_backup_leaves_no_manifest(centre: SmallCentre, tmp_path: Path) -> None:
    small_backup(centre, tmp_path / "first", long_history(51, 60))
    centre.close()
    assert deaths(Plan("backup", str(centre.folder), str(tmp_path / "backup"))) >= 8


@pytest.mark.parametrize("full", [False, True])
def test_a_killed_restore_is_done_by_the_next(centre: SmallCentre, tmp_path: Path, full: bool) -> None:
    """At every touch with IOC_PROVE, else at some: with PostgreSQL each death takes seconds."""
    step = 1 if PROVE else 2 if centre.store.dialect == "sqlite" else 5
    folder = small_backup(centre, tmp_path / "backup", long_history(52, 60))
    centre.close()
    assert deaths(Plan("restore", str(centre.folder), str(folder), full, step)) >= 10 // step
