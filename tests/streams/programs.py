"""Ingest programs to be killed and frozen, and a sender that goes on whatever dies."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from ioc.broker.port import Broker
from ioc.errors import BrokerError, StoreError
from ioc.feeds import FEEDS
from ioc.settings import PROJECT
from ioc.store.engine import Store
from tests.databases import scalar
from tests.streams.history import ARRIVAL, Bad, Sent
from tests.streams.long_history import long_history

PAUSE_S: Final = 0.1
PATIENCE_S: Final = 90.0


class Program:
    """One ingest program, of a name that stays; what it logs is in the centre's folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._command = [sys.executable, "-m", "tests.streams.program", str(folder), name]
        self._log = folder / f"{name}.txt"
        self.name = name
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=PROJECT, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """As an administrator does; its exit code."""
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def logged(self) -> str:
        return self._log.read_text(encoding="utf-8")[-5_000:]


class Sender:
    """Sends requests of some records without an end; one that is not acknowledged is sent again until it is.

    As with an Idempotency-Key: each request has a batch id of its own, so that ingest knows what it has applied.
    """

    def __init__(self, log: Broker) -> None:
        self._log = log
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self.accepted: list[Sent] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing is sent, once the request that is under way has been acknowledged."""
        with self._turn:
            yield

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            history = [one for one in long_history(number, 40) if one.feed in FEEDS and one.meaning != Bad("too_large")]
            for feed in FEEDS.values():
                of_feed = [one for one in history if one.feed == feed.id]
                named = [
                    replace(one, source="s1", batch=f"{feed.id}-{number}", index=index)
                    for index, one in enumerate(of_feed)
                ]
                with self._turn:
                    self._send(feed.topic, named)
                self._stop.wait(PAUSE_S)
            number += 1

    def _send(self, topic: str, request: list[Sent]) -> None:
        """Not given up when it is told to stop: what Kafka may have taken must be known in the end."""
        while request:
            try:
                self._log.append(topic, [one.record for one in request], ARRIVAL)
            except BrokerError:
                self._stop.wait(PAUSE_S)
            else:
                self.accepted += request
                return


def applied(store: Store) -> int:
    """Records applied, those that came again not counted."""
    return scalar(store, "SELECT coalesce(sum(accepted + rejected), 0) FROM source_counts")


def wait_until(is_so: Callable[[], bool], *, within_s: float = PATIENCE_S, saying: Callable[[], str] = str) -> float:
    """Wait for it, also while the store is away; the seconds that took."""
    begun = time.monotonic()
    while True:
        try:
            if is_so():
                return time.monotonic() - begun
        except StoreError:
            pass  # it is away
        assert time.monotonic() - begun < within_s, f"not so within {within_s:.0f} s: {saying()}"
        time.sleep(0.02)
