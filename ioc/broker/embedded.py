"""The embedded log: topics and partitions in one SQLite file of their own, for a centre without a Kafka server.

Each append is one transaction written with synchronous=FULL, so an acknowledged record survives a power cut.
Reading is one range scan of the primary key. It refuses nothing about content: that is the feeds' work.
"""

import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from ioc.broker.port import MOST_READ_BYTES, Extent, Partition, Received, Record, partition_of
from ioc.errors import BrokerError

BUSY_TIMEOUT_S: Final = 30.0

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS partitions (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL,
        first INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number))""",
    """CREATE TABLE IF NOT EXISTS log (
        partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, time INTEGER NOT NULL,
        key BLOB NOT NULL, value BLOB NOT NULL, headers BLOB NOT NULL,
        PRIMARY KEY (partition, "offset")) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS topics (topic TEXT PRIMARY KEY, identity TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS copied_from (
        topic TEXT NOT NULL, number INTEGER NOT NULL, identity TEXT NOT NULL, until INTEGER NOT NULL,
        PRIMARY KEY (topic, number, identity)) WITHOUT ROWID""",
    # A file of before logs had identities gets them now.
    """INSERT OR IGNORE INTO topics
       SELECT topic, lower(hex(randomblob(16))) FROM partitions GROUP BY topic""",
)


def make_tables(connection: sqlite3.Connection) -> None:
    """What the file lacks; within the caller's transaction."""
    for statement in _SCHEMA:
        connection.execute(statement)


class EmbeddedBroker:
    """The port `Broker` on one SQLite file. Safe to use from several threads and several processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._headers = msgspec.msgpack.Decoder(dict[str, str])
        with self._transaction() as connection:
            make_tables(connection)

    def ensure_topic(self, topic: str, partitions: int, keep_ms: int | None = None) -> None:
        # It drops nothing by itself: `forget_before` is told from when each topic is kept.
        with self._transaction() as connection:
            (known,) = connection.execute("SELECT count(*) FROM partitions WHERE topic = ?", (topic,)).fetchone()
            if not known:
                connection.executemany(
                    "INSERT INTO partitions (topic, number) VALUES (?, ?)",
                    [(topic, number) for number in range(partitions)],
                )
                connection.execute("INSERT INTO topics VALUES (?, ?)", (topic, uuid.uuid4().hex))

    def partitions(self, topic: str) -> tuple[Partition, ...]:
        with self._reading() as connection:
            rows = connection.execute("SELECT number FROM partitions WHERE topic = ? ORDER BY number", (topic,))
            return tuple(Partition(topic, number) for (number,) in rows)

    def append(self, topic: str, records: Sequence[Record], now: int) -> None:
        if not records:
            return
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT number, id, next FROM partitions WHERE topic = ? ORDER BY number", (topic,)
            ).fetchall()
            if not rows:
                raise BrokerError(f"topic {topic} does not exist: run `python -m ioc setup` to make it")
            numbered = sorted(
                ((partition_of(record.key, len(rows)), record) for record in records),
                key=lambda pair: pair[0],
            )
            packed: dict[int, bytes] = {}
            for number, group in groupby(numbered, key=lambda pair: pair[0]):
                _, partition, following = rows[number]
                values = []
                for offset, (_, record) in enumerate(group, start=following):
                    values.append((partition, offset, now, record.key, record.value, self._packed(record, packed)))
                connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", values)
                connection.execute("UPDATE partitions SET next = ? WHERE id = ?", (following + len(values), partition))

    @staticmethod
    def _packed(record: Record, packed: dict[int, bytes]) -> bytes:
        """The headers as bytes; records of one request may share one mapping, which is then packed once."""
        known = packed.get(id(record.headers))
        if known is None:
            known = packed[id(record.headers)] = msgspec.msgpack.encode(record.headers)
        return known

    def read(self, partition: Partition, offset: int, limit: int) -> list[Received]:
        rows: list[tuple[int, int, bytes, bytes, bytes]] = []
        size = 0
        with self._reading() as connection:
            cursor = connection.execute(
                """SELECT log."offset", log.time, log.key, log.value, log.headers
                   FROM log JOIN partitions ON partitions.id = log.partition
                   WHERE partitions.topic = ? AND partitions.number = ? AND log."offset" >= ?
                   ORDER BY log."offset" LIMIT ?""",
                (partition.topic, partition.number, offset, limit),
            )
            for row in cursor:
                rows.append(row)
                size += len(row[3])
                if size >= MOST_READ_BYTES:
                    break
            cursor.close()
        decode = self._headers.decode
        seen: dict[bytes, dict[str, str]] = {}
        received = []
        for at_offset, time, key, value, packed in rows:
            headers = seen.get(packed)
            if headers is None:
                headers = seen[packed] = decode(packed)
            received.append(Received(at_offset, time, key, value, headers))
        return received

    def extent(self, partition: Partition) -> Extent:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT first, next FROM partitions WHERE topic = ? AND number = ?",
                (partition.topic, partition.number),
            ).fetchone()
        if row is None:
            raise BrokerError(f"topic {partition.topic} has no partition {partition.number}: run `python -m ioc setup`")
        return Extent(*row)

    def extents(self, partitions: Sequence[Partition]) -> dict[Partition, Extent]:
        return {partition: self.extent(partition) for partition in partitions}

    def identity(self, topic: str, believed: str = "") -> str:
        with self._reading() as connection:
            row = connection.execute("SELECT identity FROM topics WHERE topic = ?", (topic,)).fetchone()
        if row is None:
            raise BrokerError(f"topic {topic} does not exist: run `python -m ioc setup` to make it")
        return str(row[0])

    def shared_until(self, partition: Partition, log: str) -> int | None:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT until FROM copied_from WHERE topic = ? AND number = ? AND identity = ?",
                (partition.topic, partition.number, log),
            ).fetchone()
        return None if row is None else int(row[0])

    def forget_before(
        self,
        time: int,
        limit: int = 50_000,
        *,
        by_topic: Mapping[str, int] | None = None,
        applied: Mapping[Partition, int] | None = None,
    ) -> int:
        """Drop at most `limit` of the oldest records appended before `time`; how many were dropped.

        A topic of `by_topic` is kept from the time that stands there instead, a partition of `applied` from that
        offset, however old. Only a prefix of each partition goes, so that offsets stay contiguous from `first`.
        """
        dropped = 0
        with self._transaction() as connection:
            partitions = connection.execute("SELECT id, topic, number, first, next FROM partitions").fetchall()
            for partition, topic, number, first, following in partitions:
                kept_from = (by_topic or {}).get(topic, time)
                (young,) = connection.execute(
                    """SELECT coalesce(min("offset"), ?) FROM
                       (SELECT "offset", time FROM log WHERE partition = ? ORDER BY "offset" LIMIT ?)
                       WHERE time >= ?""",
                    (min(first + limit, following), partition, limit, kept_from),
                ).fetchone()
                if applied is not None:
                    young = max(first, min(young, applied.get(Partition(topic, number), young)))
                dropped += connection.execute(
                    'DELETE FROM log WHERE partition = ? AND "offset" < ?', (partition, young)
                ).rowcount
                connection.execute("UPDATE partitions SET first = ? WHERE id = ?", (young, partition))
        return dropped

    def reusable_bytes(self) -> int:
        """What was dropped and can be written again: the file takes so much without growing."""
        with self._reading() as connection:
            (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(size)

    def close(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            self._local.connection = connection
            with self._lock:
                self._open.append(connection)
        return connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection()
        except sqlite3.Error as error:
            raise BrokerError(f"the embedded log {self._path} cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # of a full disk SQLite may have rolled back by itself
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise BrokerError(
                f"the embedded log {self._path} cannot be written: {error}; check the disk and the folder's rights"
            ) from error
