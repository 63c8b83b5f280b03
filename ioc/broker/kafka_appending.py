"""Appending to Kafka: all records of a request, or none, by Kafka's transactions.

Requests that come at the same time share a transaction: whoever gets the turn takes all that wait. A transaction
that fails is not repaired but given up with its producer; the next producer, under the same transactional id, makes
Kafka end it before anything else is written. The id belongs to a slot file in the data folder that one process at a
time holds, so a program that was killed is followed by one that clears up after it; if none follows, Kafka does so
itself after TRANSACTION_S. Until then readers wait at the first record of the open transaction.

All or none has one exception that no protocol removes: where Kafka does not answer whether it committed, the error
says so. Sent again under the same Idempotency-Key the request is harmless, since ingest knows batch and index.
"""

import fcntl
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from kafka import KafkaProducer, errors

from ioc.broker.kafka_connection import HEADROOM_BYTES, KafkaOptions, as_broker_error, broker_error, connected
from ioc.broker.port import Record
from ioc.errors import BrokerError

DELIVERY_S: Final = 10.0
COMMIT_S: Final = 10.0
TRANSACTION_S: Final = 25.0
TURN_S: Final = 20.0
MOST_RECORDS: Final = 50_000
"""In one transaction, unless a single request has more."""

BATCH_BYTES: Final = 262_144
LEAST_REQUEST_BYTES: Final = 4_194_304
RETRY_PAUSE_MS: Final = 10
"""Between tries of a transaction's requests; the first is often too early by a few ms, as Kafka still ends the last."""

_FRAMING_BYTES: Final = 128
_SLOTS: Final = 1_000


class _Producer(KafkaProducer):  # type: ignore[misc] # kafka-python has no types
    """kafka-python's producer, with a limit on how long a commit may take and an end that does not wait."""

    def commit_within(self, seconds: float) -> None:
        result = self._transaction_manager.begin_commit()
        self._sender.wakeup()
        if not result.wait(timeout_ms=seconds * 1000):
            raise errors.KafkaTimeoutError(f"no answer within {seconds:.0f} s")

    def give_up(self) -> None:
        """Send nothing more, not even what waits: another producer may take over this one's id at once."""
        self._unregister_cleanup()
        self._sender.force_close()
        self._sender.join(COMMIT_S)
        self._closed = True


@dataclass(slots=True, eq=False)
class _Request:
    """Numbered records that wait for their transaction, and what became of them."""

    topic: str
    records: Sequence[tuple[int, Record]]
    now: int
    is_done: bool = False
    error: BrokerError | None = None


class Appender:
    """The one writer of this process. Safe to use from several threads."""

    def __init__(self, options: KafkaOptions, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._turn = threading.Lock()
        self._waiting: list[_Request] = []
        self._waiting_lock = threading.Lock()
        self._producer: _Producer | None = None
        self._slot: _Slot | None = None
        self._largest = options.max_message_bytes + HEADROOM_BYTES

    def append(self, topic: str, records: Sequence[tuple[int, Record]], now: int) -> None:
        """Append (partition number, record) pairs; durable when this returns, none of them there if it raises."""
        for _, record in records:
            if (size := _size(record)) > self._largest:
                raise BrokerError(
                    f"a record of {size:,} bytes is larger than the broker takes ({self._largest:,}):"
                    " raise IOC_MAX_MESSAGE_BYTES and run `python -m ioc setup`"
                )
        request = _Request(topic, records, now)
        with self._waiting_lock:
            self._waiting.append(request)
        self._take_turn(request)
        try:
            while not request.is_done:
                self._commit_together(self._next_requests())
        finally:
            self._turn.release()
        if request.error is not None:
            raise request.error

    def _take_turn(self, request: _Request) -> None:
        if self._turn.acquire(timeout=TURN_S):
            return
        with self._waiting_lock:
            if request in self._waiting:
                self._waiting.remove(request)
                raise BrokerError(
                    f"Kafka has been busy with earlier requests for {TURN_S:.0f} s; nothing of this one was written:"
                    " send it again"
                )
        self._turn.acquire()  # another thread has it in its transaction, which ends within its own limits

    def _next_requests(self) -> list[_Request]:
        """The oldest requests, as many as make a transaction."""
        taken: list[_Request] = []
        count = 0
        with self._waiting_lock:
            while self._waiting and (not taken or count + len(self._waiting[0].records) <= MOST_RECORDS):
                taken.append(self._waiting.pop(0))
                count += len(taken[-1].records)
        return taken

    def _commit_together(self, requests: list[_Request]) -> None:
        """Put the requests into one transaction; where Kafka refuses it, each into one of its own.

        It may refuse what one of them holds, or a producer that it has forgotten: the next one is new.
        """
        if self._commit(requests):
            for request in requests:
                request.error = None
                self._commit([request])
        for request in requests:
            request.is_done = True

    def _commit(self, requests: list[_Request]) -> bool:
        """One transaction; whether Kafka refused it before its commit. Errors are kept with the requests."""
        is_committing = False
        try:
            producer = self._open()
            producer.begin_transaction()
            sent = [
                producer.send(
                    request.topic,
                    value=record.value,
                    key=record.key,
                    headers=[(name, text.encode()) for name, text in record.headers.items()],
                    partition=number,
                    timestamp_ms=request.now,
                )
                for request in requests
                for number, record in request.records
            ]
            producer.flush(timeout=DELIVERY_S)
            for future in sent:
                future.get(timeout=0)  # raises what happened to it
            is_committing = True
            producer.commit_within(COMMIT_S)
        # ValueError: a partition that Kafka does not have (any more).
        except (errors.KafkaError, RuntimeError, OSError, ValueError, BrokerError) as error:
            self._discard()
            failure = self._failure(error, is_committing)
            for request in requests:
                request.error = failure
            is_refused = isinstance(error, errors.BrokerResponseError) and not isinstance(error, errors.RetriableError)
            return is_refused and not is_committing
        return False

    def _failure(self, error: Exception, is_committing: bool) -> BrokerError:
        if is_committing:
            return BrokerError(
                "Kafka did not say whether it took these records: send them again under the same Idempotency-Key"
            )
        return error if isinstance(error, BrokerError) else broker_error(self._options, "appending", error)

    def _open(self) -> _Producer:
        if self._producer is None:
            if self._slot is None:
                self._slot = _Slot(self._folder)
            with as_broker_error(self._options, "connecting to append"):
                producer = connected(
                    _Producer,
                    **self._options.client("producer"),
                    transactional_id=self._slot.transactional_id,
                    transaction_timeout_ms=int(TRANSACTION_S * 1000),
                    delivery_timeout_ms=int(DELIVERY_S * 1000),
                    max_block_ms=int(DELIVERY_S * 1000),
                    retry_backoff_ms=RETRY_PAUSE_MS,
                    acks="all",
                    compression_type="lz4",
                    batch_size=BATCH_BYTES,
                    linger_ms=50,  # `flush` sends at once; until then a batch may fill
                    max_request_size=max(LEAST_REQUEST_BYTES, self._largest),
                    allow_auto_create_topics=False,
                    metrics_enabled=False,
                )
                try:
                    producer.init_transactions()
                except BaseException:
                    producer.give_up()
                    raise
            self._producer = producer
        return self._producer

    def _discard(self) -> None:
        if self._producer is not None:
            self._producer.give_up()
            self._producer = None

    def close(self) -> None:
        with self._turn:
            self._discard()
            if self._slot is not None:
                self._slot.close()
                self._slot = None


def _size(record: Record) -> int:
    headers = sum(len(name) + len(text) for name, text in record.headers.items())
    return len(record.key) + len(record.value) + headers + _FRAMING_BYTES


class _Slot:
    """A file that one process at a time holds; in it stands the transactional id of whoever holds it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = self._free_file(folder)
        self._file.seek(0)
        self.transactional_id: str = self._file.read().strip()
        if not self.transactional_id:
            self.transactional_id = f"ioc-{uuid.uuid4().hex}"
            self._file.write(self.transactional_id)
            self._file.flush()

    @staticmethod
    def _free_file(folder: Path) -> TextIO:
        for number in range(_SLOTS):
            file = (folder / f"kafka-producer-{number}").open("a+", encoding="ascii")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                return file
        raise BrokerError(f"{_SLOTS} programs write to Kafka from {folder}: see what they are, and stop some")

    def close(self) -> None:
        self._file.close()  # the kernel frees the lock, as it does when we are killed
