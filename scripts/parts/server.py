"""A server process of our own: started, found healthy, frozen, killed, started again on the same data.

It runs in a session of its own, so that a signal reaches all of its processes and Ctrl-C in a terminal does not.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from scripts.parts import PartError

START_S: Final = 90.0  # a cold Kafka on one busy core
STOP_S: Final = 30.0
LOOK_EVERY_S: Final = 0.05


def free_port() -> int:
    """A TCP port that nothing listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Server(ABC):
    """One server process; its log is in `folder`."""

    name: str

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Of the process that this object started, while it lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder, if it is not there."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What is run."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Whether it answers as a server of its kind does."""

    def process_options(self) -> dict[str, Any]:
        """More options of the process, such as its user."""
        return {}

    def start(self) -> float:
        """Start and wait until healthy; the seconds that took. PartError with the end of its log if it does not."""
        if self.pid is not None:
            raise PartError(f"{self.name} runs already, as process {self.pid}")
        self.prepare()
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self.process_options(),
            )
        try:
            self._wait_until_healthy(begun + START_S)
        except BaseException:
            self.kill()
            raise
        return time.monotonic() - begun

    def _wait_until_healthy(self, deadline: float) -> None:
        while not self.is_healthy():
            if self.pid is None:
                raise PartError(f"{self.name} ended while it started: {self._last_words()}")
            if time.monotonic() > deadline:
                raise PartError(f"{self.name} did not answer within {START_S:.0f} s: {self._last_words()}")
            time.sleep(LOOK_EVERY_S)

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 600))
            return log.read().decode(errors="replace").strip()

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End it as an administrator would; killed if it does not."""
        if self._process is None:
            return
        self.thaw()
        self._send(sign)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """kill -9, of all its processes, and wait until it is gone."""
        if self._process is not None:
            self._send(signal.SIGKILL, *self._children())
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP, of all its processes: connections stay open and nothing answers."""
        self._send(signal.SIGSTOP, *self._children())

    def thaw(self) -> None:
        self._send(signal.SIGCONT, *self._children())

    def _children(self) -> list[int]:
        """Those that it started itself: each process of PostgreSQL is a group of its own."""
        if self._process is None:
            return []
        try:
            listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        return [int(one) for one in listed.split()]

    def _send(self, sign: signal.Signals, *children: int) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, sign)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, sign)
