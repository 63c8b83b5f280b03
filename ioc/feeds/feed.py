"""What a feed is: one domain in one file — its topic, its message, how a message becomes facts, what its series mean.

Decoding is pure and strict. A message that does not fit raises InvalidMessage with a sentence for its sender;
nothing else may come out of `Feed.decode`, whatever bytes go in.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from ioc.errors import InvalidMessage
from ioc.model.facts import Case, CaseTimes, Fact
from ioc.model.series import Kpi, Series, Text
from ioc.model.windows import MINUTE, SECOND

OLDEST: Final = 946_684_800_000
"""2000-01-01 UTC: the day level is kept for ever, and nothing older is a reading of ours."""

LONGEST_TIME: Final = 64
"""Characters of a time: fractions of any length are valid, and what was read is remembered."""

_NUL: Final = (b"\x00", b"\\u0000")


@dataclass(frozen=True, slots=True)
class CaseRules:
    """What the states of a feed's cases mean; both are pure functions of the merged state.

    `transitions` are (series, UTC ms) pairs: each counts one at that time. Ingest adds what is new and takes back
    what no longer holds, so the order of arrival does not matter.
    """

    times: Callable[[Case], CaseTimes]
    transitions: Callable[[Case], tuple[tuple[Series, int], ...]]
    open: Series
    overdue: Series


@dataclass(frozen=True)
class Feed:
    """One declared domain.

    `read` turns a decoded message into a fact, `key` gives what orders messages in the log (the asset, the case).
    `asset_kind` is the kind of asset that the feed speaks of. `personal_fields` never reach the broker.
    """

    id: str
    title: Text
    topic: str
    asset_kind: str
    message: type[msgspec.Struct]
    read: Callable[[Any], Fact]
    key: Callable[[Fact], str]
    series: tuple[Series, ...]
    kpis: tuple[Kpi, ...]
    personal_fields: frozenset[str] = frozenset()
    case: CaseRules | None = None
    _decoder: msgspec.json.Decoder[Any] = field(init=False, repr=False, compare=False)

    @property
    def dead_letter_topic(self) -> str:
        """Where it is told, without content, which messages of the feed could not be used."""
        return f"{self.topic}.dlq"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_decoder", msgspec.json.Decoder(self.message))

    @property
    def late_after(self) -> int:
        """Milliseconds: what is older than this when it arrives is told of the past, not of now.

        What a feed sends in its own rhythm is never late; a back-fill of the last minutes is a short one.
        """
        usual = self.series[0]
        return max(15 * MINUTE, (usual.period + usual.delay) * SECOND)

    def decode(self, body: bytes) -> Fact:
        """The fact that a message states; InvalidMessage for every other sequence of bytes."""
        try:
            message = self._decoder.decode(body)
        except RecursionError as error:
            raise InvalidMessage("the message is nested too deeply") from error
        except UnicodeDecodeError as error:
            raise InvalidMessage(f"the message is not UTF-8 (byte {error.start})") from error
        except msgspec.MsgspecError as error:
            sentence = str(error)[:300].replace("\x00", "\\u0000")
            raise InvalidMessage(sentence, rule=_without_quotes(str(error))) from error
        if (_NUL[0] in body or _NUL[1] in body) and _has_nul(msgspec.to_builtins(message)):
            raise InvalidMessage("a text holds the character U+0000, which no database keeps: leave it out")
        return self.read(message)


_QUOTING: Final = re.compile(
    r"(?P<what>Invalid (?:enum )?value) .*?(?P<where> - at `(?:key in )?\$[\w.\[\]]*`)?", re.DOTALL
)


def _without_quotes(sentence: str) -> str:
    """What msgspec says of a message, without what it quotes of it; names of declared fields stay."""
    quoting = _QUOTING.fullmatch(sentence)
    return sentence if quoting is None else quoting["what"] + (quoting["where"] or "")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple) and any(map(_has_nul, value))


@lru_cache(maxsize=8192)
def milliseconds(text: str) -> int:
    """UTC milliseconds of an ISO 8601 time; without a zone it is UTC, as the Smart Data Models say."""
    try:
        if len(text) > LONGEST_TIME:
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        what = "is not an ISO 8601 time such as 2026-11-21T08:30:00+07:00"
        raise InvalidMessage(f"{text[:40]!r} {what}", rule=f"a time {what}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return milliseconds_of(moment)


def milliseconds_of(moment: datetime) -> int:
    """UTC milliseconds of an aware time; InvalidMessage where the calendar ends."""
    try:
        return round(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        what = "is outside the calendar that can be kept"
        raise InvalidMessage(f"{moment.isoformat()} {what}", rule=f"a time {what}") from None
