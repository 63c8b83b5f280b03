"""Ingest: from the log to the store, each batch one transaction that holds its effect and the new position.

Killed at any point, it starts again from the stored position: what was committed is not read again, what was not
committed left nothing behind. Of two programs that read one partition, the compare-and-set of the position lets
only one commit a batch; the other throws its work away and starts from what is stored.

Where the database works in a process of its own, the next batch is read and decoded while it writes this one.
Transactions still follow one another: what was decoded beside a batch that failed is thrown away with it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Final, TypeVar

import numpy as np

from ioc.broker.port import Broker, Extent, Partition, Received
from ioc.errors import StoreError
from ioc.feeds.feed import Feed
from ioc.feeds.judging import Limits
from ioc.logs import get_logger
from ioc.model.columns import Integers
from ioc.model.facts import CaseReport, Figure
from ioc.model.known_places import KnownPlaces
from ioc.store import cases as case_rows
from ioc.store import dead_letters, figures, rolling, streams, writing
from ioc.store.engine import Connection, Store
from ioc.store.registry import Registry
from ioc.store.streams import BatchKey, Position
from ioc.streams.cases import changed_cases
from ioc.streams.decode import Decoded, Numbered, batch_keys, decode, stated_sources
from ioc.streams.fold import Folded, Rules, folded, windows_of_readings, windows_of_transitions
from ioc.streams.senders import Senders

log = get_logger(__name__)

T = TypeVar("T")
WRITER: Final = "ingest"
"""The name of all ingests together as writers of changes."""


class Overtaken(StoreError):
    """Another program has moved a stored position: this batch must be thrown away."""


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """Bounds of one batch and of what is kept of bad messages; times in milliseconds."""

    batch: int
    limits: Limits
    dead_letter_cap: int
    dead_letter_bytes: int


@dataclass(slots=True)
class Batch:
    """What was read of each partition, with the position that it was read from."""

    records: dict[Partition, list[Received]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.records.values()))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch as it was decoded: what its transaction will write, and the positions before and after it."""

    decoded: dict[Partition, Decoded]
    readings: list[tuple[Integers, Integers]]
    kept_from: tuple[int, ...]
    result: Folded
    """What the readings add, where times are kept from `kept_from` on and no case adds to it."""
    before: dict[Partition, Position]
    after: dict[Partition, Position]

    def indexes_of(self, keys: Iterable[BatchKey]) -> dict[BatchKey, int]:
        """The last index of those batches that this one holds records of."""
        held = {key: index for said in self.decoded.values() for key, index in said.indexes.items()}
        return {key: held[key] for key in keys if key in held}


class Ingest:
    """Reads the topics of all feeds and applies them. One instance is one writer.

    `step` is one batch; the loop around it, waiting and back-off belong to the program. With a `writer`, an executor of
    one thread, transactions are left to it, and the next batch is decoded meanwhile.
    """

    def __init__(
        self,
        broker: Broker,
        store: Store,
        feeds: Mapping[str, Feed],
        places: KnownPlaces,
        registry: Registry,
        settings: IngestSettings,
        writer: Executor | None = None,
    ) -> None:
        self._broker = broker
        self._store = store
        self._feeds = {feed.topic: feed for feed in feeds.values()}
        self._settings = settings
        self._writer = writer
        self._in_flight: tuple[Prepared, Future[None]] | None = None
        self._numbered = Numbered(places.ids, places.assets, registry.series, registry.places)
        self._rules = Rules(
            np.array(
                [registry.series[one.id] for feed in feeds.values() for one in feed.series if one.adds_upward], np.int64
            ),
            places.ancestry,
            places.day_offset,
        )
        self.partitions = tuple(part for topic in sorted(self._feeds) for part in broker.partitions(topic))
        """All partitions of the feeds' topics. Which of them are read, `start` is told."""
        self._partitions = self.partitions
        self._case_rules = {feed.id: feed.case for feed in feeds.values() if feed.case is not None}
        self._counted = {
            feed.id: [registry.series[one.id] for one in feed.series if one.counted] for feed in feeds.values()
        }
        self._positions: dict[Partition, Position] = {}
        self._senders = Senders(store)

    def start(self, now: int, share: Sequence[Partition] | None = None) -> None:
        """Take the stored positions, and note what the log has lost since, also by being made anew.

        From here on only the partitions of `share` are read; without one, those that were read before.
        """
        if share is not None:
            self._partitions = tuple(share)
        self._positions = self._in_turn(partial(self._stored_positions, now))
        # Asked after the positions were read: an extent of before could lack what another ingest has applied since.
        logs = self._logs()
        for partition, extent in self._broker.extents(list(self._positions)).items():
            old, log_now = self._positions[partition], logs[partition]
            shared = self._shared_until(partition, log_now, extent)
            new = replace(old, next_offset=max(extent.first, min(old.next_offset, shared or 0)), log=log_now)
            if new.next_offset != old.next_offset or (shared is None and old.next_offset):
                self._after_gap(old, new, extent, now)
            elif new.log != old.log:
                self._move(old, new, now)

    def _in_turn(self, work: Callable[[], T]) -> T:
        """Done after what is still being written, be it by another ingest that was given the same writer."""
        return work() if self._writer is None else self._writer.submit(work).result()

    def _stored_positions(self, now: int) -> dict[Partition, Position]:
        stored: dict[Partition, Position] = {}
        by_topic = {
            topic: [partition.number for partition in group]
            for topic, group in groupby(self._partitions, key=lambda partition: partition.topic)
        }
        logs = {topic: self._broker.identity(topic) for topic in by_topic}
        with self._store.writing() as connection:
            for topic, numbers in by_topic.items():
                for position in streams.load_positions(connection, topic, numbers, now, logs[topic]):
                    stored[Partition(topic, position.partition)] = position
        return stored

    def _logs(self) -> dict[Partition, str]:
        """In which log each partition is now; the stored one where the broker does not say."""
        stored = {partition: (partition.topic, position.log) for partition, position in self._positions.items()}
        found = {believed: self._broker.identity(*believed) for believed in set(stored.values())}
        return {partition: found[believed] or believed[1] for partition, believed in stored.items()}

    def _shared_until(self, partition: Partition, log_now: str, extent: Extent) -> int | None:
        """Up to where the log of now holds what the log of the stored position held; None: it is another log.

        So nothing is applied twice where a log was cut short, or an older copy of it took its place: what it shares
        with the log of the position was applied up to there.
        """
        position = self._positions[partition]
        if position.log == log_now:
            return extent.end
        if position.log:
            return self._broker.shared_until(partition, position.log)
        # Of before positions knew their log: all or nothing.
        return position.next_offset if extent.has(position.next_offset) else None

    def _after_gap(self, old: Position, new: Position, extent: Extent, now: int) -> None:
        """The log no longer has the position, or is another one: the gap is stored and reported."""
        log.error(
            "the log is not the one that was read"
            if old.log not in ("", new.log)
            else "the log no longer has the stored position",
            partition=f"{old.topic}[{old.partition}]",
            stored=old.next_offset,
            first=extent.first,
            end=extent.end,
            reads_from=new.next_offset,
        )
        self._move(old, new, now, partial(streams.record_gap, position=old, to_offset=new.next_offset, now=now))

    def _move(
        self, old: Position, new: Position, now: int, also: Callable[[Connection], None] = lambda _: None
    ) -> None:
        """Take the new position, in one transaction with what `also` does."""
        with self._store.writing() as connection:
            also(connection)
            if not streams.set_position(connection, old, new, now):
                raise Overtaken("another ingest moved the stored position: this one starts again")
        self._positions[Partition(old.topic, old.partition)] = new

    def step(self, now: int) -> int:
        """Read and apply one batch; how many records it held. Overtaken: call `start` again.

        With a writer this returns while the batch is still being written: should that fail, the next step says so, or
        `finish`.
        """
        try:
            batch = self.read()
            has_gap = self._has_gap(batch)
            prepared = self._prepared(batch) if batch.size and not has_gap else None
        finally:
            self.finish()  # also where this one cannot be read: nothing may be written behind the caller's back
        if has_gap:
            self.start(now)
            return 0
        if prepared is not None:
            self._begin(prepared, now)
        return batch.size

    def _begin(self, prepared: Prepared, now: int) -> None:
        if self._writer is None:
            self.commit(prepared, now)
        else:
            self._in_flight = prepared, self._writer.submit(self.commit, prepared, now)
        self._positions |= prepared.after

    def finish(self) -> None:
        """Wait until the last batch is written; what went wrong with it is raised here."""
        if self._in_flight is None:
            return
        (prepared, written), self._in_flight = self._in_flight, None
        try:
            written.result()
        except BaseException:
            self._positions |= prepared.before
            raise

    def _has_gap(self, batch: Batch) -> bool:
        """Whether a log has lost a position meanwhile: by its keeping time, or because it was made anew."""
        doubtful = [
            partition
            for partition, position in self._positions.items()
            if not (records := batch.records.get(partition)) or records[0].offset != position.next_offset
        ]
        # Offsets may have gaps by themselves, so only the extents tell whether something is lost.
        extents = self._broker.extents(doubtful)
        if any(not extents[partition].has(self._positions[partition].next_offset) for partition in doubtful):
            return True
        # After the batch was read: what it holds is of the log that is there now, or of one before it.
        return any(found != self._positions[partition].log for partition, found in self._logs().items())

    def read(self) -> Batch:
        """The next records of all partitions, at most `batch` of them, shared out fairly."""
        batch = Batch()
        left = self._settings.batch
        for number, partition in enumerate(self._partitions):
            share = max(1, left // (len(self._partitions) - number))
            records = self._broker.read(partition, self._positions[partition].next_offset, share)
            if records:
                batch.records[partition] = records
                left = max(0, left - len(records))
        return batch

    def apply(self, batch: Batch, now: int) -> None:
        """Put the whole effect of a batch and the new positions into the store, or nothing."""
        self._begin(self._prepared(batch), now)
        self.finish()

    def _prepared(self, batch: Batch) -> Prepared:
        decoded, kept_from = self._decode(batch)
        readings = [windows_of_readings(said.readings) for said in decoded.values() if said.readings]
        before = {partition: self._positions[partition] for partition in decoded}
        after = {
            partition: replace(
                old,
                next_offset=batch.records[partition][-1].offset + 1,
                event_time=max(old.event_time, decoded[partition].newest_event),
            )
            for partition, old in before.items()
        }
        return Prepared(decoded, readings, kept_from, folded(readings, kept_from, self._rules), before, after)

    def commit(self, prepared: Prepared, now: int) -> None:
        """One transaction: the whole effect of a batch and the new positions, or nothing."""
        decoded = prepared.decoded
        with self._store.writing() as connection:
            for partition, old in prepared.before.items():
                self._advance(connection, old, prepared.after[partition], now)
            of_cases = self._apply_cases(connection, decoded.values())
            result, kept_from = prepared.result, rolling.hold_kept_from(connection)
            if of_cases or kept_from != prepared.kept_from:
                result = folded([*prepared.readings, *of_cases], kept_from, self._rules)
            for level, table in result.windows.items():
                writing.add_windows(connection, level, table)
            writing.upsert_latest(connection, result.latest)
            for level, keys in result.marks.items():
                writing.append_marks(connection, level, keys)
            for partition, said in decoded.items():
                self._apply_rest(connection, said, now)
                self._senders.bound_batches(connection, partition, said.new_batches)
            writing.append_change(connection, WRITER, now, result.touched)

    def _decode(self, batch: Batch) -> tuple[dict[Partition, Decoded], tuple[int, ...]]:
        stated: dict[str, dict[str, None]] = defaultdict(dict)
        for partition, records in batch.records.items():
            stated[partition.topic] |= stated_sources(records)
        names = {topic: self._senders.names(self._feeds[topic].id, topic, said) for topic, said in stated.items()}
        keys: set[BatchKey] = set()
        for partition, records in batch.records.items():
            keys |= batch_keys(partition, records, names[partition.topic])
        # Read outside of the transaction: only who holds the position of a partition changes its batches.
        with self._store.reading() as connection:
            kept_from = rolling.load_kept_from(connection)
            applied = streams.last_indexes(connection, keys)
        if self._in_flight is not None:  # not stored yet, or just now
            applied |= self._in_flight[0].indexes_of(keys)
        decoded = {
            partition: decode(
                self._feeds[partition.topic],
                partition,
                records,
                {key: index for key, index in applied.items() if key[2:] == (partition.topic, partition.number)},
                self._numbered,
                self._settings.limits,
                names[partition.topic],
            )
            for partition, records in batch.records.items()
        }
        return decoded, kept_from

    @staticmethod
    def _advance(connection: Connection, old: Position, new: Position, now: int) -> None:
        if not streams.advance_position(connection, old, new.next_offset, new.event_time, now):
            raise Overtaken(f"another ingest has applied {old.topic}[{old.partition}] from {old.next_offset}")

    def _apply_cases(self, connection: Connection, decoded: Iterable[Decoded]) -> list[tuple[Integers, Integers]]:
        """Merge what was said of cases into their states; the windows of what that counts or takes back."""
        reports: dict[tuple[str, int], list[CaseReport]] = defaultdict(list)
        for said in decoded:
            for feed_id, origin, report in said.cases:
                reports[feed_id, origin].append(report)
        parts: list[tuple[Integers, Integers]] = []
        for (feed_id, origin), of_feed in sorted(reports.items(), key=lambda item: item[0]):
            rules = self._case_rules[feed_id]
            known = case_rows.load_cases(connection, feed_id, origin, (report.case for report in of_feed))
            # An office may have left the territory since: what was counted for it must still be found.
            changes = changed_cases(rules, known, of_feed, self._numbered.places, self._numbered.series, origin)
            case_rows.store_cases(connection, feed_id, origin, changes.states)
            heard: list[int] = []
            for office, modified in changes.heard.items():
                for series in self._counted[feed_id]:
                    heard += (series, office, origin, modified)
            parts.append(windows_of_transitions(changes.transitions, heard))
        return parts

    def _apply_rest(self, connection: Connection, said: Decoded, now: int) -> None:
        """Figures, batch indexes, heartbeats and dead letters."""
        figures.upsert_figures(connection, [self._figure_row(origin, figure) for origin, figure in said.figures])
        streams.remember_indexes(connection, said.indexes, now)
        streams.add_heartbeats(connection, said.heartbeats)
        dead_letters.add_dead_letters(
            connection, said.letters, self._settings.dead_letter_cap, self._settings.dead_letter_bytes
        )

    def _figure_row(self, origin: int, figure: Figure) -> figures.FigureRow:
        numbers = self._numbered
        return figures.FigureRow(numbers.series[figure.series.id], numbers.places[figure.unit], origin, figure)
