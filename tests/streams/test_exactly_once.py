"""kill -9 at any point: nothing lost, nothing twice. And the proof of the proof: planted bugs that must be seen.

Ingest runs in processes of its own over a real log and a real store (`kill_runner.py`). What must come out is told by
the oracle, which knows the history only.
"""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ioc.broker.embedded import EmbeddedBroker
from ioc.feeds import FEEDS
from ioc.jobs.rollups import roll_up
from tests.streams.history import ARRIVAL, Bad, Sent
from tests.streams.kill_runner import STEPS, Plan
from tests.streams.long_history import long_history
from tests.streams.oracle import expected
from tests.streams.small_centre import ALL_FEEDS, copy_centre, open_centre
from tests.streams.stored import assert_same, stored

PROVE = bool(os.environ.get("IOC_PROVE"))
PROJECT = Path(__file__).resolve().parents[2]
INGEST_STEPS = [step for step in STEPS if step not in ("replace_windows", "remove_windows", "delete_marks")]
BUGS = (
    "position before the effect",
    "position after the effect",
    "marks after the effect",
    "batch indexes not remembered",
    "late data dropped",
)


def _append(broker: EmbeddedBroker, history: Sequence[Sent]) -> None:
    by_topic: dict[str, list[Sent]] = defaultdict(list)
    for one in history:
        by_topic[ALL_FEEDS[one.feed].topic].append(one)
    for topic, group in by_topic.items():
        broker.append(topic, [one.record for one in group], ARRIVAL)


def _prepare(template: Path, folder: Path, history: Sequence[Sent]) -> None:
    centre = copy_centre(template, folder)
    _append(centre.broker, history)
    centre.close()


def _run(plan: Plan) -> int:
    """How many processes were killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.streams.kill_runner", plan.as_json()],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])  # the programs log before it


def _check(folder: Path, history: Sequence[Sent]) -> None:
    """Compare with the ledger: every window at every level, cases, figures, counts of dead letters."""
    centre = open_centre(folder)
    roll_up(centre.store, centre.rules)
    found = stored(centre.store)
    with centre.store.reading() as connection:
        applied = connection.exec_driver_sql("SELECT sum(next_offset) FROM positions").scalar()
        counted = connection.exec_driver_sql("SELECT sum(accepted + rejected + duplicate) FROM source_counts").scalar()
    centre.close()
    assert applied == len(history)
    assert counted == len(history), f"accepted, rejected and duplicate: {counted} of {len(history)} records"
    assert_same(found, expected(history))


def _prove(template: Path, folder: Path, history: Sequence[Sent], plan: Plan) -> int:
    _prepare(template, folder, history)
    killed = _run(replace(plan, folder=str(folder)))
    _check(folder, history)
    return killed


def _kills(nth: Sequence[int], steps: Sequence[str] = (*INGEST_STEPS, "commit")) -> tuple[tuple[str, str, int], ...]:
    return tuple((when, step, n) for n in nth for step in steps for when in ("before", "after"))


def test_killed_around_every_step_nothing_is_lost_and_nothing_twice(template: Path, tmp_path: Path) -> None:
    kills = _kills([1], ["advance_position", "store_cases", "add_windows", "append_marks", "append_change", "commit"])
    killed = _prove(template, tmp_path / "c", long_history(1, 200), Plan("", kills))
    assert killed == len(kills) == 12


@pytest.mark.slow
def test_killed_while_the_roll_up_runs(template: Path, tmp_path: Path) -> None:
    history = long_history(2, 150)
    _prepare(template, tmp_path / "c", history)
    assert _run(Plan(str(tmp_path / "c"))) == 0
    kills = _kills([1, 2, 3], ["replace_windows", "remove_windows", "append_marks", "delete_marks", "commit"])
    assert _run(Plan(str(tmp_path / "c"), kills, work="roll up")) >= 10
    _check(tmp_path / "c", history)


@pytest.mark.slow
def test_two_programs_at_one_log_apply_each_record_once(template: Path, tmp_path: Path) -> None:
    _prove(template, tmp_path / "c", long_history(3, 200), Plan("", work="ingest as two"))


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_seen(template: Path, tmp_path: Path, bug: str) -> None:
    kills = _kills([2], ["add_windows", "append_change", "commit"])
    with pytest.raises(AssertionError, match=r"rows differ|accepted"):
        _prove(template, tmp_path / "c", long_history(4, 200), Plan("", kills, bug=bug))


@pytest.mark.slow
def test_a_position_that_is_not_compared_is_seen(template: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"rows differ|accepted"):
        _prove(
            template,
            tmp_path / "c",
            long_history(3, 200),
            Plan("", work="ingest as two", bug="position not compared"),
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20 if PROVE else 1))
def test_killed_at_every_call_of_every_step(template: Path, tmp_path: Path, seed: int) -> None:
    kills = _kills([1, 2, 3, 4])
    assert _prove(template, tmp_path / "c", long_history(100 + seed, 1_600), Plan("", kills)) == len(kills)


@pytest.mark.slow
def test_the_program_itself_goes_on_where_it_was_killed(template: Path, tmp_path: Path) -> None:
    """`ioc.processes.ingest`, with its own loop, settings and feeds."""
    history = [one for one in long_history(5, 900) if one.feed in FEEDS and one.meaning != Bad("too_large")]
    kills = _kills([1, 2], ["advance_position", "add_windows", "store_cases", "append_change", "commit"])
    assert _prove(template, tmp_path / "c", history, Plan("", kills, work="program")) == len(kills)


@pytest.mark.slow
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("seed", range(20 if PROVE else 1))
def test_killed_at_any_moment(template: Path, tmp_path: Path, seed: int, both: bool) -> None:
    plan = Plan("", random_kills=40, both=both, batch=2, seed=seed)
    assert _prove(template, tmp_path / "c", long_history(200 + seed, 1_200), plan) > 20
