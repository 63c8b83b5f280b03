"""The intake over HTTP: requests of 2,000 messages, judged one by one, durable in the log before each answer.

The web program is a process of its own. First it runs alone, then ingest and jobs work off what it takes in. The
senders are threads of this process, each with a key and a connection of its own; the limits of rate are set out of
the way.
"""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Final

from benchmarks import messages, territory
from benchmarks.centre import synthetic_centre
from benchmarks.machine import Baseline
from benchmarks.report import Report, measured
from benchmarks.sender import Sender
from ioc.broker.open import open_broker
from ioc.model.windows import MINUTE
from ioc.processes.clock import milliseconds_now
from ioc.processes.port import answers

SENDERS: Final = 2


@dataclass(frozen=True, slots=True)
class Size:
    territory: territory.Size
    requests: int
    rounds: int


FULL: Final = Size(territory.FULL, requests=20, rounds=5)
TINY: Final = Size(territory.TINY, requests=2, rounds=1)


def run(size: Size = FULL) -> Report:
    baseline = Baseline.empty()
    with synthetic_centre(size.territory, intake_messages="10000000", intake_requests="10000") as centre:
        centre.start("web")
        centre.wait(partial(answers, centre.settings.host, centre.settings.port), "web answers")
        requests = _requests(size)
        with ExitStack() as held:
            senders = [held.enter_context(Sender(centre.settings, f"sender-{number}")) for number in range(SENDERS)]
            _round(senders, requests, 2)
            alone = [_round(senders, requests, size.requests) for _ in range(size.rounds)]
            centre.start("ingest")
            centre.start("jobs")
            centre.wait(centre.is_ready, "ready")
            together = [_round(senders, requests, size.requests) for _ in range(size.rounds)]
        centre.stop()
        broker = open_broker(centre.settings)
        try:
            baseline.measure(broker, centre.settings.data, size.rounds)
        finally:
            broker.close()
    decoded = median(baseline.decoded)
    figures = baseline.figures()
    for title, rates in (("intake, web alone", alone), ("intake, while ingest and jobs work", together)):
        beside = f"{median(rates) / decoded:.2f} × bare read + decode"
        figures.append(replace(measured(title, rates, "messages/s"), beside=beside))
    workload = (
        f"requests of {messages.REQUEST:,} messages of {len(messages.message(0, 0, 1))} bytes, each under an"
        f" Idempotency-Key; {SENDERS} senders at once; {size.territory.assets:,} assets",
        f"{size.rounds} rounds of {size.requests * messages.REQUEST:,} messages in each of the two",
    )
    return Report("intake", workload, figures)


def _requests(size: Size) -> Iterator[bytes]:
    """Bodies without an end; the observed times end a minute ago."""
    windows = 1 + (2 * size.rounds * size.requests + 2) * messages.REQUEST // size.territory.assets
    first = milliseconds_now() - MINUTE - windows * messages.WINDOW_MS
    told = messages.in_order(size.territory.assets, windows, 1, first)
    while chunk := list(itertools.islice(told, messages.REQUEST)):
        yield b"\n".join(messages.message(asset, start, end) for asset, start, end in chunk)


def _round(senders: list[Sender], requests: Iterator[bytes], count: int) -> float:
    """Messages per second of `count` requests, shared among the senders."""
    bodies = list(itertools.islice(requests, count))
    shares = [bodies[number :: len(senders)] for number in range(len(senders))]

    def send(sender: Sender, share: list[bytes]) -> None:
        for body in share:
            sender.post(body, messages.REQUEST, batch=f"{time.time_ns()}")

    began = time.perf_counter()
    with ThreadPoolExecutor(len(senders)) as threads:
        for done in [threads.submit(send, *pair) for pair in zip(senders, shares, strict=True)]:
            done.result()
    return len(bodies) * messages.REQUEST / (time.perf_counter() - began)
