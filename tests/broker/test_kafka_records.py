"""Our reading of Kafka's record batches beside kafka-python's own: the same records, the same refusals."""

import random
from typing import Any

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.structs import TopicPartition

from ioc.broker.kafka_records import Records, records_of
from ioc.broker.port import Received

TP = TopicPartition("t", 0)
Given = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

EDGES: list[Given] = [
    (0, 1_700_000_000_000, b"k", b"v", []),
    (1, 1_700_000_000_000 - 5_000, None, b"", [("source", b"s"), ("index", None)]),
    (70, 1_700_000_900_000, b"", None, [("batch", "ấ".encode()), ("batch", b"\xff again")]),
    (8_500, 1_700_000_000_063, b"x" * 63, b"y" * 64, [("n" * 200, b"t" * 9_000)]),
    (2_100_000, 1_700_000_000_064, b"x" * 8_191, b"y" * 8_192, []),
]


def _built(given: list[Given], *, compression: int = 0, base: int = 0, producer: int = -1) -> bytearray:
    builder = DefaultRecordBatchBuilder(2, compression, producer >= 0, producer, 0, 0, 1 << 30)
    for offset, time, key, value, headers in given:
        assert builder.append(offset, time, key, value, headers)
    buffer: bytearray = builder.build()
    buffer[:8] = base.to_bytes(8, "big")  # Kafka writes it there, outside of the checksum
    return buffer


def _as_theirs(batch: Any) -> list[Received]:
    return [
        Received(
            one.offset,
            one.timestamp,
            one.key or b"",
            one.value or b"",
            {name: (text or b"").decode(errors="replace") for name, text in one.headers},
        )
        for one in batch
    ]


def _fetched(kind: Any, buffer: bytes, offset: int, aborted: list[Any]) -> tuple[list[Any], int]:
    """What a fetch gives by a class of kafka-python's or ours, in small pieces; and where the next fetch begins."""
    part = kind(
        offset,
        TP,
        MemoryRecords(buffer),
        isolation_level=IsolationLevel.READ_COMMITTED,
        aborted_transactions=aborted,
    )
    found: list[Any] = []
    while part:
        found += (taken := part.take(2))
        if taken:
            assert part.next_fetch_offset == taken[-1].offset + 1 or not part
    return found, part.next_fetch_offset


@pytest.mark.parametrize("compression", [0, 1, 3])
def test_records_are_those_that_kafka_python_reads(compression: int) -> None:
    buffer = _built(EDGES, compression=compression, base=1 << 40)
    ours = records_of(DefaultRecordBatch(buffer))
    assert ours == _as_theirs(DefaultRecordBatch(buffer))
    assert [one.offset - (1 << 40) for one in ours] == [given[0] for given in EDGES]


def test_headers_that_records_share_are_not_mixed_up() -> None:
    """Runs of equal headers, with others between them: fewer, more, one more of the same name, longer by a byte."""
    runs: list[list[tuple[str, bytes | None]]] = [
        [("source", b"s"), ("batch", b"b"), ("index", b"0")],
        [("source", b"s"), ("batch", b"b"), ("index", b"1")],
        [("source", b"s"), ("batch", b"bb"), ("index", b"2")],
        [("source", b"s"), ("batch", b"b")],
        [("source", b"s")],
        [("source", b"t")],
        [],
        [],
        [("source", b"s"), ("batch", b"b"), ("index", b"3"), ("index", b"4")],
        [("source", b"s"), ("batch", b"b"), ("index", b"3"), ("source", b"u")],
        [("source", b"s"), ("batch", b"b"), ("index", b"5")],
    ]
    chance = random.Random(2)
    several = [runs[chance.randrange(len(runs))] for _ in range(500)]
    buffer = _built([(at, 1_700_000_000_000, b"k", b"v", headers) for at, headers in enumerate(runs + several)])
    ours = records_of(DefaultRecordBatch(buffer))
    assert ours == _as_theirs(DefaultRecordBatch(buffer))
    assert len({id(one.headers) for one in ours}) == len(ours), "each has its own"


def test_a_topic_may_have_kafkas_own_time_of_append() -> None:
    buffer = _built(EDGES)
    buffer[22] |= 0x08  # the lower byte of the attributes
    ours = records_of(DefaultRecordBatch(buffer))
    assert ours == _as_theirs(DefaultRecordBatch(buffer))
    assert {one.time for one in ours} == {1_700_000_900_000}


def test_what_nobody_is_to_see_stays_hidden_and_the_next_fetch_begins_behind_it() -> None:
    """A transaction that is given up among one that stands: as kafka-python does it, piece by piece."""
    batches = [(100, 7, False), (200, 8, False), (300, 7, True), (400, 8, False), (500, 7, False)]
    buffer = bytearray()
    for base, producer, is_abort in batches:
        given: list[Given] = [(at, 1_700_000_000_000 + at, b"k", b"%d" % base, []) for at in range(5)]
        mark: list[Given] = [(0, 1_700_000_000_000, b"\0\0\0\0", b"\0\0\0\0\0\0", [])]
        batch = _built(mark if is_abort else given, base=base, producer=producer)
        if is_abort:
            batch[22] |= 0x20
            batch[17:21] = DefaultRecordBatchBuilder.HEADER_STRUCT.pack(*[0] * 13)[17:21]
            batch[17:21] = _checksum(batch)
        buffer += batch
    aborted = [Aborted(7, 100)]
    theirs, their_end = _fetched(Fetcher.PartitionRecords, bytes(buffer), 202, list(aborted))
    ours, our_end = _fetched(Records, bytes(buffer), 202, list(aborted))
    assert [(one.offset, one.value) for one in ours] == [(one.offset, one.value) for one in theirs]
    assert [one.offset for one in ours] == [202, 203, 204, *range(400, 405), *range(500, 505)]
    assert our_end == their_end == 505


class Aborted:
    """As Kafka names a transaction that was given up, in its answer to a fetch."""

    def __init__(self, producer_id: int, first_offset: int) -> None:
        self.producer_id, self.first_offset = producer_id, first_offset


def _checksum(batch: bytearray) -> bytes:
    from kafka.record.util import calc_crc32c

    checksum: int = calc_crc32c(memoryview(batch)[21:])
    return checksum.to_bytes(4, "big")


def test_the_format_of_before_headers_is_read_too() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    builder.append(3, 1_700_000_000_000, b"k", b"v")
    builder.append(4, 1_700_000_000_001, None, None)
    ours, following = _fetched(Records, bytes(builder.build()), 3, [])
    assert ours == [
        Received(3, 1_700_000_000_000, b"k", b"v", {}),
        Received(4, 1_700_000_000_001, b"", b"", {}),
    ]
    assert following == 5


def test_no_damage_passes() -> None:
    """With the checksum wrong it is refused at once; with it right, whatever else is wrong is refused by its kind."""
    chance = random.Random(1)
    whole = _built(EDGES[:4])
    with pytest.raises(CorruptRecordError):
        _fetched(Records, bytes(whole[:-1]) + b"?", 0, [])
    refused = 0
    for _ in range(3_000):
        damaged = bytearray(whole)
        damaged[chance.randrange(61, 200)] = chance.randrange(256)
        try:
            records_of(DefaultRecordBatch(damaged))
        except CorruptRecordError:
            refused += 1
    assert refused > 100
