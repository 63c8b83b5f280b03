"""Keeps child programs running: starts them, starts them again when they die, and ends them all.

A child that dies is started again after 1 s, then 2, 4 … 30 s; after a minute of life it counts as healthy
again. Whatever ends the parent ends the children: an ordered stop (SIGTERM, then SIGKILL), and
on Linux the kernel kills them when the parent itself is killed: no second writer stays behind on the data.

Refused: threads. The parent is one loop that sleeps until a child ends, a signal comes or a time is reached.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Final, Self

from ioc.errors import IocError

FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 30.0
HEALTHY_AFTER_S: Final = 60.0
LOG_BYTES: Final = 20 * 1024 * 1024  # a log file beyond this is moved aside, once: at most 40 MB a program
REFUSES_TO_START: Final = 2  # exit code of a program whose settings or store are wrong; trying again is no cure
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long each way to stop is tried. Not SIGINT: it is a traceback of Python's own while a program still loads.
GRACE_S: Final = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def delay_before_start(deaths: int) -> float:
    """Seconds until a child starts again that died `deaths` (≥ 1) times without being healthy between."""
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(deaths - 1, 10)))


@dataclass(frozen=True, slots=True)
class Program:
    """What to start: a name for people and logs, and a command line."""

    name: str
    command: tuple[str, ...]


@dataclass(slots=True)
class _Child:
    program: Program
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0  # since it was last healthy
    start_at: float = field(default=0.0)


class Children:
    """The running children. Use as a context: entering takes over the signals, leaving stops everything.

    `log_dir` gets one file per program; `say` is told each sentence that a person should see; `environ` is
    the children's environment, `folder` their current folder.
    """

    def __init__(self, log_dir: Path, say: Callable[[str], None], *, environ: Mapping[str, str], folder: Path) -> None:
        self._log_dir = log_dir
        self._say = say
        self._environ = dict(environ)
        self._folder = folder
        self._children: list[_Child] = []
        self._foreground: subprocess.Popen[bytes] | None = None
        self._stop_asked = False
        self._interrupts = 0
        self._lenient = False

    def __enter__(self) -> Self:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._handlers_before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._on_stop) for number in STOP_SIGNALS
        }
        # A handler is needed so that the wake-up file descriptor hears of ended children.
        self._handlers_before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._wake_before = signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        signal.set_wakeup_fd(self._wake_before)
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self._wake_reader.close()
        self._wake_writer.close()

    @property
    def stop_asked(self) -> bool:
        """Somebody pressed Ctrl-C, closed the terminal or sent SIGTERM."""
        return self._stop_asked

    def start(self, program: Program) -> None:
        """Start a program and keep it running until the end."""
        child = _Child(program, self._log_dir / f"{program.name}.log")
        self._children.append(child)
        self._spawn(child)

    def never_give_up(self) -> None:
        """From now on restart a program that refuses to start, too: it once worked with these settings."""
        self._lenient = True

    def run_to_end(self, program: Program) -> int | None:
        """Run a program in the foreground, with the terminal, while the others are kept running.

        Returns its exit code, or None if a stop was asked for before it ended.
        """
        process = self._popen(program, None)
        self._foreground = process
        ended = self.wait_until(lambda: process.poll() is not None, check_every_s=1.0)
        if not ended:
            return None
        self._foreground = None
        return process.returncode

    def wait_until(self, condition: Callable[[], bool], *, check_every_s: float) -> bool:
        """Keep the children running until the condition holds (True) or a stop is asked for (False).

        Raises IocError when a program refuses to start (see `never_give_up`).
        """
        while not self.stop_asked:
            self._restart_the_dead(time.monotonic())
            if condition():
                return True
            self._sleep(check_every_s)
        return False

    def wait_for_stop(self) -> None:
        """Keep the children running until a stop is asked for."""
        self.wait_until(lambda: False, check_every_s=60.0)

    def stop(self) -> None:
        """End all children: SIGTERM, then SIGKILL. A second Ctrl-C goes straight to SIGKILL."""
        processes = [*(child.process for child in self._children), self._foreground]
        self._children.clear()
        self._foreground = None
        running = [process for process in processes if process is not None and process.poll() is None]
        for number, grace_s in GRACE_S:
            kill = number == signal.SIGKILL
            deadline = time.monotonic() + grace_s
            for process in running:
                _send(process, number)
            while running and time.monotonic() < deadline and (kill or self._interrupts < 2):
                self._sleep(deadline - time.monotonic())
                running = [process for process in running if process.poll() is None]

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True
        self._interrupts += number == signal.SIGINT

    def _sleep(self, longest_s: float) -> None:
        """Until a signal (an ended child is one), a child's time to start, or `longest_s`."""
        due = [child.start_at - time.monotonic() for child in self._children if child.process is None]
        seconds = max(0.0, min([longest_s, *due]))
        select.select([self._wake_reader], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while self._wake_reader.recv(4096):
                pass

    def _restart_the_dead(self, now: float) -> None:
        for child in self._children:
            if child.process is not None and (code := child.process.poll()) is not None:
                self._note_death(child, code, now)
            if child.process is None and now >= child.start_at:
                self._spawn(child)
            _move_aside_if_large(child.log)

    def _note_death(self, child: _Child, code: int, now: float) -> None:
        name = child.program.name
        if code == REFUSES_TO_START and not self._lenient:
            child.process = None
            raise IocError(f"{name} refuses to start: {_last_line(child.log)}")
        child.process = None
        child.deaths = 1 if now - child.started >= HEALTHY_AFTER_S else child.deaths + 1
        delay_s = delay_before_start(child.deaths)
        child.start_at = now + delay_s
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        self._say(f"{name} ended ({how}); it starts again in {delay_s:.0f} s; its log is {child.log}")

    def _spawn(self, child: _Child) -> None:
        with child.log.open("ab") as log:
            child.process = self._popen(child.program, log)
        child.started = time.monotonic()

    def _popen(self, program: Program, log: IO[bytes] | None) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, so that Ctrl-C reaches it through the parent only."""
        parent = os.getpid()

        def tie_to_parent() -> None:
            # A shell's `&` makes SIGINT ignored, and children inherit that: they could not be stopped by it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if _libc is not None:
                _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:  # it was killed before the line above
                    os._exit(1)

        return subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environ,
            cwd=self._folder,
            process_group=0,
            preexec_fn=tie_to_parent,  # safe here: the parent has no threads
        )


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)  # what it started itself dies with it
        else:
            process.send_signal(number)


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 4096))
        lines = file.read().decode("utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), f"see {log}")


def _move_aside_if_large(log: Path) -> None:
    """Copy and empty a large log; its writer appends, and goes on at the new end."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
