"""What `restore` refuses, having changed nothing; and that what stood there before is kept."""

import json
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import text

from ioc.errors import IocError, StoreError, StoreVersionError
from ioc.processes import backup, backup_manifest, restore, setup
from ioc.processes.data_folder import only_run
from ioc.processes.run import HISTORY_DONE
from ioc.settings import Settings
from ioc.store import postgres_copies
from ioc.store.engine import Store
from tests.processes.backups import NOW, append, applied, assert_holds, destroy, ingest_all, settings_of, small_backup
from tests.streams.long_history import long_history
from tests.streams.small_centre import SmallCentre, open_centre

OTHER_STORE = {"sqlite": "postgresql://ioc@127.0.0.1:1/ioc", "postgresql": "sqlite:////tmp/ioc.db"}


@pytest.fixture
def saved(centre: SmallCentre, tmp_path: Path) -> Path:
    """A backup of a centre that is then gone."""
    folder = small_backup(centre, tmp_path / "backup", long_history(61, 30))
    centre.close()
    destroy(centre.folder)
    return folder


def changed(folder: Path, **values: Any) -> None:
    path = folder / backup_manifest.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def assert_refused(settings: Settings, folder: Path, words: str, kind: type[IocError] = StoreError) -> None:
    """Refused in one sentence, with nothing made in the data folder."""
    before = sorted(settings.data.iterdir())
    with pytest.raises(kind, match=words) as refused:
        restore.main(settings, folder, now=NOW)
    assert "\n" not in str(refused.value)
    assert [path for path in sorted(settings.data.iterdir()) if path.name != "run.lock"] == before


def test_a_folder_without_a_manifest(centre: SmallCentre, saved: Path) -> None:
    (saved / "manifest.json").unlink()
    assert_refused(settings_of(centre.folder), saved, r"has no manifest\.json")


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_damaged_manifest(centre: SmallCentre, saved: Path, cut: int) -> None:
    path = saved / "manifest.json"
    path.write_bytes(path.read_bytes()[:cut])
    assert_refused(settings_of(centre.folder), saved, r"manifest\.json is damaged")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink])
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_file(centre: SmallCentre, saved: Path, number: int, damage: Callable[[Path], None]) -> None:
    name = backup_manifest.read(saved).files[number].name
    damage(saved / name)
    assert_refused(settings_of(centre.folder), saved, rf"{name} (is damaged|cannot be read)")


def test_what_a_newer_program_wrote(centre: SmallCentre, saved: Path) -> None:
    changed(saved, tables="9999")
    assert_refused(settings_of(centre.folder), saved, "version 9999.*newer program", StoreVersionError)
    changed(saved, form=2)
    assert_refused(settings_of(centre.folder), saved, "newer program")


def test_a_store_or_broker_of_another_kind(centre: SmallCentre, saved: Path) -> None:
    settings = settings_of(centre.folder)
    other = settings.model_copy(update={"store": OTHER_STORE[backup_manifest.read(saved).store]})
    assert_refused(other, saved, "IOC_STORE")
    assert_refused(settings_of(centre.folder, "kafka://k:9092"), saved, "IOC_BROKER")


def test_a_centre_that_runs(centre: SmallCentre, saved: Path) -> None:
    settings = settings_of(centre.folder)
    with only_run(settings.data), pytest.raises(IocError, match="stop it first"):
        restore.main(settings, saved, now=NOW)


def test_programs_that_use_the_store(centre: SmallCentre, saved: Path) -> None:
    settings = settings_of(centre.folder)
    restore.main(settings, saved, now=NOW)
    running = open_centre(centre.folder)
    with running.store.reading() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(StoreError, match="stop the centre first"):
            restore.main(settings, saved, now=NOW, replace=True)
    running.close()


def test_data_that_stands_there_is_moved_aside_and_can_be_put_back(
    centre: SmallCentre, tmp_path: Path, database: str | None
) -> None:
    history = long_history(62, 60)
    folder = small_backup(centre, tmp_path / "backup", history[:30])
    ingest_all(centre)
    append(centre.broker, history[30:])
    ingest_all(centre)
    now_applied = applied(centre)
    centre.close()
    settings = settings_of(centre.folder)
    assert_refused(settings, folder, "there is data already: .*log.* and .*store.* --replace")

    restored = restore.main(settings, folder, now=NOW, replace=True)
    again = open_centre(centre.folder)
    assert applied(again) == 30 < now_applied
    ingest_all(again)
    assert_holds(again, [*history[:30], *history[:30]])
    again.close()

    name = "before_restore_20250703t170000"
    aside = centre.folder / name
    assert stat.S_IMODE(aside.stat().st_mode) == 0o700
    if database is None:
        assert restored.aside == (str(aside),)
        with closing(sqlite3.connect(aside / "ioc.db")) as before:
            assert before.execute("SELECT sum(next_offset) FROM positions").fetchone() == (now_applied,)
    else:
        assert restored.aside == (str(aside), f"the schema {name} of the same database")
        store = Store.open(settings.store)
        with store.reading() as connection:
            assert connection.execute(text(f"SELECT sum(next_offset) FROM {name}.positions")).scalar() == now_applied
        store.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_damaged_store_is_moved_aside_too(centre: SmallCentre, saved: Path) -> None:
    settings = settings_of(centre.folder)
    (centre.folder / "ioc.db").write_bytes(b"not a database" * 1_000)
    restored = restore.main(settings, saved, now=NOW, replace=True)
    (aside,) = restored.aside
    assert (Path(aside) / "ioc.db").read_bytes().startswith(b"not a database")
    again = open_centre(centre.folder)
    ingest_all(again)
    again.close()


def test_a_trial_does_not_send_its_past_again(centre: SmallCentre, tmp_path: Path) -> None:
    (centre.folder / HISTORY_DONE).write_text("2026-11-22T00:00:00+00:00\n")
    (centre.folder / "simulators.key").write_text("secret")
    backup.main(settings_of(centre.folder), tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup" / "simulators.key").exists()
    centre.close()
    destroy(centre.folder)
    (centre.folder / HISTORY_DONE).unlink()
    restore.main(settings_of(centre.folder), tmp_path / "backup", now=NOW)
    assert (centre.folder / HISTORY_DONE).read_text() == "2026-11-22T00:00:00+00:00\n"


def test_it_says_what_is_left_to_ingest_and_to_setup(centre: SmallCentre, saved: Path) -> None:
    settings = settings_of(centre.folder)
    restored = restore.main(settings, saved, now=NOW)
    words = restore.told(restored, settings)
    beyond = sum(one.beyond for one in restored.manifest.offsets)
    assert beyond
    assert f"{beyond} records that its store lacks" in words
    assert "setup" not in words
    older = replace(restored, manifest=structs.replace(restored.manifest, tables="0001"))
    assert "run `python -m ioc setup` now" in restore.told(older, settings)


def test_an_unfinished_restore_stops_setup(tmp_path: Path) -> None:
    """Else ingest would apply the restored log to a new, empty store."""
    (tmp_path / restore.UNFINISHED).write_text("putting in place x\n")
    with pytest.raises(StoreError, match="was not finished"):
        setup.main(Settings.load({"IOC_DATA": str(tmp_path)}, folder=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [restore.UNFINISHED]


# --- PostgreSQL's programs ---------------------------------------------------------------------------------------


def programs(folder: Path, version: str) -> Path:
    """A folder with a pg_dump that says it is of some version."""
    folder.mkdir()
    program = folder / "pg_dump"
    program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    program.chmod(0o755)
    return folder


def test_the_program_of_the_servers_version_is_taken(tmp_path: Path) -> None:
    folders = [programs(tmp_path / version, version) for version in ("14.9", "15.18", "17.2")]
    found = {server: postgres_copies.find_program("pg_dump", server, folders) for server in (14, 15, 16, 17)}
    assert {server: path.parent.name for server, path in found.items()} == {
        14: "14.9", 15: "15.18", 16: "17.2", 17: "17.2"
    }  # fmt: skip


@pytest.mark.parametrize("versions", [[], ["14.9"]])
def test_without_a_program_that_fits_it_is_said_what_to_install(tmp_path: Path, versions: list[str]) -> None:
    folders = [tmp_path / "none", *(programs(tmp_path / version, version) for version in versions)]
    with pytest.raises(StoreError, match=r"pg_dump of PostgreSQL 15 .* install .* postgresql-client-15") as refused:
        postgres_copies.find_program("pg_dump", 15, folders)
    assert "\n" not in str(refused.value)


def test_no_password_is_an_argument_of_a_program(tmp_path: Path) -> None:
    """A pg_dump that writes down how it was called."""
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\necho "$PGPASSWORD" > {tmp_path}/password\n')
    program.chmod(0o755)
    store = Store.open("postgresql+psycopg://ioc:hunter2@db.example:5433/ioc?sslmode=require")
    postgres_copies._run(store, str(program), "--format=custom")
    store.close()
    arguments = (tmp_path / "arguments").read_text()
    assert "hunter2" not in arguments
    assert all(word in arguments for word in ("db.example", "5433", "sslmode=require", "user=ioc"))
    assert (tmp_path / "password").read_text() == "hunter2\n"
