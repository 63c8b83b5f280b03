"""Backups are taken while the centre runs, and what is restored and replayed comes to the same totals."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ioc.errors import BrokerError, StoreError
from ioc.jobs.forgetting import KeepingRules, forget
from ioc.model.windows import DAY, Keeping
from ioc.processes import backup, backup_manifest, restore
from ioc.settings import PROJECT
from tests.processes.backups import (
    NOW,
    append,
    applied,
    assert_holds,
    destroy,
    held,
    ingest_all,
    settings_of,
    small_backup,
)
from tests.streams.history import ARRIVAL, HOUR
from tests.streams.kill_runner import Plan
from tests.streams.long_history import long_history
from tests.streams.small_centre import SmallCentre, open_centre
from tests.streams.stored import count

KEEPING = KeepingRules(Keeping((60 * DAY, 60 * DAY, 90 * DAY, 730 * DAY)), HOUR, 7 * DAY, 30 * DAY, 7 * HOUR)


@contextmanager
def ingest_elsewhere(folder: Path) -> Iterator[None]:
    """Another process that applies the log in small batches."""
    plan = Plan(str(folder), batch=4).as_json()
    command = [sys.executable, "-m", "tests.streams.kill_runner", plan]
    with subprocess.Popen(command, cwd=PROJECT, start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the child that it forked too, which works on the store


def wait_for(centre: SmallCentre, records: int) -> None:
    deadline = time.monotonic() + 60
    while applied(centre) < records:
        assert time.monotonic() < deadline, f"{applied(centre)} of {records} records applied"
        time.sleep(0.01)


@pytest.mark.slow
def test_taken_in_the_middle_it_is_replayed_to_equal_totals(centre: SmallCentre, tmp_path: Path) -> None:
    history, folder = long_history(41, 3_000), tmp_path / "backup"
    settings = settings_of(centre.folder)
    first, later = history[:2_000], history[2_000:]
    append(centre.broker, first)
    with ingest_elsewhere(centre.folder):
        wait_for(centre, 100)
        sender = threading.Thread(target=append, args=(centre.broker, later, 10))
        sender.start()
        manifest = backup.main(settings, folder, now=NOW)
        sender.join()
        then = sum(one.position or 0 for one in manifest.offsets)
        assert 100 <= then < 2_000, "the backup was not taken in the middle"
        wait_for(centre, min(then + 50, len(history)))
    centre.close()
    destroy(centre.folder)

    restored = restore.main(settings, folder, now=NOW)
    assert restored.aside == ()
    again = open_centre(centre.folder)
    assert applied(again) == then
    forget(again.store, again.broker, KEEPING, ARRIVAL)  # as jobs do before ingest has read the rest
    holds, lacks = held(again.broker, history)
    assert len(holds) >= len(first)
    ingest_all(again)
    assert_holds(again, holds)
    append(again.broker, lacks)
    ingest_all(again)
    assert_holds(again, history)
    assert count(again.store, "gaps") == 0
    again.close()


def test_what_was_sent_before_the_backup_is_known_when_it_comes_again(centre: SmallCentre, tmp_path: Path) -> None:
    """A batch that the log holds twice, the second time beyond the backup's position, restored a day later."""
    history = [one for one in long_history(42, 60) if one.batch is not None]
    folder = small_backup(centre, tmp_path / "backup", history)
    centre.close()
    destroy(centre.folder)
    settings, day = settings_of(centre.folder), 24 * HOUR
    restore.main(settings, folder, now=NOW.fromtimestamp((ARRIVAL + day) / 1000, NOW.tzinfo))
    again = open_centre(centre.folder)
    forget(again.store, again.broker, KEEPING, ARRIVAL + day)
    ingest_all(again)
    assert_holds(again, [*history, *history])
    again.close()


def test_a_backup_is_for_its_owner_only(centre: SmallCentre, tmp_path: Path) -> None:
    folder = small_backup(centre, tmp_path / "backups" / "one", long_history(43, 20))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name for path in folder.iterdir()}
    kind = "store.dump" if centre.store.dialect == "postgresql" else "store.db"
    assert names == {"manifest.json", kind, "log.db"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_the_manifest_says_what_is_where(centre: SmallCentre, tmp_path: Path) -> None:
    history = long_history(44, 20)
    folder = small_backup(centre, tmp_path / "backup", history)
    written = json.loads((folder / "manifest.json").read_text())
    assert (written["form"], written["made_at"], written["broker"]) == (1, NOW.isoformat(), "embedded")
    assert written["store"] == centre.store.dialect
    assert sum(one["position"] for one in written["offsets"]) == applied(centre) == len(history)
    assert sum(one["log_end"] for one in written["offsets"]) == 2 * len(history)
    assert f"{len(history)} records beyond" in backup.told(backup_manifest.read(folder), folder)


def test_a_folder_that_holds_anything_is_left_alone(centre: SmallCentre, tmp_path: Path) -> None:
    folder = small_backup(centre, tmp_path / "backup", long_history(45, 10))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StoreError, match="does not exist yet or is empty"):
        backup.main(settings_of(centre.folder), folder, now=NOW)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_to_back_up_leaves_nothing(centre: SmallCentre, tmp_path: Path) -> None:
    centre.close()
    destroy(centre.folder)
    with pytest.raises(StoreError, match="has no tables"):
        backup.main(settings_of(centre.folder), tmp_path / "backup", now=NOW)
    assert list((tmp_path / "backup").iterdir()) == []


def test_a_log_that_is_not_the_stores_is_refused(centre: SmallCentre, tmp_path: Path) -> None:
    append(centre.broker, long_history(46, 20))
    shutil.copyfile(_log_alone(centre), tmp_path / "older.db")
    append(centre.broker, long_history(47, 20))
    ingest_all(centre)
    centre.close()
    shutil.copyfile(tmp_path / "older.db", centre.folder / "log.db")
    with pytest.raises(StoreError, match=r"ends at \d+, before the store's position \d+"):
        backup.main(settings_of(centre.folder), tmp_path / "backup", now=NOW)
    assert list((tmp_path / "backup").iterdir()) == []
    (centre.folder / "log.db").unlink()
    with pytest.raises(BrokerError, match="there is no log"):
        backup.main(settings_of(centre.folder), tmp_path / "backup", now=NOW)


def _log_alone(centre: SmallCentre) -> Path:
    """The log's file with everything in it."""
    centre.broker.close()
    return centre.folder / "log.db"


def test_the_log_of_an_older_backup_beside_the_store_of_another_is_a_gap_and_counts_nothing_twice(
    centre: SmallCentre, tmp_path: Path
) -> None:
    """Both hold what was sent before the older backup. What is sent to that log from now on counts, too."""
    first, second, third = long_history(48, 40), long_history(49, 40), long_history(54, 40)
    older = small_backup(centre, tmp_path / "older", first)
    ingest_all(centre)
    append(centre.broker, second)
    ingest_all(centre)
    newer = tmp_path / "newer"
    manifest = backup.main(settings_of(centre.folder), newer, now=NOW)
    centre.close()
    destroy(centre.folder)
    restore.main(settings_of(centre.folder), newer, now=NOW)
    shutil.copyfile(older / "log.db", centre.folder / "log.db")
    again = open_centre(centre.folder)
    append(again.broker, third)  # before ingest looks
    ends = {(one.topic, one.partition): one.log_end or 0 for one in backup_manifest.read(older).offsets}
    short = {
        (one.topic, one.partition, one.position, ends[one.topic, one.partition])
        for one in manifest.offsets
        if one.position is not None and one.position > ends[one.topic, one.partition]
    }
    ingest_all(again)
    assert_holds(again, [*first, *first, *second, *third])
    with again.store.reading() as connection:
        gaps = connection.exec_driver_sql("SELECT topic, partition, from_offset, to_offset FROM gaps").fetchall()
    assert short
    assert {tuple(gap) for gap in gaps} == short
    again.close()


@pytest.mark.slow
def test_the_commands_say_what_they_did_in_a_few_words(centre: SmallCentre, tmp_path: Path) -> None:
    append(centre.broker, long_history(50, 20))
    ingest_all(centre)
    centre.close()
    settings = settings_of(centre.folder)

    def ioc(*words: str) -> subprocess.CompletedProcess[str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
        return subprocess.run(
            [sys.executable, "-m", "ioc", *words],
            cwd=PROJECT,
            env={**outside, "IOC_DATA": str(settings.data), "IOC_STORE": settings.store},
            capture_output=True,
            text=True,
            check=False,
        )

    saved = ioc("backup", str(tmp_path / "one"))
    assert (saved.returncode, saved.stderr) == (0, "")
    assert f"{tmp_path / 'one'} holds the centre of" in saved.stdout
    refused = ioc("restore", str(tmp_path / "one"))
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "--replace" in refused.stderr
    replaced = ioc("restore", str(tmp_path / "one"), "--replace")
    assert (replaced.returncode, replaced.stderr) == (0, "")
    assert "What stood there before is in" in replaced.stdout
    assert (ioc("restore", str(tmp_path / "two")).returncode, ioc("backup", str(tmp_path / "one")).returncode) == (2, 2)
