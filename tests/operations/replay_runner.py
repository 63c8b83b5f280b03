"""Sends dead letters of a centre again, in a process of its own that dies by SIGKILL where it is told.

Started by `test_dead_letters.py`: `python -m tests.operations.replay_runner FOLDER STEP ID…`; STEP is `append` or
`mark`: what is about to be done when the process dies.
"""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from ioc.model.access import system_principal
from ioc.operations.dead_letters import replay
from ioc.settings import Settings
from ioc.store import dead_letter_reading
from tests.operations.rows import NOW, Rows
from tests.streams.small_centre import open_centre


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, step: str, letters: list[int]) -> None:
    rows = Rows(open_centre(folder), Settings.load({"IOC_DATA": str(folder)}, folder=folder))
    if step == "append":
        setattr(rows.small.broker, "append", _die)  # noqa: B010 - where it dies
    else:
        dead_letter_reading.mark_replayed = _die
    replay(system_principal("test"), rows.intake, letters, now=NOW + timedelta(minutes=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [int(one) for one in sys.argv[3:]])
