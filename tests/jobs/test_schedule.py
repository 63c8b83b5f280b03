"""Jobs by interval: none stands in another's way, none runs twice at once, and stopping waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ioc.errors import StoreError
from ioc.jobs.schedule import Job, run_jobs

LONG = 30.0


@contextmanager
def _running(*jobs: Job) -> Iterator[threading.Event]:
    stop = threading.Event()
    program = threading.Thread(target=run_jobs, args=(jobs, stop))
    program.start()
    try:
        yield stop
    finally:
        stop.set()
        program.join(LONG)
        assert not program.is_alive()


class _Runs:
    """Counts its runs, and lets a test wait for one of them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self._error = error
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
        if self._error is not None:
            raise self._error

    def reach(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, LONG)


def test_each_job_runs_at_once_and_then_again_and_again() -> None:
    runs = _Runs()
    with _running(Job("one", 0.05, runs)):
        assert runs.reach(3)


def test_a_job_that_fails_runs_again_and_the_others_go_on() -> None:
    known, unknown, fine = _Runs(StoreError("the disk is full")), _Runs(ZeroDivisionError()), _Runs()
    with _running(Job("known", 0.05, known), Job("unknown", 0.05, unknown), Job("fine", 0.05, fine)):
        assert known.reach(3)
        assert unknown.reach(3)
        assert fine.reach(3)


def test_a_long_run_holds_up_no_other_job_and_is_not_started_twice() -> None:
    begun, go_on, others, at_once = threading.Event(), threading.Event(), _Runs(), []

    def _long() -> None:
        at_once.append(threading.current_thread())
        begun.set()
        go_on.wait(LONG)

    with _running(Job("long", 0.05, _long), Job("others", 0.05, others)):
        assert begun.wait(LONG)
        assert others.reach(5)
        assert len(at_once) == 1
        go_on.set()


def test_stopping_waits_for_the_run_under_way() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def _run() -> None:
        begun.set()
        go_on.wait(LONG)
        ended.set()

    with _running(Job("one", 60, _run)) as stop:
        assert begun.wait(LONG)
        stop.set()
        go_on.set()
    assert ended.is_set()
