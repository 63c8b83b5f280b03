"""Records of the log become facts, dead letters and heartbeats: pure, one pass, nothing escapes.

A record is one message, or a JSON array of several, which are judged one by one. A message that cannot be used costs
one dead letter and never the batch. A record that was applied before (same source, batch id and partition, an index at
or below the last one) is a duplicate: dropped and counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Partition, Received
from ioc.feeds.feed import Feed
from ioc.feeds.judging import Limits, Reason, Unusable, judged, messages_of
from ioc.model.facts import CaseReport, Figure, Measurement
from ioc.model.known_places import KnownIds
from ioc.model.origins import Origin
from ioc.model.windows import MINUTE
from ioc.store.dead_letters import DeadLetter
from ioc.store.streams import BatchKey, Heartbeat
from ioc.streams.senders import LONGEST_NAME, is_name

_ORIGINS: Final = {str(int(origin)): int(origin) for origin in Origin}
_LIVE: Final = str(int(Origin.LIVE))
_DIGITS: Final = 19  # of the largest number that the store keeps
_LONGEST_KEY: Final = 1024  # bytes: the longest id that a feed takes has 256 characters


@dataclass(frozen=True, slots=True)
class Numbered:
    """What decoding needs: the ids that may be named, their numbers, and those of all places ever numbered."""

    ids: KnownIds
    assets: Mapping[str, int]
    series: Mapping[str, int]
    places: Mapping[str, int]


@dataclass(slots=True)
class Decoded:
    """What one batch of records says.

    `readings` holds flat rows (series, asset, origin, at, as_of, value, weight); `cases` and `figures` go with
    feed and origin. `indexes` are the last applied index of each batch id, `new_batches` those that were not known.
    """

    readings: list[int] = field(default_factory=list)
    cases: list[tuple[str, int, CaseReport]] = field(default_factory=list)
    figures: list[tuple[int, Figure]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    indexes: dict[BatchKey, int] = field(default_factory=dict)
    new_batches: list[BatchKey] = field(default_factory=list)
    newest_event: int = 0


class _Beat:
    """Counts of one (source, feed, origin, minute) while a batch is decoded."""

    __slots__ = ("accepted", "duplicate", "lag", "last_event_at", "last_message_at", "late", "rejected")

    def __init__(self) -> None:
        self.accepted = self.rejected = self.duplicate = self.late = self.lag = 0
        self.last_message_at = self.last_event_at = 0


class _Stated:
    """What headers say that many records share: who sent them, in which batch, and what is wrong with that."""

    __slots__ = ("beats", "fault", "key", "origin", "source")

    def __init__(self, headers: Mapping[str, str], partition: Partition, names: Mapping[str, str]) -> None:
        sender, batch = _sender(headers, partition, names), headers.get(BATCH)
        self.source = names.get(sender, sender)
        self.origin = _ORIGINS.get(headers.get(ORIGIN, _LIVE), Origin.LIVE)
        # Many senders may share one name, but no batch.
        is_kept = batch is not None and is_name(batch)
        self.key = (sender, str(batch), partition.topic, partition.number) if is_kept else None
        self.fault = _fault(headers, names)
        self.beats: dict[int, _Beat] = {}


def stated_sources(records: Iterable[Received]) -> dict[str, None]:
    """Who sent the records by what their headers say, in order: what must be named before they are decoded."""
    stated: dict[str, None] = dict.fromkeys([record.headers.get(SOURCE, "") for record in records])
    stated.pop("", None)
    return stated


def batch_keys(partition: Partition, records: Iterable[Received], names: Mapping[str, str]) -> set[BatchKey]:
    """The batch ids that stand in the records: what must be known before they are decoded."""
    stated = {(record.headers.get(SOURCE, ""), record.headers[BATCH]) for record in records if BATCH in record.headers}
    return {
        (_sender({SOURCE: source}, partition, names), batch, partition.topic, partition.number)
        for source, batch in stated
        if is_name(batch)
    }


def _sender(headers: Mapping[str, str], partition: Partition, names: Mapping[str, str]) -> str:
    """Who sent a record; what says nothing of its sender, or nothing that can be kept, is known by the topic."""
    stated = headers.get(SOURCE, "")
    return stated if stated in names else f"topic:{partition.topic}"


def decode(
    feed: Feed,
    partition: Partition,
    records: Iterable[Received],
    applied: Mapping[BatchKey, int],
    numbered: Numbered,
    limits: Limits,
    names: Mapping[str, str],
) -> Decoded:
    """What the records of one partition say. The clock is each record's own time of append.

    `names` are the senders' by what the headers state (`Senders.names`).
    """
    said = Decoded(indexes=dict(applied))
    indexes = said.indexes
    known: dict[tuple[str | None, ...], _Stated] = {}
    beats: dict[tuple[str, int, int], _Beat] = {}
    late_after = feed.late_after
    for record in records:
        headers = record.headers
        shared = (headers.get(SOURCE), headers.get(ORIGIN), headers.get(BATCH))
        if (stated := known.get(shared)) is None:
            stated = known[shared] = _Stated(headers, partition, names)
        arrived = record.time
        minute = arrived // MINUTE
        if (beat := stated.beats.get(minute)) is None:  # several batches may share it
            shared_key = (stated.source, stated.origin, minute * MINUTE)
            beat = stated.beats[minute] = beats.setdefault(shared_key, _Beat())
        if arrived > beat.last_message_at:
            beat.last_message_at = arrived
        key, index = stated.key, _index(headers)
        if key is not None and index is not None:
            last = indexes.get(key)
            if last is None:
                said.new_batches.append(key)
            elif index <= last:
                beat.duplicate += 1
                continue
            indexes[key] = index
        try:
            if stated.fault is not None or index is None:
                _refuse(stated, headers)
            messages = messages_of(record.value, limits)
        except Unusable as unusable:
            beat.rejected += 1
            said.letters.append(_letter(feed, partition, record, record.value, stated, unusable))
            continue
        for element, message in enumerate(messages):
            try:
                event = _add(said, feed, stated.origin, message, arrived, numbered, limits)
            except Unusable as unusable:
                beat.rejected += 1
                said.letters.append(_letter(feed, partition, record, message, stated, unusable, element))
                continue
            beat.accepted += 1
            lag = record.time - event
            if lag > late_after:
                beat.late += 1
            elif lag > 0:
                beat.lag += lag
            if event > beat.last_event_at:
                beat.last_event_at = event
    said.newest_event = max((beat.last_event_at for beat in beats.values()), default=0)
    said.heartbeats = [
        Heartbeat(
            source,
            feed.id,
            origin,
            minute,
            beat.accepted,
            beat.rejected,
            beat.duplicate,
            beat.lag,
            beat.last_message_at,
            beat.last_event_at,
            beat.late,
        )
        for (source, origin, minute), beat in beats.items()
    ]
    return said


def _index(headers: Mapping[str, str]) -> int | None:
    """The record's index in its batch; None where the header holds no number that can be kept."""
    text = headers.get(INDEX, "0")
    return int(text) if text.isdecimal() and len(text) < _DIGITS else None


def _fault(headers: Mapping[str, str], names: Mapping[str, str]) -> str | None:
    """What is wrong where a producer other than the intake wrote headers that say nothing, or that cannot be kept."""
    if headers.get(SOURCE) and headers[SOURCE] not in names:
        return f"the header source is no name: send one line of {LONGEST_NAME} characters"
    if BATCH in headers and not is_name(headers[BATCH]):
        return f"the header batch is no name: send one line of {LONGEST_NAME} characters"
    if headers.get(ORIGIN, _LIVE) not in _ORIGINS:
        return "the header origin is none that is known: send an origin's number"
    return None


def _refuse(stated: _Stated, headers: Mapping[str, str]) -> None:
    """Unusable where the headers are wrong; an index means nothing without a batch."""
    if stated.fault is not None:
        raise Unusable(Reason.UNREADABLE, stated.fault)
    if BATCH in headers:
        raise Unusable(Reason.UNREADABLE, "the header index is no number that can be kept: send a number from 0")


def _add(
    said: Decoded, feed: Feed, origin: int, message: bytes, arrived: int, numbered: Numbered, limits: Limits
) -> int:
    """Take in one message; its event time."""
    fact = judged(feed, message, arrived, numbered.ids, limits)
    if isinstance(fact, Measurement):
        asset = numbered.assets[fact.asset]
        at, as_of = fact.at, fact.as_of
        for series, value, weight in fact.readings:
            said.readings += (numbered.series[series.id], asset, origin, at, as_of, value, weight)
        return as_of
    if isinstance(fact, CaseReport):
        said.cases.append((feed.id, origin, fact))
        return fact.modified
    said.figures.append((origin, fact))
    return fact.as_of


def _letter(
    feed: Feed,
    partition: Partition,
    record: Received,
    message: bytes,
    stated: _Stated,
    unusable: Unusable,
    element: int = 0,
) -> DeadLetter:
    """The dead letter of a message; of that element, where the record holds an array."""
    # Without a key a letter is not sent again from what is kept of it: this one's true origin is not known.
    is_kept = record.headers.get(ORIGIN, _LIVE) in _ORIGINS and len(record.key) <= _LONGEST_KEY
    key = record.key if is_kept else None
    return DeadLetter(
        feed.id,
        stated.source,
        stated.origin,
        record.time,
        unusable.kind,
        unusable.rule,
        message,
        partition.topic,
        partition.number,
        record.offset,
        key,
        None if message is record.value else element,
    )
