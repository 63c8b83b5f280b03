"""`python -m ioc audit list | verify | hold | release`: the audit trail, for the administrator's terminal.

`verify` holds the trail against the heads in the data folder, or against a copy of them that stood elsewhere, which
whoever may write here could not reach. It ends with 1 where the trail does not hold.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO, TypeVar

from ioc.errors import BadRequest
from ioc.jobs.audit import HEADS, exported_heads
from ioc.model.access import system_principal
from ioc.model.audit import Entry
from ioc.operations import audit as operations
from ioc.operations.audit_verification import Verdict, verify
from ioc.operations.places import Province, milliseconds
from ioc.processes.terminal import moment_of, table, utc
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.audit import Hold, Wanted
from ioc.store.engine import Store

_SHELL: Final = system_principal("shell")
_T = TypeVar("_T")

_ENTRY_HEAD: Final = ("n", "time (UTC)", "who", "what", "on", "centres", "from", "details")
_HOLD_HEAD: Final = ("name", "from (UTC)", "set (UTC)", "by", "released (UTC)", "reason")


@dataclass(frozen=True, slots=True)
class Filter:
    """The options of `list`, as they were typed."""

    who: str | None = None
    act: str | None = None
    on: str | None = None
    address: str | None = None
    since: str | None = None

    def wanted(self, now: datetime) -> Wanted:
        since = None if self.since is None else milliseconds(moment_of(self.since, now))
        return Wanted(who=self.who, act=self.act, id=self.on, address=self.address, since=since)


def list_entries(settings: Settings, chosen: Filter, limit: int, out: TextIO = sys.stdout) -> int:
    """The newest entries, the newest first."""
    now = _now()
    wanted = chosen.wanted(now)
    found = _with_store(
        settings,
        lambda store: operations.search(_SHELL, Province(store, settings), wanted, now=now, limit=limit),
    )
    if not found.entries:
        out.write("There are no such entries.\n")
        return 0
    out.writelines(table(_ENTRY_HEAD, map(_entry_cells, found.entries)))
    return 0


def verify_trail(settings: Settings, copies: Sequence[Path], out: TextIO = sys.stdout) -> int:
    """Say whether the trail holds; 0 if it does, else 1. Without copies, against the heads of the data folder."""
    if missing := [path for path in copies if not path.is_file()]:
        raise BadRequest(f"There is no file {missing[0]}: name a copy of {HEADS}.")
    own = settings.data / HEADS
    files = list(copies) or ([own] if own.is_file() else [])
    heads = [head for path in files for head in exported_heads(path)]
    verdict = _with_store(settings, lambda store: verify(_SHELL, store, heads))
    out.writelines(f"{line}\n" for line in _told(verdict, files))
    return 0 if verdict.broken is None else 1


def hold(settings: Settings, name: str, reason: str, start: str | None, out: TextIO = sys.stdout) -> int:
    now = _now()
    begins = None if start is None else moment_of(start, now, option="--from")
    made = _with_store(
        settings,
        lambda store: operations.set_hold(_SHELL, store, name=name, reason=reason, since=begins, now=now),
    )
    of_what = "everything" if not made.since else f"what is from {utc(made.since)} UTC on"
    out.write(f"The hold {name} keeps {of_what}; `python -m ioc audit release {name}` ends it.\n")
    return 0


def list_holds(settings: Settings, out: TextIO = sys.stdout) -> int:
    holds = _with_store(settings, lambda store: operations.list_holds(_SHELL, store))
    if not holds:
        out.write("There are no legal holds.\n")
        return 0
    out.writelines(table(_HOLD_HEAD, map(_hold_cells, holds)))
    return 0


def release(settings: Settings, name: str, out: TextIO = sys.stdout) -> int:
    _with_store(settings, lambda store: operations.release_hold(_SHELL, store, name=name, now=_now()))
    out.write(f"The hold {name} is released: what is old enough is forgotten within the hour.\n")
    return 0


def _entry_cells(entry: Entry) -> tuple[str, ...]:
    about = f"{entry.kind} {entry.id}".strip()
    centres = ", ".join(filter(None, entry.centres.split(",")))
    details = "" if entry.details == "{}" else entry.details
    return (
        str(entry.n),
        utc(entry.at),
        entry.who,
        entry.act,
        about,
        " ".join(filter(None, (centres, entry.unit))),
        entry.address,
        details,
    )


def _hold_cells(one: Hold) -> tuple[str, ...]:
    released = "" if one.released_at is None else f"{utc(one.released_at)} by {one.released_by}"
    return (one.name, utc(one.since) if one.since else "all", utc(one.set_at), one.set_by, released, one.reason)


def _told(verdict: Verdict, files: Sequence[Path]) -> list[str]:
    lines = list(verdict.notes)
    if verdict.broken is not None:
        lines.append(f"The trail does not hold at entry {verdict.broken.n}: {verdict.broken.words}.")
        return lines
    entries = f"{verdict.count:,} entries ({verdict.first} to {verdict.last})" if verdict.count else "no entry yet"
    lines.append(f"The trail holds: {entries}, {verdict.heads} exported heads fit.")
    if not files:
        lines.append("Nothing was exported yet: a tail that was cut off together with the head would not be seen.")
    return lines


def _with_store(settings: Settings, act: Callable[[Store], _T]) -> _T:
    with closing(Store.open(settings.store)) as store:
        migrations.require_current(store)
        return act(store)


def _now() -> datetime:
    return datetime.now(UTC)
