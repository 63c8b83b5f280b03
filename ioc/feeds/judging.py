"""Whether a message can be used now: the same judgement at the intake, for its sender, and at ingest, for the log.

It knows the clock, the assets and the limits; what a message says is the feed's own matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from ioc.errors import InvalidMessage
from ioc.feeds.feed import OLDEST, Feed
from ioc.model.facts import OFFICE, CaseReport, Fact, Figure, Measurement
from ioc.model.known_places import KnownIds

MOST_IN_RECORD: Final = 1_000
"""Messages that one record of the log may hold: what is wrong with each of them may become a dead letter."""

_array: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Reason(StrEnum):
    """Why a message could not be used: the kinds of dead letters."""

    UNREADABLE = "unreadable"
    UNKNOWN_ASSET = "unknown_asset"
    UNKNOWN_UNIT = "unknown_unit"
    FUTURE = "future"
    TOO_OLD = "too_old"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused: messages of more bytes, times farther ahead (milliseconds)."""

    message_bytes: int
    future: int


class Unusable(InvalidMessage):
    """A message that cannot be used, with the kind of its dead letter."""

    def __init__(self, kind: Reason, sentence: str, *, rule: str | None = None) -> None:
        super().__init__(sentence, rule=rule)
        self.kind = kind


def messages_of(body: bytes, limits: Limits) -> Sequence[bytes]:
    """The messages of a record of the log: one, or those of a JSON array, unparsed, to be judged one by one.

    An array that cannot be taken apart is one message, which cannot be used. Unusable where there are too many.
    """
    if body[:1] == b"{" or len(body) > limits.message_bytes or body.lstrip(b" \t\r\n")[:1] != b"[":
        return (body,)
    try:
        messages = _array.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return (body,)
    if len(messages) > MOST_IN_RECORD:
        raise Unusable(
            Reason.TOO_LARGE, f"the record holds {len(messages)} messages: at most {MOST_IN_RECORD} are taken"
        )
    return [bytes(one) for one in messages] or (body,)


def judged(feed: Feed, body: bytes, now: int, known: KnownIds, limits: Limits) -> Fact:
    """The fact that a message states; Unusable where it cannot be used. `now` is UTC milliseconds."""
    if len(body) > limits.message_bytes:
        raise Unusable(Reason.TOO_LARGE, f"the message has {len(body)} bytes: at most {limits.message_bytes} are taken")
    try:
        fact = feed.decode(body)
    except InvalidMessage as error:
        raise Unusable(Reason.UNREADABLE, str(error), rule=error.rule) from error
    asset: str | None
    if isinstance(fact, Measurement):  # most of all messages
        newest, oldest, asset = fact.as_of, fact.at, fact.asset
    else:
        newest, oldest, asset = _bounds(fact)
    if newest > now + limits.future:
        raise Unusable(Reason.FUTURE, f"the time lies {(newest - now) // 1000} s ahead: set the sender's clock")
    if oldest < OLDEST:
        raise Unusable(Reason.TOO_OLD, "the time lies before 2000-01-01: nothing that old is kept")
    if asset is not None and (kind := known.kinds.get(asset)) != feed.asset_kind:
        raise _unknown(Reason.UNKNOWN_ASSET, "asset", asset) if kind is None else _other_kind(asset, kind, feed)
    if isinstance(fact, Figure) and fact.unit not in known.units:
        raise _unknown(Reason.UNKNOWN_UNIT, "unit", fact.unit)
    return fact


def _unknown(kind: Reason, what: str, stated: str) -> Unusable:
    advice = f"ask for the list of {what}s"
    return Unusable(
        kind, f"no {what} has the id {stated[:120]!r}: {advice}", rule=f"no {what} has the id that is stated: {advice}"
    )


def _other_kind(asset: str, kind: str, feed: Feed) -> Unusable:
    what = f"an asset of the kind {kind}: this feed speaks of the kind {feed.asset_kind}"
    return Unusable(Reason.UNKNOWN_ASSET, f"{asset[:120]!r} is {what}", rule=f"the asset that is stated is {what}")


def _bounds(fact: CaseReport | Figure) -> tuple[int, int, str | None]:
    """The newest and the oldest time that a fact speaks of as past, and its asset."""
    if isinstance(fact, CaseReport):
        office = fact.fields.get(OFFICE)
        return fact.happened[1], fact.happened[0], office if isinstance(office, str) else None
    return fact.as_of, fact.as_of, None
