"""Quix Streams beside us: in an environment of its own, since it pins another Kafka client than we do.

The environment is made once, with this machine's pip, in `.parts/quix`. Where it cannot be made, that is said in place
of a figure.
"""

import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.servers import Absent
from scripts.parts import FOLDER

VERSION: Final = "3.28.1"
HOME: Final = FOLDER / "quix" / VERSION
PATIENCE_S: Final = 400.0

KINDS: Final = {
    "default": "its defaults (commit every 5 s, changelog topics)",
    "tuned": "commit every 30 s, no changelog topics",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """How far a peer came, and in how long from its first message."""

    messages: int
    seconds: float
    windows: int

    @property
    def rate(self) -> float:
        return self.messages / self.seconds


def environment() -> Path:
    """The interpreter of the peer's environment, which is made if it is not there; Absent if it cannot be."""
    python, done = HOME / "bin" / "python", HOME / "complete"
    if done.is_file():
        return python
    venv.create(HOME, clear=True, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", f"quixstreams=={VERSION}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise Absent(
            f"quixstreams {VERSION} could not be installed: {(answer.stderr.splitlines() or ['pip failed'])[-1]}"
        )
    done.touch()
    return python


def tumbling_windows(address: str, topic: str, wanted: int, kind: str) -> Taken:
    """Let the peer make windows of the first messages of a topic; Absent if it does not."""
    python = environment()
    with tempfile.TemporaryDirectory(prefix="ioc-bench-quix-") as folder:
        program = str(Path(__file__).with_name("quix_windows.py"))
        try:
            answer = subprocess.run(
                [str(python), "-W", "ignore", program, address, topic, folder, str(wanted), kind],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired as error:
            raise Absent(f"Quix Streams did not end within {PATIENCE_S:.0f} s") from error
    if answer.returncode or not answer.stdout.strip():
        raise Absent(f"Quix Streams failed: {(answer.stderr.splitlines() or ['without a word'])[-1]}")
    return Taken(**json.loads(answer.stdout.splitlines()[-1]))


def description() -> str:
    kinds = "; ".join(f"{name}: {what}" for name, what in KINDS.items())
    return (
        f"Quix Streams {VERSION} ({Path(sys.executable).name} of its own): benchmarks/quix_windows.py, JSON, event time"
        f" from dateObserved, tumbling 10 s with count, sum, min, max, final windows dropped, RocksDB; {kinds}"
    )
