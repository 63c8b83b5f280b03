"""Running jobs by interval in one process, each job one run at a time.

Every job works off what it finds, so a missed run needs no catching up: `coalesce` runs it once, and no run is
ever called too late (`misfire_grace_time`; the scheduler's own default skips what is late by a second, silently).
A job that fails is logged and runs again at its next time; the others go on.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from ioc import logs
from ioc.errors import IocError

log = logs.get_logger("ioc.jobs")


@dataclass(frozen=True, slots=True)
class Job:
    """`run` is called every `every` seconds, first at once."""

    id: str
    every: float
    run: Callable[[], None]


def run_jobs(jobs: Sequence[Job], stop: threading.Event) -> None:
    """Run the jobs until `stop` is set; the run that is under way is waited for."""
    scheduler = BackgroundScheduler(
        # Long work (roll-ups after a back-fill) must not hold up what screens wait for. The store's writers take
        # turns by the chunk anyway.
        executors={"default": ThreadPoolExecutor(len(jobs))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
    for job in jobs:
        scheduler.add_job(_guarded(job), "interval", seconds=job.every, id=job.id, next_run_time=_at_once())
    # A run that is due while the last one goes on is left out; that is meant, and not worth a line each time.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler.start()
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)


def _guarded(job: Job) -> Callable[[], None]:
    def _run() -> None:
        try:
            job.run()
        except IocError as error:
            log.error(str(error), job=job.id)
        except Exception:
            log.exception("a job failed; it runs again at its next time", job=job.id)

    return _run


def _at_once() -> datetime:
    return datetime.now(UTC)
