"""`python -m ioc dead-letters list | show | replay`: what could not be used, for the administrator's terminal.

What a message holds can be anything: it is shown as `terminal.py` says. `list` shows no bytes.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TextIO, TypeVar

from ioc.broker.open import open_broker
from ioc.errors import BadRequest
from ioc.model.access import system_principal
from ioc.model.origins import Origin
from ioc.operations import dead_letters as operations
from ioc.operations.dead_letters import AT_ONCE, Choices
from ioc.operations.intake import Intake
from ioc.operations.places import Province, milliseconds
from ioc.processes.terminal import harmless, harmless_lines, moment_of, table, utc
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.dead_letter_reading import CountRow, KeptLetter, LetterRow, Wanted
from ioc.store.engine import Store

_SHELL: Final = system_principal("shell")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Filter:
    """The options that `list` and `replay --all` share, as they were typed."""

    feed: str | None = None
    source: str | None = None
    kind: str | None = None
    since: str | None = None

    def wanted(self, now: datetime) -> Wanted:
        since = None if self.since is None else milliseconds(moment_of(self.since, now))
        return Wanted(self.feed, self.source, self.kind, since)


def list_letters(settings: Settings, chosen: Filter, limit: int, out: TextIO = sys.stdout) -> int:
    wanted = chosen.wanted(_now())
    found = _with_store(settings, lambda store: operations.list_letters(_SHELL, store, wanted, limit=limit))
    if not found.letters:
        out.write("There are no such dead letters.\n")
    else:
        out.writelines(table(_LETTER_HEAD, map(_letter_cells, found.letters)))
    if found.crowded:
        out.write("\nHours of which more came than are kept:\n")
        out.writelines(table(_HOUR_HEAD, map(_hour_cells, found.crowded)))
    return 0


def show_letter(settings: Settings, letter: int, out: TextIO = sys.stdout) -> int:
    found = _with_store(settings, lambda store: operations.show_letter(_SHELL, store, letter, now=_now()))
    out.writelines(f"{line}\n" for line in _described(found))
    return 0


def replay(
    settings: Settings, letters: Sequence[int], chosen: Filter | None, choices: Choices, out: TextIO = sys.stdout
) -> int:
    """Send these letters again, or all that the filter finds; 0 if all were sent, 1 if some are left as they are."""
    if bool(letters) == (chosen is not None):
        raise BadRequest("Say which letters: some ids, or --all with the filters of `list`.")
    store = Store.open(settings.store)
    try:
        migrations.require_current(store)
        broker = open_broker(settings)
        try:
            intake = Intake(Province(store, settings), broker)
            if chosen is not None:
                letters = operations.waiting_letters(_SHELL, store, chosen.wanted(_now()))
            return _replay(intake, letters, choices, out)
        finally:
            broker.close()
    finally:
        store.close()


def _replay(intake: Intake, letters: Sequence[int], choices: Choices, out: TextIO) -> int:
    sent = 0
    would = "would be " if choices.dry_run else ""
    for first in range(0, len(letters), AT_ONCE):
        for one in operations.replay(_SHELL, intake, letters[first : first + AT_ONCE], now=_now(), choices=choices):
            sent += one.is_sent
            out.write(f"{one.id}: {would}{'sent' if one.is_sent else 'left'}: {harmless(one.words)}\n")
    left = len(letters) - sent
    out.write(f"{would}sent: {sent:,}, {would}left: {left:,}.\n".capitalize())
    return 1 if left else 0


# --- for the terminal ------------------------------------------------------------------------------------------


_LETTER_HEAD: Final = (
    "id",
    "arrived (UTC)",
    "feed",
    "source",
    "origin",
    "kind",
    "bytes",
    "in the log",
    "sent again",
    "reason",
)
_HOUR_HEAD: Final = ("hour (UTC)", "feed", "source", "kind", "came", "kept", "offsets")


def _letter_cells(row: LetterRow) -> tuple[str, ...]:
    return (
        str(row.id),
        utc(row.at),
        row.feed,
        row.source,
        Origin(row.origin).slug,
        row.kind,
        "?" if row.size is None else f"{row.size:,}",
        _position(row) or "no: intake",
        _replayed(row),
        row.reason,
    )


def _hour_cells(row: CountRow) -> tuple[str, ...]:
    offsets = "" if row.first_offset is None else f"{row.first_offset} to {row.last_offset}"
    return (utc(row.hour), row.feed, row.source, row.kind, f"{row.count:,}", f"{row.kept:,}", offsets)


def _described(letter: KeptLetter) -> Iterator[str]:
    row = letter.row
    about = {
        "feed": row.feed,
        "source": row.source,
        "origin": Origin(row.origin).slug,
        "kind": row.kind,
        "reason": row.reason,
        "arrived": f"{utc(row.at)} UTC",
        "in the log": (_position(row) or "no: the intake refused it") + _element(row),
        "key": _key(letter),
        "sent again": _replayed(row),
        "message": _size(row),
    }
    yield f"Dead letter {row.id}"
    for name, text in about.items():
        yield f"  {name:<12}{harmless(text)}"
    yield from harmless_lines(letter.body)


def _size(row: LetterRow) -> str:
    if row.is_whole:
        return f"{row.kept:,} bytes"
    whole = "it is not known of how many" if row.size is None else f"of {row.size:,}"
    return f"cut: the first {row.kept:,} bytes are kept, {whole}"


def _key(letter: KeptLetter) -> str:
    if letter.key is None:
        return "none yet" if letter.row.topic is None else "not known"
    return letter.key.decode("utf-8", errors="backslashreplace")


def _position(row: LetterRow) -> str:
    return "" if row.topic is None else f"{row.topic}[{row.partition}] {row.offset}"


def _element(row: LetterRow) -> str:
    return "" if row.element is None else f", message {row.element} of its array (from 0)"


def _replayed(row: LetterRow) -> str:
    if row.replayed_at is not None:
        return utc(row.replayed_at)
    return "no" if row.replay_begun_at is None else "broken off"


def _with_store(settings: Settings, act: Callable[[Store], _T]) -> _T:
    store = Store.open(settings.store)
    try:
        migrations.require_current(store)
        return act(store)
    finally:
        store.close()


def _now() -> datetime:
    return datetime.now(UTC)
