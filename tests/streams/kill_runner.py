"""Runs ingest (or roll-ups) over the centre of a folder, in child processes that are killed where the plan says.

Started by `killing.py` as a program of its own: `python -m tests.streams.kill_runner PLAN`, PLAN in JSON. It forks a
child for each kill. A child opens the store and the log anew, as after a crash, and dies by SIGKILL. In the end one
child works undisturbed until the log is done. Prints how many children were killed, by place, in JSON.
"""

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from ioc.jobs.rollups import roll_up
from ioc.processes.ingest import run as run_program
from ioc.processes.ingest import writer_beside
from ioc.settings import Settings
from ioc.store import cases, dead_letters, figures, streams, writing
from ioc.store.engine import Connection, Store
from ioc.streams import ingest as ingesting
from ioc.streams.ingest import Overtaken
from tests.streams.history import ARRIVAL
from tests.streams.planted_bugs import plant
from tests.streams.small_centre import CAP, SETTINGS, SmallCentre, open_centre

STEPS: Final[dict[str, Any]] = {
    "decode": ingesting,
    "windows_of_readings": ingesting,
    "advance_position": streams,
    "load_cases": cases,
    "store_cases": cases,
    "add_windows": writing,
    "upsert_latest": writing,
    "append_marks": writing,
    "upsert_figures": figures,
    "remember_indexes": streams,
    "add_heartbeats": streams,
    "add_dead_letters": dead_letters,
    "append_change": writing,
    "replace_windows": writing,
    "remove_windows": writing,
    "delete_marks": writing,
}
"""Named functions before and in a transaction, and the modules that they are called through."""

AT_ANY_MOMENT: Final = "at any moment"

Place = tuple[str, str, int]
"""before | after, a step (`commit` being one too), its how-manieth call."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run: a child is killed at each of the places; `random_kills` more are killed at any moment.

    Such a child lives at most `life_s` after it has opened its store. With `both`, two children work at once.
    `frozen` is where a child freezes itself: another does all the work, then it is thawed.
    """

    folder: str
    kills: tuple[Place, ...] = ()
    random_kills: int = 0
    work: str = "ingest"
    bug: str | None = None
    both: bool = False
    batch: int = 4
    seed: int = 0
    life_s: float = 0.1
    frozen: Place | None = None
    end: int = 0  # the sum of all positions when the log is done

    def as_json(self) -> str:
        return msgspec.json.encode(self).decode()


# --- dying and freezing ----------------------------------------------------------------------------------------


def _signal_place(place: Place, sign: signal.Signals) -> None:
    """Let this process send itself a signal before or after the nth call of a step."""
    when, step, nth = place

    def _strike() -> None:
        os.kill(os.getpid(), sign)

    calls = 0

    def _is_the_one() -> bool:
        nonlocal calls
        calls += 1
        return calls == nth

    if step == "commit":
        writing_before = Store.writing

        @contextmanager
        def _writing(self: Store) -> Iterator[Connection]:
            with writing_before(self) as connection:
                yield connection
                is_now = _is_the_one()
                if is_now and when == "before":
                    _strike()
            if is_now and when == "after":
                _strike()

        Store.writing = _writing  # type: ignore[method-assign]
        return
    module = STEPS[step]
    function = getattr(module, step)

    def _struck(*args: Any, **more: Any) -> Any:
        is_now = _is_the_one()
        if is_now and when == "before":
            _strike()
        result = function(*args, **more)
        if is_now and when == "after":
            _strike()
        return result

    setattr(module, step, _struck)


# --- working ---------------------------------------------------------------------------------------------------


def _ingest(centre: SmallCentre, batch: int) -> None:
    """As the program does it: batch after batch; overtaken, it starts again from the stored positions."""
    with writer_beside(centre.store) as writer:
        ingest = centre.ingest(replace(SETTINGS, batch=batch), writer=writer)
        while True:
            try:
                if not ingest.step(ARRIVAL):
                    return
            except Overtaken:
                ingest.start(ARRIVAL)


def _ingest_as_two(centre: SmallCentre, batch: int) -> None:
    """Two programs in step: each reads before the other has applied what both have read."""
    one, other = (centre.ingest(replace(SETTINGS, batch=batch)) for _ in range(2))
    while True:
        first, second = one.read(), other.read()
        if not first.size:
            return
        one.apply(first, ARRIVAL)
        try:
            other.apply(second, ARRIVAL)
        except Overtaken:
            other.start(ARRIVAL)
        one, other = other, one
        other.start(ARRIVAL)


def _ingest_as_the_program(centre: SmallCentre, plan: Plan, name: str) -> None:
    """The loop of `python -m ioc ingest` under that name, stopped once the log of its feeds is done."""
    stop = threading.Event()

    def _watch() -> None:
        while not stop.is_set():
            with centre.store.reading() as connection:
                done = connection.exec_driver_sql("SELECT sum(next_offset) FROM positions").scalar()
            if done == plan.end:
                stop.set()
            stop.wait(0.02)

    watcher = threading.Thread(target=_watch, daemon=True)
    watcher.start()
    # Far smaller batches than the setting allows, so that there are many transactions to die in.
    settings = Settings(data=centre.folder, ingest_linger=0.01).model_copy(
        update={"ingest_batch": plan.batch, "dead_letter_cap": CAP, "instance": name}
    )
    run_program(settings, centre.store, centre.log, stop)
    watcher.join()


def _jump_at_once() -> None:
    """Do not wait 0.1 s for each partition before the first record: every child begins with all of them."""
    from ioc.broker import kafka_reading  # only here: others need no Kafka

    kafka_reading.FETCH_WAIT_MS = 5  # type: ignore[misc]


def _work(plan: Plan, name: str, place: Place | None, sign: signal.Signals, opened: int) -> None:
    if plan.bug is not None:
        plant(plan.bug)
    centre = open_centre(Path(plan.folder))
    if centre.in_kafka is not None:
        _jump_at_once()
    os.close(opened)
    if place is not None:
        _signal_place(place, sign)
    match plan.work:
        case "ingest":
            _ingest(centre, plan.batch)
        case "ingest as two":
            _ingest_as_two(centre, plan.batch)
        case "program":
            _ingest_as_the_program(centre, plan, name)
        case "roll up":
            roll_up(centre.store, centre.rules)
    centre.close()


def _fork(plan: Plan, name: str = "one", place: Place | None = None, sign: signal.Signals = signal.SIGKILL) -> int:
    """Start a child; it has opened its store when this returns. Two of one name take over from each other at once."""
    ready, opened = os.pipe()
    child = os.fork()
    if child:
        os.close(opened)
        os.read(ready, 1)  # its end closes, by opening the store or by dying
        os.close(ready)
        return child
    os.close(ready)
    try:
        _work(plan, name, place, sign, opened)
    except BaseException:  # noqa: BLE001 - a child never returns into the parent's loop
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _was_killed(child: int) -> bool:
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        sys.exit("a child failed")
    return False


def run(plan: Plan) -> Counter[str]:
    """Carry out the plan; how many children were killed, by place."""
    random, killed, names = Random(plan.seed), Counter[str](), ("one", "two")[: 1 + plan.both]
    for place in plan.kills:
        killed[f"{place[0]} {place[1]}"] += _was_killed(_fork(plan, place=place))
    for _ in range(plan.random_kills):
        children = [_fork(plan, name) for name in names]
        for child in children:
            time.sleep(random.uniform(0, plan.life_s))
            os.kill(child, signal.SIGKILL)
        killed[AT_ANY_MOMENT] += sum(map(_was_killed, children))
    if plan.frozen is not None:
        _freeze_one(plan, plan.frozen)
    children = [_fork(plan, name) for name in names]
    if sum(map(_was_killed, children)):
        sys.exit("nobody was to be killed here")
    return +killed


def _freeze_one(plan: Plan, place: Place) -> None:
    frozen = _fork(plan, "frozen", place, signal.SIGSTOP)
    _, status = os.waitpid(frozen, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        sys.exit(f"no child came to {place}")
    other = _fork(plan)
    if _was_killed(other):
        sys.exit("nobody was to be killed here")
    os.kill(frozen, signal.SIGCONT)
    if _was_killed(frozen):
        sys.exit("nobody was to be killed here")


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)  # where it hangs, says so
    print(msgspec.json.encode(run(msgspec.json.decode(sys.argv[1], type=Plan))).decode())
