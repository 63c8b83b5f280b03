"""Kafka's records as the centre's own, straight from the bytes that were fetched.

kafka-python makes several objects of each record and counts sizes that nobody here asks for, which takes longer than
all that ingest does with the record afterwards. This makes one object. Which batches are hidden (transactions that
were given up, marks), checksums and compression stay kafka-python's own; a test holds both results side by side.

Refused: what is no record, as kafka-python refuses it (CorruptRecordError).
"""

from collections.abc import Iterator
from typing import Any, Final

from kafka import errors
from kafka.consumer.fetcher import Fetcher

from ioc.broker.port import Received

_APPEND_TIME: Final = 1


class Records(Fetcher.PartitionRecords):  # type: ignore[misc] # kafka-python has no types
    """What was fetched of one partition, record by record; for a consumer that reads what is committed."""

    def _unpack_records(self, tp: Any, records: Any, _key: Any, _value: Any) -> Iterator[Received]:
        batch = None
        while (following := records.next_batch()) is not None:
            batch = following
            if not batch.validate_crc():
                raise errors.CorruptRecordError(f"the batch at {batch.base_offset} of {tp} fails its checksum")
            if batch.magic < 2:
                for old in batch:
                    self.next_fetch_offset = old.offset + 1
                    yield Received(old.offset, old.timestamp, old.key or b"", old.value or b"", {})
                continue
            self.leader_epoch = batch.leader_epoch
            if not self._is_hidden(batch):
                for record in records_of(batch):
                    self.next_fetch_offset = record.offset + 1
                    yield record
            self.next_fetch_offset = batch.next_offset  # offsets may be left out at its end
        self.drain()

    def _is_hidden(self, batch: Any) -> bool:
        """Whether nobody is to see the batch: a mark, or of a transaction that was given up."""
        if batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)


def records_of(batch: Any) -> list[Received]:
    """All records of a batch of kafka-python's (format 2), whose checksum was found right."""
    iter(batch)  # uncompresses it
    buffer, position = bytes(batch._buffer), batch._pos  # noqa: SLF001 - it gives them away only record by record
    first_offset, first_time = batch.base_offset, batch.first_timestamp
    append_time = batch.max_timestamp if batch.timestamp_type == _APPEND_TIME else None
    received = []
    begun, shared, has_more = b"", dict[str, str](), False
    try:
        for _ in range(batch.records_count):
            length, position = _varint(buffer, position)
            end = position + length
            time_delta, position = _varint(buffer, position + 1)  # after the attributes, of which there are none
            offset_delta, position = _varint(buffer, position)
            key, position = _bytes(buffer, position)
            value, position = _bytes(buffer, position)
            # Records that came together have all headers in common but the last, their index.
            if begun and buffer.startswith(begun, position):
                position += len(begun)
            else:
                at = position
                shared, has_more, position = _all_but_last(buffer, at)
                begun = buffer[at:position]
            headers = shared.copy()
            if has_more:
                name, position = _bytes(buffer, position)
                text, position = _bytes(buffer, position)
                headers[name.decode(errors="replace")] = text.decode(errors="replace")
            if position != end:
                raise ValueError(f"a record ends at {position} instead of {end}")
            time = first_time + time_delta if append_time is None else append_time
            received.append(Received(first_offset + offset_delta, time, key, value, headers))
        if position != len(buffer):
            raise ValueError(f"{len(buffer) - position} bytes are left")
    except (ValueError, IndexError) as error:
        raise errors.CorruptRecordError(f"the batch at {first_offset} cannot be read: {error}") from error
    return received


def _all_but_last(buffer: bytes, position: int) -> tuple[dict[str, str], bool, int]:
    """All headers but the last, whether there is one, and where it begins."""
    count, position = _varint(buffer, position)
    if count < 0:
        raise ValueError(f"a record has {count} headers")
    headers = {}
    for _ in range(count - 1):
        name, position = _bytes(buffer, position)
        text, position = _bytes(buffer, position)
        headers[name.decode(errors="replace")] = text.decode(errors="replace")
    return headers, count > 0, position


def _bytes(buffer: bytes, position: int) -> tuple[bytes, int]:
    """Bytes with their length before them; absent ones are empty."""
    size = buffer[position]
    if size < 0x80:
        position += 1
        size = size >> 1 if not size & 1 else 0
    else:
        size, position = _varint(buffer, position)
    end = position + max(size, 0)
    return buffer[position:end], end


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    """A zigzag number of up to 64 bits, and where the next one begins."""
    byte = buffer[position]
    position += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), position
    number, shift = byte & 0x7F, 7
    while True:
        byte = buffer[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), position
        shift += 7
        if shift > 63:
            raise ValueError("a number does not end")
