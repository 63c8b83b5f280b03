"""The trail goes along with a backup; a restore takes it back, says so, and it verifies against heads from before."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ioc.errors import StoreError
from ioc.jobs.audit import HEADS, append_head, exported_heads
from ioc.model.audit import read_details
from ioc.operations import audit
from ioc.operations.audit_verification import verify
from ioc.processes import backup, restore
from ioc.store import audit as rows
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, add, fill, ms, numbers, said, tamper
from tests.processes.backups import append, destroy, settings_of
from tests.streams.long_history import long_history
from tests.streams.small_centre import SmallCentre

LATER = NOW + timedelta(days=2)


@pytest.fixture
def restored(centre: SmallCentre, tmp_path: Path) -> SmallCentre:
    """A centre of which entries 1 to 3 are in the backup, 4 to 6 were lost with what stood there, 4 is the restore."""
    settings = settings_of(centre.folder)
    append(centre.broker, long_history(7, 5))
    centre.ingest().step(ms(NOW))
    fill(centre.store, 3)
    append_head(settings.data, audit.head(SHELL, centre.store, now=NOW))
    backup.main(settings, tmp_path / "backup", now=NOW)
    fill(centre.store, 3, at=NOW + timedelta(days=1))
    append_head(settings.data, audit.head(SHELL, centre.store, now=NOW + timedelta(days=1)))
    centre.close()
    destroy(centre.folder)
    restore.main(settings, tmp_path / "backup", now=LATER)
    return centre


def test_the_trail_goes_along_and_the_restore_is_an_entry(restored: SmallCentre) -> None:
    settings = settings_of(restored.folder)
    with closing(Store.open(settings.store)) as store:
        with store.reading() as connection:
            entries = list(rows.entries_in_order(connection))
        assert [entry.n for entry in entries] == [1, 2, 3, 4]
        assert (entries[-1].act, entries[-1].who) == ("restored", "system:restore")
        assert read_details(entries[-1]) == {"made_at": ms(NOW)}


def test_heads_that_were_lost_with_it_are_told_and_are_no_break(restored: SmallCentre) -> None:
    settings = settings_of(restored.folder)
    heads = list(exported_heads(settings.data / HEADS))
    assert [(head.n, head.is_restored) for head in heads] == [(3, False), (6, False), (4, True)]
    with closing(Store.open(settings.store)) as store:
        add(store, *map(said, range(5)), at=LATER)
        verdict = verify(SHELL, store, heads)
        assert (verdict.broken, verdict.heads) == (None, 2)
        assert verdict.notes == (
            "entry 6, exported 2026-11-21 05:00:00 UTC, was lost with the restore of 2026-11-22 05:00:00 UTC",
        )


def test_a_restore_that_the_trail_does_not_know_excuses_nothing(restored: SmallCentre) -> None:
    """Somebody cuts the tail off, and writes a line that calls it a restore."""
    settings = settings_of(restored.folder)
    with closing(Store.open(settings.store)) as store:
        add(store, *map(said, range(5)), at=LATER)
        append_head(settings.data, audit.head(SHELL, store, now=LATER))
        tamper(
            store,
            "DELETE FROM audit_entries WHERE n > 6",
            "UPDATE audit_head SET n = 6, hash = (SELECT hash FROM audit_entries WHERE n = 6)",
        )
        forged = json.dumps({"n": 6, "hash": _hash_of(store, 6), "at": ms(LATER), "count": 6, "restored": True})
        with (settings.data / HEADS).open("a", encoding="ascii") as file:
            file.write(forged + "\n")
        broken = verify(SHELL, store, exported_heads(settings.data / HEADS)).broken
    assert broken is not None
    assert (broken.n, broken.words) == (6, "a restore was exported as entry 6, which speaks of none")


def _hash_of(store: Store, n: int) -> str:
    with store.reading() as connection:
        return next(entry.hash.hex() for entry in rows.entries_in_order(connection) if entry.n == n)


def test_the_restored_database_guards_the_trail_as_before(restored: SmallCentre) -> None:
    with closing(Store.open(settings_of(restored.folder).store)) as store:
        for statement in ("DELETE FROM audit_entries", "UPDATE audit_entries SET who = 'p-x'"):
            with pytest.raises(StoreError), store.writing() as connection:
                connection.exec_driver_sql(statement)
        assert numbers(store) == [1, 2, 3, 4]
