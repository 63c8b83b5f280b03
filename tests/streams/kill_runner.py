"""Runs ingest (or roll-ups) over the centre of a folder, in child processes that are killed where the plan says.

Started by `test_exactly_once.py` as a program of its own: `python -m tests.streams.kill_runner PLAN`, PLAN in JSON.
It forks a child for each kill. A child opens the store and the log anew, as after a crash, and dies by SIGKILL. In the
end one child works undisturbed until the log is done. Prints how many children were killed.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from sqlalchemy import update

from ioc.feeds import FEEDS
from ioc.jobs.rollups import roll_up
from ioc.model.columns import START, Integers
from ioc.processes.ingest import run as run_program
from ioc.settings import Settings
from ioc.store import cases, dead_letters, figures, streams, writing
from ioc.store.engine import Connection, Store
from ioc.store.schema import positions
from ioc.streams import ingest as ingesting
from ioc.streams.fold import windows_of_readings
from ioc.streams.ingest import Batch, Ingest, Overtaken
from tests.streams.history import ARRIVAL
from tests.streams.small_centre import CAP, SETTINGS, SmallCentre, open_centre

STEPS: dict[str, Any] = {
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
"""Named functions of a transaction, and the modules that they are called through."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run: each kill is (before | after, step, its how-manieth call), `commit` being a step too.

    `random_kills` more come from outside, at any moment. With `both`, two children work at once.
    """

    folder: str
    kills: tuple[tuple[str, str, int], ...] = ()
    random_kills: int = 0
    work: str = "ingest"
    bug: str | None = None
    both: bool = False
    batch: int = 4
    seed: int = 0

    def as_json(self) -> str:
        return json.dumps(asdict(self))


# --- planted bugs ----------------------------------------------------------------------------------------------

_apply = Ingest.apply


@contextmanager
def _position_stands_still() -> Iterator[Callable[..., bool]]:
    advance = streams.advance_position
    streams.advance_position = lambda *_: True
    try:
        yield advance
    finally:
        streams.advance_position = advance


def _advance_all(ingest: Ingest, batch: Batch, before: dict[Any, Any]) -> None:
    with ingest._store.writing() as connection:
        for partition, records in batch.records.items():
            streams.advance_position(connection, before[partition], records[-1].offset + 1, 0, ARRIVAL)


def _position_before_effect(self: Ingest, batch: Batch, now: int) -> None:
    _advance_all(self, batch, dict(self._positions))
    with _position_stands_still():
        _apply(self, batch, now)


def _position_after_effect(self: Ingest, batch: Batch, now: int) -> None:
    before = dict(self._positions)
    with _position_stands_still():
        _apply(self, batch, now)
    _advance_all(self, batch, before)


def _without_comparing(
    connection: Connection, old: streams.Position, next_offset: int, event_time: int, now: int
) -> bool:
    this = (positions.c.topic == old.topic, positions.c.partition == old.partition)
    connection.execute(update(positions).where(*this).values(next_offset=next_offset))
    return True


def _marks_after_effect(self: Ingest, batch: Batch, now: int) -> None:
    append, waiting = writing.append_marks, []
    setattr(writing, "append_marks", lambda _, level, keys: waiting.append((level, keys)))  # noqa: B010 - a planted bug
    try:
        _apply(self, batch, now)
    finally:
        writing.append_marks = append
    for level, keys in waiting:
        with self._store.writing() as connection:
            writing.append_marks(connection, level, keys)


def _late_dropped() -> Callable[..., tuple[Integers, Integers]]:
    fold, newest = windows_of_readings, 0

    def _only_new(readings: Any) -> tuple[Integers, Integers]:
        nonlocal newest
        table, latest = fold(readings)
        newest = max(newest, int(table[START].max()))
        return np.ascontiguousarray(table[:, table[START] > newest - 60_000]), latest

    return _only_new


def plant(bug: str) -> None:
    """Break what the tests must find broken."""
    match bug:
        case "position before the effect":
            Ingest.apply = _position_before_effect  # type: ignore[method-assign]
        case "position after the effect":
            Ingest.apply = _position_after_effect  # type: ignore[method-assign]
        case "marks after the effect":
            Ingest.apply = _marks_after_effect  # type: ignore[method-assign]
        case "position not compared":
            streams.advance_position = _without_comparing
        case "batch indexes not remembered":
            streams.remember_indexes = lambda *_: None
        case "late data dropped":
            setattr(ingesting, "windows_of_readings", _late_dropped())  # noqa: B010 - a planted bug
        case _:
            raise ValueError(bug)


# --- dying -----------------------------------------------------------------------------------------------------


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def place_kill(when: str, step: str, nth: int) -> None:
    """Let this process die before or after the nth call of a step."""
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
                    _die()
            if is_now:
                _die()

        Store.writing = _writing  # type: ignore[method-assign]
        return
    module = STEPS[step]
    function = getattr(module, step)

    def _dying(*args: Any, **more: Any) -> Any:
        is_now = _is_the_one()
        if is_now and when == "before":
            _die()
        result = function(*args, **more)
        if is_now:
            _die()
        return result

    setattr(module, step, _dying)


# --- working ---------------------------------------------------------------------------------------------------


def _ingest(centre: SmallCentre, batch: int) -> None:
    """As the program does it: batch after batch; overtaken, it starts again from the stored positions."""
    ingest = centre.ingest(replace(SETTINGS, batch=batch))
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


def _ingest_as_the_program(centre: SmallCentre, batch: int) -> None:
    """The loop of `python -m ioc ingest`, stopped once the log of its feeds is done."""
    stop = threading.Event()
    partitions = [partition for feed in FEEDS.values() for partition in centre.broker.partitions(feed.topic)]
    end = sum(centre.broker.extent(partition).end for partition in partitions)

    def _watch() -> None:
        while not stop.is_set():
            with centre.store.reading() as connection:
                done = connection.exec_driver_sql("SELECT sum(next_offset) FROM positions").scalar()
            if done == end:
                stop.set()
            stop.wait(0.02)

    watcher = threading.Thread(target=_watch, daemon=True)
    watcher.start()
    # Far smaller batches than the setting allows, so that there are many transactions to die in.
    settings = Settings(data=centre.folder, ingest_linger=0.01).model_copy(
        update={"ingest_batch": batch, "dead_letter_cap": CAP}
    )
    run_program(settings, centre.store, centre.broker, stop)
    watcher.join()


def _work(plan: Plan, kill: tuple[str, str, int] | None) -> None:
    if plan.bug is not None:
        plant(plan.bug)
    centre = open_centre(Path(plan.folder))
    if kill is not None:
        place_kill(*kill)
    match plan.work:
        case "ingest":
            _ingest(centre, plan.batch)
        case "ingest as two":
            _ingest_as_two(centre, plan.batch)
        case "program":
            _ingest_as_the_program(centre, plan.batch)
        case "roll up":
            roll_up(centre.store, centre.rules)
    centre.close()


def _fork(plan: Plan, kill: tuple[str, str, int] | None) -> int:
    child = os.fork()
    if child:
        return child
    try:
        _work(plan, kill)
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


def run(plan: Plan) -> int:
    """Carry out the plan; how many children were killed."""
    random, killed = Random(plan.seed), 0
    for kill in plan.kills:
        killed += _was_killed(_fork(plan, kill))
    for _ in range(plan.random_kills):
        children = [_fork(plan, None) for _ in range(1 + plan.both)]
        for child in children:
            time.sleep(random.uniform(0.01, 0.08))
            os.kill(child, signal.SIGKILL)
        killed += sum(map(_was_killed, children))
    children = [_fork(plan, None) for _ in range(1 + plan.both)]
    if sum(map(_was_killed, children)):
        sys.exit("nobody was to be killed here")
    return killed


if __name__ == "__main__":
    stated = json.loads(sys.argv[1])
    kills = tuple(tuple(kill) for kill in stated.pop("kills"))
    print(run(Plan(kills=kills, **stated)))
