"""The audit trail's daily work: its head is written where it can be copied elsewhere, and old entries are forgotten.

A chain alone does not show that its tail was cut off, or that all of it was sealed anew by somebody who may write to
the database. A head that was copied to another machine before does.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ioc import logs
from ioc.errors import StoreError
from ioc.model.access import system_principal
from ioc.model.audit import Head, head_line, read_head
from ioc.operations import audit
from ioc.settings import Settings
from ioc.store.engine import Store

HEADS: Final = "audit-heads.jsonl"
"""The file of the data folder that exported heads are appended to, one line of JSON each."""

_JOBS: Final = system_principal("jobs")
_LONGEST_LINE: Final = 1_000
_PORTIONS: Final = 50
"""Of entries that one run forgets; the next run goes on."""

log = logs.get_logger("ioc.audit")


def export_daily(store: Store, folder: Path, now: datetime) -> bool:
    """Export the head unless it was exported on this day (UTC) already; whether it was."""
    last = _last_line(folder / HEADS)
    if last is not None and datetime.fromtimestamp(last.at / 1000, UTC).date() >= now.astimezone(UTC).date():
        return False
    append_head(folder, audit.head(_JOBS, store, now=now))
    return True


def append_head(folder: Path, head: Head) -> None:
    """Write a head to the end of the file, so that it outlives a power cut, and to the log."""
    try:
        with os.fdopen(os.open(folder / HEADS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
            # After a line that a power cut left half-written.
            is_begun = file.seek(0, os.SEEK_END) > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            file.write(b"\n" * is_begun + head_line(head).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"the head of the audit cannot be written to {folder / HEADS}: {error.strerror}") from error
    log.info("head of the audit", n=head.n, hash=head.hash.hex(), count=head.count)


def exported_heads(file: Path) -> Iterator[Head]:
    """The heads of a file in their order; a line that a power cut left half-written is passed over."""
    with file.open("rb") as lines:
        while line := lines.readline(_LONGEST_LINE):
            if line.strip() and (head := _read(line)) is not None:
                yield head


def forget_old(store: Store, settings: Settings, now: datetime) -> int:
    """Forget entries that are older than the keeping time; how many."""
    dropped = 0
    for _ in range(_PORTIONS):
        portion = audit.forget(_JOBS, store, settings, now=now)
        dropped += portion
        if portion < audit.DROPPED_AT_ONCE:
            break
    return dropped


def _last_line(path: Path) -> Head | None:
    """The last whole line of the file; None where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * _LONGEST_LINE))
            heads = [_read(line) for line in file.read().splitlines()]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    return next((head for head in reversed(heads) if head is not None), None)


def _read(line: bytes) -> Head | None:
    try:
        return read_head(line.decode())
    except (ValueError, json.JSONDecodeError):
        return None
