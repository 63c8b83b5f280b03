"""Whether ingest keeps to its memory: resident pages of `python -m ioc ingest` while millions of observations pass.

The workload is that of `production` with 100 observations per message, from a real Kafka broker to a real PostgreSQL.
This program appends, never far ahead of what is applied, and looks at /proc/PID/statm meanwhile. Within a batch it
rises and falls with what the batch holds. Flat means: of the medians of each tenth of the way, none of the last five
is farther than 5 % from their middle.

All 100 million observations take as long as they take; without IOC_PROVE it ends after five minutes and says how many
passed.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import messages, territory
from benchmarks.centre import Centre, synthetic_centre
from benchmarks.report import Figure, Report
from benchmarks.servers import PARTITIONS, Absent, Servers, applied_messages, configuration, real_servers
from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.feeds import traffic
from ioc.model.windows import MINUTE
from ioc.processes.clock import milliseconds_now

TOLERANCE: Final = 0.05
OF_RECORD: Final = 100
MESSAGES_OF_RECORD: Final = 25
BACKLOG: Final = 20_000
"""Records that are appended and not yet applied, at most: a full batch always waits."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Size:
    """Ends after so many observations, or after so many seconds."""

    territory: territory.Size
    observations: int
    seconds: float


FULL: Final = Size(territory.FULL, 100_000_000, float("inf") if os.environ.get("IOC_PROVE") else 300.0)
TINY: Final = Size(territory.TINY, 300_000, 60.0)


@dataclass(frozen=True, slots=True)
class Sample:
    observations: int
    resident: int


def run(size: Size = FULL) -> Report:
    try:
        with real_servers() as servers:
            return _report(size, servers)
    except Absent as absent:
        return Report("memory", [f"not measured: {absent}"], [])


def _report(size: Size, servers: Servers) -> Report:
    began = time.perf_counter()
    samples = _samples(size, servers)
    seconds, passed = time.perf_counter() - began, samples[-1].observations
    tenths = [
        [one.resident / 1e6 for one in samples if number <= one.observations * 10 / passed < number + 1]
        for number in range(5, 10)
    ]
    middles = [median(tenth) for tenth in tenths if tenth] or [samples[-1].resident / 1e6]
    half = [one.resident / 1e6 for one in samples if one.observations >= passed / 2]
    middle = median(middles)
    off = max(max(middles) - middle, middle - min(middles)) / middle
    figures = [
        Figure("observations applied", f"{passed:,}", beside=f"{passed / seconds:,.0f} observations/s, with appending"),
        Figure("resident, first batch", f"{samples[0].resident / 1e6:,.0f} MB"),
        Figure("resident, last half", f"{median(half):,.0f} MB", f"{min(half):,.0f} – {max(half):,.0f}"),
        Figure(
            "tenth farthest from the middle, last half",
            f"{off * 100:.1f} %",
            beside=f"{', '.join(f'{one:,.0f}' for one in middles)} MB; {len(half)} samples",
            goal=f"≤ {TOLERANCE * 100:g} %",
            is_met=off <= TOLERANCE,
        ),
    ]
    workload = [
        f"`python -m ioc ingest`, 100 observations per message, up to {size.observations:,} or {size.seconds:g} s",
        *configuration(),
    ]
    return Report("memory", workload, figures)


def _samples(size: Size, servers: Servers) -> list[Sample]:
    stated = {"broker": servers.broker, "store": servers.store, "kafka_partitions": str(PARTITIONS), "kafka_keep": "1"}
    with synthetic_centre(size.territory, **stated) as centre:
        broker = open_broker(centre.settings)
        try:
            centre.start("ingest")
            return _pass_through(size, servers, centre, broker)
        finally:
            centre.stop()
            broker.close()


def _pass_through(size: Size, servers: Servers, centre: Centre, broker: Broker) -> list[Sample]:
    samples: list[Sample] = []
    wanted, assets = size.observations // OF_RECORD, size.territory.assets
    windows = -(-wanted // assets)
    first = ((milliseconds_now() - MINUTE) // messages.WINDOW_MS - windows) * messages.WINDOW_MS
    ends, appended = time.perf_counter() + size.seconds, 0

    def waiting() -> int:
        """Records that are appended and not yet applied; what it learns on the way is a sample."""
        applied = applied_messages(servers.store) // MESSAGES_OF_RECORD
        if applied:
            samples.append(Sample(applied * OF_RECORD, _resident(centre.pid("ingest"))))
        return appended - applied

    for records in messages.records(messages.in_order(assets, windows, 1, first), "all", messages.hundred_numbers):
        broker.append(traffic.FEED.topic, records, milliseconds_now())
        appended += len(records)
        centre.wait(lambda: waiting() <= BACKLOG, "ingest keeps up", every_s=0.1)
        if time.perf_counter() > ends:
            break
    centre.wait(lambda: waiting() <= 0, "all is applied", every_s=0.1)
    return samples


def _resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
