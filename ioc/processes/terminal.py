"""What commands write to a terminal, and times as they are typed there.

Texts from outside can be anything, also what would move the cursor, recolour a line or run backwards: whatever a
terminal might act upon is written out as an escape.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ioc.errors import BadRequest

LONGEST_CELL: Final = 120
_SPAN: Final = re.compile(r"(\d{1,4})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def harmless(text: str) -> str:
    """The text with everything that a terminal might act upon written out: control, format, unassigned characters."""
    return "".join(char if _is_harmless(char) else char.encode("unicode_escape").decode("ascii") for char in text)


def _is_harmless(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] != "C" and category not in ("Zl", "Zp")


def harmless_lines(body: bytes) -> list[str]:
    """The lines of a message, each behind a mark, so that none of them can pass for a line of ours."""
    return [f"  | {harmless(line)}" for line in body.decode("utf-8", errors="backslashreplace").split("\n")]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines with aligned columns; what is too long for a cell is cut."""
    lines = [tuple(head), *(tuple(_cell(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"


def _cell(text: str) -> str:
    shown = harmless(text)
    return shown if len(shown) <= LONGEST_CELL else f"{shown[: LONGEST_CELL - 1]}…"


def utc(at: int) -> str:
    """UTC milliseconds as date and time."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def moment_of(text: str, now: datetime, *, option: str = "--since") -> datetime:
    """A time, or how long ago: `24h`, `7d`, `90m`."""
    if span := _SPAN.fullmatch(text):
        return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{option} is {text!r}: say a time such as 2026-11-21T08:00+07:00, or 90m, 24h, 7d") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
