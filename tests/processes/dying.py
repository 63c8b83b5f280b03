"""Backs up or restores over and over, each time in a process that dies at its next touch of a file or program.

Started by `test_dying.py` as a program of its own: `python -m tests.processes.dying PLAN`, PLAN in JSON. The first
process dies at the first touch, the next one later, until one gets to its end. After each death it is looked
whether what was left can do harm. Prints how many have died.
"""

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ioc.errors import StoreError
from ioc.processes import backup, backup_manifest, restore
from ioc.settings import Settings
from ioc.store import postgres_copies
from ioc.store.engine import Store
from tests.databases import everything
from tests.processes.backups import NOW, destroy, settings_of

TOUCHES = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "sqlite3.connect", "subprocess.Popen")
# Tables whose times follow the clock of the restore. Of the audit what was done is compared, not how often: a restore
# that dies after it was entered is entered again by the next.
CLOCKED = ("batches", "idempotency", "audit_entries", "audit_head")
DONE = "SELECT DISTINCT who, act, kind, id FROM audit_entries ORDER BY who, act, kind, id"


@dataclass(frozen=True, slots=True)
class Plan:
    """`work` is `backup` or `restore`; with `full`, data stands there, which the restore moves aside.

    Each process dies `step` touches later than the one before.
    """

    work: str
    centre: str
    backup: str
    full: bool = False
    step: int = 1

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def die_at(touch: int, *folders: Path) -> None:
    """Let this process die at its nth touch of a file in the folders, or start of a program."""
    seen = 0

    def _count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        about = event == "subprocess.Popen" or any(str(folder) in str(arguments[:2]) for folder in folders)
        if event in TOUCHES and about:
            seen += 1
            if seen == touch:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(_count)


def died(work: Callable[[], object], touch: int, *folders: Path) -> bool:
    """Whether the work, done in a process of its own, was killed."""
    child = os.fork()
    if not child:
        try:
            die_at(touch, *folders)
            work()
        except BaseException:  # noqa: BLE001 - a child never returns into the parent's loop
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        sys.exit("a child failed")
    return os.WIFSIGNALED(status)


def content(settings: Settings) -> list[str]:
    """All that stands in the store and in the log."""
    store = Store.open(settings.store)
    try:
        rows = everything(store, but=CLOCKED)
        with store.reading() as connection:
            rows += [str(tuple(row)) for row in connection.exec_driver_sql(DONE)]
    finally:
        store.close()
    return [*rows, sha256((settings.data / "log.db").read_bytes()).hexdigest()]


def wait_until_unused(settings: Settings) -> None:
    """A server needs a moment to see that a client is dead."""
    if settings.store.startswith("sqlite"):
        return
    store, deadline = Store.open(settings.store), time.monotonic() + 30
    while postgres_copies.others_connected(store):
        assert time.monotonic() < deadline, "clients of the dead stay connected"
        time.sleep(0.01)
    store.close()


def dying_backups(settings: Settings, folder: Path, step: int) -> int:
    deaths = 0
    while died(lambda: backup.main(settings, folder, now=NOW), 1 + deaths * step, folder):
        deaths += 1
        if (folder / backup_manifest.NAME).exists():
            manifest = backup_manifest.read(folder)
            backup_manifest.verify(folder, manifest.files)
        else:
            with pytest.raises(StoreError, match="no complete backup"):
                restore.main(settings, folder, now=NOW, replace=True)
        shutil.rmtree(folder, ignore_errors=True)
    backup_manifest.verify(folder, backup_manifest.read(folder).files)
    return deaths


def dying_restores(settings: Settings, folder: Path, step: int, *, full: bool) -> int:
    """Each time the same command is given again, and then all is as it was backed up."""
    wanted: list[str] = []
    deaths = repeated = 0

    def _restore() -> None:
        at = NOW + timedelta(seconds=2 * deaths + repeated)
        restore.main(settings, folder, now=at, replace=full)

    while True:
        if not full:
            destroy(settings.data)
        repeated = 0
        was_killed = died(_restore, 1 + deaths * step, settings.data)
        if was_killed:
            wait_until_unused(settings)
            repeated = 1
            _restore()
        assert not (settings.data / restore.UNFINISHED).exists()
        found = content(settings)
        wanted = wanted or found
        assert found == wanted, f"after death {deaths + 1} something else was restored: {set(found) ^ set(wanted)}"
        if not was_killed:
            return deaths
        deaths += 1


def main(plan: Plan) -> int:
    settings = settings_of(Path(plan.centre))
    if plan.work == "backup":
        return dying_backups(settings, Path(plan.backup), plan.step)
    return dying_restores(settings, Path(plan.backup), plan.step, full=plan.full)


if __name__ == "__main__":
    print(main(Plan(**json.loads(sys.argv[1]))))
