"""kill -9 at any point: nothing lost, nothing twice. And the proof of the proof: planted bugs that must be seen.

Ingest runs in processes of its own over a real log and a real store (`kill_runner.py`): the embedded log and Kafka,
SQLite and PostgreSQL. What must come out is told by the oracle, which knows the history only.
"""

import os
from collections.abc import Sequence

import pytest

from ioc.feeds import FEEDS
from tests.streams.history import Bad, Sent
from tests.streams.kill_runner import STEPS, Place, Plan
from tests.streams.killing import Killing
from tests.streams.long_history import long_history

PROVE = bool(os.environ.get("IOC_PROVE"))
SEEDS = range(12 if PROVE else 1)
INGEST_STEPS = [step for step in STEPS if step not in ("replace_windows", "remove_windows", "delete_marks")]
BUGS = (
    "position before the effect",
    "position after the effect",
    "marks after the effect",
    "batch indexes not remembered",
    "late data dropped",
)
SEEN = r"rows differ|accepted"


def _kills(nth: Sequence[int], steps: Sequence[str] = (*INGEST_STEPS, "commit")) -> tuple[Place, ...]:
    return tuple((when, step, n) for n in nth for step in steps for when in ("before", "after"))


def _of_real_feeds(seed: int, records: int) -> list[Sent]:
    """What the program itself reads: not the feeds of the test, and all that its limit of size lets through."""
    return [one for one in long_history(seed, records) if one.feed in FEEDS and one.meaning != Bad("too_large")]


# --- kills -----------------------------------------------------------------------------------------------------


def test_killed_around_every_step_nothing_is_lost_and_nothing_twice(embedded: Killing) -> None:
    kills = _kills([1], ["advance_position", "store_cases", "add_windows", "append_marks", "append_change", "commit"])
    assert embedded.prove(long_history(1, 200), Plan("", kills)) == len(kills) == 12


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_every_call_of_every_step(killing: Killing, seed: int) -> None:
    kills = _kills([1, 2, 3, 4] if PROVE else [1])
    assert killing.prove(long_history(100 + seed, 1_600 if PROVE else 350), Plan("", kills)) == len(kills)


@pytest.mark.slow
def test_the_program_itself_goes_on_where_it_was_killed(killing: Killing) -> None:
    """`ioc.processes.ingest`, with its own loop, settings and feeds."""
    kills = _kills([1], ["advance_position", "add_windows", "store_cases", "append_change", "commit"])
    assert killing.prove(_of_real_feeds(5, 400), Plan("", kills, work="program")) == len(kills)


@pytest.mark.slow
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_any_moment(killing: Killing, seed: int, both: bool) -> None:
    plan = Plan("", random_kills=40 if PROVE else 10, both=both, batch=2, seed=seed)
    assert killing.prove(long_history(200 + seed, 1_600 if PROVE else 800), plan) > plan.random_kills // 2


@pytest.mark.slow
def test_killed_while_the_roll_up_runs(embedded: Killing) -> None:
    history = long_history(2, 150)
    end = embedded.prepare(history)
    assert embedded.run(Plan("")) == 0
    kills = _kills([1, 2, 3], ["replace_windows", "remove_windows", "append_marks", "delete_marks", "commit"])
    assert embedded.run(Plan("", kills, work="roll up")) >= 10
    embedded.check(history, end)


# --- two at one log --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_programs_at_one_log_apply_each_record_once(embedded: Killing) -> None:
    embedded.prove(long_history(3, 150), Plan("", work="ingest as two"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_two_programs_that_share_the_partitions_are_killed_at_any_moment(killing: Killing, seed: int) -> None:
    plan = Plan("", work="program", both=True, random_kills=40 if PROVE else 5, batch=2, seed=seed)
    history = _of_real_feeds(300 + seed, 4_000 if PROVE else 1_200)
    assert killing.prove(history, plan) >= plan.random_kills


@pytest.mark.slow
def test_frozen_with_a_batch_in_its_hands_it_is_refused_when_it_is_thawed(killing: Killing) -> None:
    """Another program has applied the whole log meanwhile, that batch too: the first counts as dead after 6 s."""
    killing.prove(_of_real_feeds(6, 150), Plan("", work="program", frozen=("after", "decode", 3)))


# --- planted bugs ----------------------------------------------------------------------------------------------


def _assert_seen(killing: Killing, history: list[Sent], plan: Plan) -> None:
    with pytest.raises(AssertionError, match=SEEN):
        killing.prove(history, plan)
    killing.score.bugs.append((killing.where, str(plan.bug)))


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_seen(embedded: Killing, bug: str) -> None:
    _assert_seen(embedded, long_history(4, 150), Plan("", _kills([2], ["add_windows", "commit"]), bug=bug))


@pytest.mark.slow
def test_a_position_that_is_not_compared_is_seen(embedded: Killing) -> None:
    _assert_seen(embedded, long_history(3, 80), Plan("", work="ingest as two", bug="position not compared"))


@pytest.mark.slow
def test_a_thawed_program_that_is_not_refused_is_seen(embedded: Killing) -> None:
    plan = Plan("", work="program", frozen=("after", "decode", 3), bug="zombie not refused")
    _assert_seen(embedded, _of_real_feeds(6, 150), plan)
