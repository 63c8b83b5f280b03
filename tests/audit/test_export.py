"""The head of the trail is exported once a day, to a file that only its owner reads and that outlives what breaks."""

import io
import json
import logging
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from ioc import logs
from ioc.errors import StoreError
from ioc.jobs.audit import HEADS, append_head, export_daily, exported_heads
from ioc.model.audit import Head
from ioc.operations import audit
from ioc.operations.audit_verification import verify
from ioc.processes.jobs import jobs_of
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, fill, ms, numbers
from tests.processes.backups import settings_of
from tests.streams.small_centre import SmallCentre


@pytest.fixture
def log_text() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("test", form="json", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_the_head_is_exported_once_a_day(store: Store, tmp_path: Path) -> None:
    fill(store, 3)
    assert export_daily(store, tmp_path, NOW)
    assert not export_daily(store, tmp_path, NOW + timedelta(hours=18, minutes=59))
    fill(store, 2)
    assert export_daily(store, tmp_path, NOW + timedelta(hours=19))
    heads = list(exported_heads(tmp_path / HEADS))
    assert [(head.n, head.count, head.at) for head in heads] == [
        (3, 3, ms(NOW)),
        (5, 5, ms(NOW + timedelta(hours=19))),
    ]
    assert verify(SHELL, store, heads).heads == 2


def test_the_file_is_its_owners_and_only_grows(store: Store, tmp_path: Path) -> None:
    fill(store, 1)
    append_head(tmp_path, audit.head(SHELL, store, now=NOW))
    first = (tmp_path / HEADS).read_bytes()
    append_head(tmp_path, audit.head(SHELL, store, now=NOW))
    assert stat.S_IMODE((tmp_path / HEADS).stat().st_mode) == 0o600
    assert (tmp_path / HEADS).read_bytes() == first * 2


def test_a_line_is_json_that_others_can_read(store: Store, tmp_path: Path) -> None:
    fill(store, 1)
    export_daily(store, tmp_path, NOW)
    line = json.loads((tmp_path / HEADS).read_text())
    assert line == {"n": 1, "hash": audit.head(SHELL, store, now=NOW).hash.hex(), "at": ms(NOW), "count": 1}


def test_a_line_that_a_power_cut_left_half_written_costs_itself_only(store: Store, tmp_path: Path) -> None:
    fill(store, 1)
    export_daily(store, tmp_path, NOW)
    whole = (tmp_path / HEADS).read_bytes()
    (tmp_path / HEADS).write_bytes(whole + whole[:40])
    assert not export_daily(store, tmp_path, NOW)
    assert export_daily(store, tmp_path, NOW + timedelta(days=1))
    assert [head.at for head in exported_heads(tmp_path / HEADS)] == [ms(NOW), ms(NOW + timedelta(days=1))]


def test_a_file_of_other_things_is_no_head_at_all(tmp_path: Path) -> None:
    (tmp_path / HEADS).write_bytes(b"\xff\xfe\n[]\n{}\n\n" + b"x" * 5_000 + b"\n")
    assert list(exported_heads(tmp_path / HEADS)) == []


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        append_head(tmp_path / "nowhere", Head(1, bytes(32), 1, 1))


def test_the_head_goes_to_the_log_as_well(store: Store, tmp_path: Path, log_text: io.StringIO) -> None:
    fill(store, 2)
    export_daily(store, tmp_path, NOW)
    line = json.loads(log_text.getvalue())
    assert (line["event"], line["n"]) == ("head of the audit", 2)
    assert line["hash"] == audit.head(SHELL, store, now=NOW).hash.hex()


def test_the_job_exports_and_forgets(centre: SmallCentre) -> None:
    settings, later = settings_of(centre.folder), ms(NOW + timedelta(days=800))
    fill(centre.store, 4)
    (job,) = [job for job in jobs_of(settings, centre.store, centre.broker, lambda: later) if job.id == "audit"]
    job.run()
    heads = list(exported_heads(centre.folder / HEADS))
    assert [head.n for head in heads] == [4]
    assert verify(SHELL, centre.store, heads).broken is None
    assert numbers(centre.store) == [5]
