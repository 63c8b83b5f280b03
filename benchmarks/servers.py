"""The real parts of a benchmark: one Kafka broker and one PostgreSQL server of its own, and how they are configured.

Both run on free ports of this machine, in folders that go with the benchmark. What is set is durable, as in
production: PostgreSQL flushes each commit to the disk, Kafka keeps each record in one copy. Refused: other people's
servers, whose load and settings nobody would know.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import psycopg

from scripts.parts import PartError, kafka, postgres
from scripts.parts.kafka import Kafka
from scripts.parts.postgres import Postgres

_Server = TypeVar("_Server", Kafka, Postgres)

KAFKA_HEAP: Final = "512m"
PARTITIONS: Final = 4

POSTGRES_OPTIONS: Final = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "wal_level=replica",
    "wal_compression=lz4",
    "shared_buffers=2GB",
    "effective_cache_size=8GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "random_page_cost=1.1",
    "jit=off",
)
"""What an administrator would set for a machine of 16 GB with an SSD; everything else is PostgreSQL's default."""


class Absent(Exception):
    """The benchmark cannot run here; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers; `store` and `broker` are for the settings of those names."""

    kafka: Kafka
    postgres: Postgres

    @property
    def broker(self) -> str:
        return f"kafka://{self.kafka.address}"

    @property
    def store(self) -> str:
        return self.postgres.url


@contextmanager
def real_servers() -> Iterator[Servers]:
    """A broker and a database server that nobody else uses; they are gone, with all they hold, at the end."""
    with real_kafka() as broker, real_postgres() as database:
        yield Servers(broker, database)


@contextmanager
def real_kafka() -> Iterator[Kafka]:
    if kafka.find() is None:
        raise Absent("Kafka is not there: `scripts/services get kafka` gets it")
    with _folder() as folder, _started(Kafka(folder, heap=KAFKA_HEAP)) as server:
        yield server


@contextmanager
def real_postgres() -> Iterator[Postgres]:
    if postgres.find() is None:
        raise Absent("PostgreSQL is not there: `scripts/services get postgres` gets it")
    # Not in a folder of somebody else's: PostgreSQL runs as another user where we are root.
    with _folder() as folder, _started(Postgres(folder, options=POSTGRES_OPTIONS)) as server:
        yield server


@contextmanager
def _started(server: _Server) -> Iterator[_Server]:
    try:
        server.start()
    except PartError as error:
        raise Absent(str(error)) from error
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ioc-bench-server-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def applied_messages(store: str) -> int:
    """Messages whose effect is committed, as the heartbeats of their sources count them."""
    with psycopg.connect(store) as connection:
        row = connection.execute("SELECT sum(accepted) FROM source_counts").fetchone()
    return int(row[0] or 0) if row else 0


def configuration() -> list[str]:
    """What the servers are set to, as lines of a report."""
    return [
        f"Kafka {kafka.VERSIONS[0]}: one node, {PARTITIONS} partitions, one copy, no compression,"
        f" heap {KAFKA_HEAP}, Kafka's defaults otherwise; appended by the centre's own transactions",
        f"PostgreSQL: {', '.join(POSTGRES_OPTIONS)}; its defaults otherwise",
    ]
