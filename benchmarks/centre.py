"""A centre of its own for each benchmark: a temporary folder, a free port, and the real programs as processes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import territory
from ioc import logs
from ioc.processes import setup
from ioc.processes.port import why_not_ready
from ioc.processes.run import HISTORY_DONE
from ioc.settings import PROJECT, Settings
from scripts.parts.server import free_port

PATIENCE_S: Final = 240.0


class Centre:
    """Settings, and the programs that run under them; `programs` are named as on the command line."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, program: str, *options: str, name: str = "") -> None:
        """Start a program; one that runs more than once needs a name for each."""
        name = name or program
        (self.settings.data / "logs").mkdir(parents=True, exist_ok=True)
        environ = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")}
        with (self.settings.data / "logs" / f"benchmark-{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "ioc", program, *options],
                cwd=PROJECT,
                env=environ | self.settings.environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def stop(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def wait(self, condition: Callable[[], bool], what: str, *, every_s: float = 0.02) -> float:
        """Wait until it holds; the seconds that it took. Fails when a program ends or patience does."""
        began = time.perf_counter()
        while not condition():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}: {self._last_words(name)}")
            if time.perf_counter() - began > PATIENCE_S:
                raise RuntimeError(f"not within {PATIENCE_S:g} s: {what}")
            time.sleep(every_s)
        return time.perf_counter() - began

    def is_ready(self) -> bool:
        return why_not_ready(self.settings.host, self.settings.port) is None

    def live_through_a_first_start(self, until: Callable[[], bool]) -> None:
        """The first `run` with its simulators, until the past is told and more holds; then stop it."""
        self.start("run")
        self.wait((self.settings.data / HISTORY_DONE).exists, "the past is told", every_s=0.5)
        self.wait(until, "what the first start is to end with", every_s=0.5)
        self.stop()

    def _last_words(self, program: str) -> str:
        text = (self.settings.data / "logs" / f"benchmark-{program}.log").read_text(encoding="utf-8", errors="replace")
        return text[-2000:]


@contextmanager
def synthetic_centre(size: territory.Size, **stated: str) -> Iterator[Centre]:
    """A centre over the benchmarks' own province; `stated` are further settings."""
    with _folder() as folder:
        territory.write_province(folder / "provinces" / territory.ID, size)
        stated |= {"province": territory.ID, "province_dir": str(folder / "provinces")}
        with _centre(folder, **stated) as centre:
            yield centre


@contextmanager
def shipped_centre() -> Iterator[Centre]:
    """A centre over the province that a first start serves."""
    with _folder() as folder, _centre(folder) as centre:
        yield centre


@contextmanager
def _centre(folder: Path, **stated: str) -> Iterator[Centre]:
    stated |= {"data": str(folder / "data"), "port": str(free_port()), "log_level": "warning"}
    settings = Settings.load({f"IOC_{name.upper()}": text for name, text in stated.items()}, folder=folder)
    logs.configure("benchmarks", level=settings.log_level, form="text")
    setup.main(settings)
    centre = Centre(settings)
    try:
        yield centre
    finally:
        centre.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ioc-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
