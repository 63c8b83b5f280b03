"""Ingest over the centre of a folder until SIGTERM: `python -m tests.streams.program FOLDER NAME`.

It is the loop of `python -m ioc ingest`; only the batches are smaller, so that there are many.
"""

import sys
from pathlib import Path

from ioc import logs
from ioc.processes.ingest import run
from ioc.processes.stopping import stop_on_signals
from ioc.settings import Settings
from tests.streams.small_centre import CAP, open_centre


def main(folder: Path, name: str) -> None:
    logs.configure("ingest")
    stop = stop_on_signals()
    centre = open_centre(folder)
    settings = Settings(data=folder).model_copy(
        update={"ingest_batch": 100, "ingest_linger": 0.05, "dead_letter_cap": CAP, "instance": name}
    )
    try:
        run(settings, centre.store, centre.log, stop)
    finally:
        centre.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
