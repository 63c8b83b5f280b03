"""What this machine can do without the centre: the figures that stand beside all others."""

import os
import platform
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import psycopg

from benchmarks.report import Figure, measured
from ioc.broker.port import Broker
from ioc.feeds import traffic
from ioc.model.columns import COLUMNS

_LOOP: Final = 1_000_000
_ROWS: Final = 40_000
_RECORDS: Final = 20_000

_UPSERT: Final = f"""INSERT INTO windows VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT (series, place, origin, start) DO UPDATE SET
    "count" = "count" + excluded."count", weight = weight + excluded.weight, "sum" = "sum" + excluded."sum",
    "min" = min("min", excluded."min"), "max" = max("max", excluded."max"),
    last_at = max(last_at, excluded.last_at), "last" = excluded."last" """


def description() -> list[str]:
    return [
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, msgspec {msgspec.__version__}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


@dataclass(slots=True)
class Baseline:
    """Rates of this machine, measured again and again during a run."""

    loops: list[float]
    decoded: list[float]
    upserted: list[float]

    @classmethod
    def empty(cls) -> "Baseline":
        return cls([], [], [])

    def measure(self, broker: Broker, folder: Path, times: int) -> None:
        """Measure everything `times` more times; `broker` holds traffic messages, `folder` is on the store's disk."""
        for _ in range(times):
            self.loops.append(loop_rate())
            self.decoded.append(decode_rate(broker))
            self.upserted.append(upsert_rate(folder))

    def figures(self) -> list[Figure]:
        return [
            measured("machine: plain Python", [rate / 1e6 for rate in self.loops], "M turns/s", 1),
            measured("machine: bare read + decode", self.decoded, "messages/s"),
            measured("machine: plain SQLite upserts", self.upserted, "rows/s"),
        ]


def loop_rate() -> float:
    """Turns of an empty kind of loop per second: how fast one core runs Python now."""
    began = time.perf_counter()
    total = 0
    for number in range(_LOOP):
        total += number & 7
    return _LOOP / (time.perf_counter() - began)


def decode_rate(broker: Broker) -> float:
    """Messages per second through the log's own read and msgspec's typed decoding, nothing else."""
    decode = msgspec.json.Decoder(traffic.TrafficFlowObserved).decode
    began, count = time.perf_counter(), 0
    for partition in broker.partitions(traffic.FEED.topic):
        for record in broker.read(partition, 0, _RECORDS):
            decode(record.value)
            count += 1
    return count / (time.perf_counter() - began)


def upsert_rate(folder: Path) -> float:
    """Rows per second of additive upserts in key order, one transaction, into a table as the finest windows are."""
    path = folder / "upserts.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        columns = ", ".join(f'"{name}" INTEGER NOT NULL' for name in COLUMNS)
        connection.execute(
            f"CREATE TABLE windows ({columns}, PRIMARY KEY (series, place, origin, start)) WITHOUT ROWID"
        )
        rows = _rows()
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_UPSERT, rows)
        connection.execute("COMMIT")
        return len(rows) / (time.perf_counter() - began)
    finally:
        connection.close()
        for left in folder.glob("upserts.db*"):
            left.unlink()


_ARRAYS: Final = ", ".join(["%s::bigint[]"] * len(COLUMNS))
_POSTGRES_UPSERT: Final = f"""INSERT INTO plain_upserts SELECT * FROM unnest({_ARRAYS})
    ON CONFLICT (series, place, origin, start) DO UPDATE SET
    "count" = plain_upserts."count" + excluded."count", weight = plain_upserts.weight + excluded.weight,
    "sum" = plain_upserts."sum" + excluded."sum", "min" = least(plain_upserts."min", excluded."min"),
    "max" = greatest(plain_upserts."max", excluded."max"), last_at = greatest(plain_upserts.last_at, excluded.last_at),
    "last" = excluded."last" """


def postgres_upsert_rate(url: str) -> float:
    """Rows per second of the same upserts into PostgreSQL: one statement over arrays, committed to the disk."""
    columns = ", ".join(f'"{name}" BIGINT NOT NULL' for name in COLUMNS)
    arrays = [list(column) for column in zip(*_rows(), strict=True)]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE plain_upserts ({columns}, PRIMARY KEY (series, place, origin, start))".encode()
        )
        try:
            began = time.perf_counter()
            connection.execute(_POSTGRES_UPSERT.encode(), arrays)
            return _ROWS / (time.perf_counter() - began)
        finally:
            connection.execute(b"DROP TABLE plain_upserts")


def _rows() -> Sequence[tuple[int, ...]]:
    return [(1 + at // 10_000, at % 10_000, 0, 1_700_000_000_000, 5, 5, at, 0, at, at, at) for at in range(_ROWS)]
