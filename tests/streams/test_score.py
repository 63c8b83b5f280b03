"""The score, looked at when all others have played: as many kills as were promised, each planted bug seen."""

import os

import pytest

from tests.streams.killing import Score
from tests.streams.test_exactly_once import BUGS

KILLS = 10_000 if os.environ.get("IOC_PROVE") else 200
KILLING = {
    "test_killed_around_every_step_nothing_is_lost_and_nothing_twice",
    "test_killed_at_every_call_of_every_step",
    "test_the_program_itself_goes_on_where_it_was_killed",
    "test_killed_at_any_moment",
    "test_two_programs_that_share_the_partitions_are_killed_at_any_moment",
}


@pytest.mark.slow
def test_there_were_as_many_kills_as_promised(score: Score) -> None:
    if missing := KILLING - score.tests:
        pytest.skip(f"not all tests that kill were in this run: {', '.join(sorted(missing))}")
    assert score.kills.total() >= KILLS
    assert min(score.kills_on().values()) >= KILLS // 8, "each log and each store has its share"


@pytest.mark.slow
def test_every_planted_bug_was_seen(score: Score) -> None:
    if "test_a_planted_bug_is_seen" not in score.tests:
        pytest.skip("no bug was planted in this run")
    assert {*BUGS, "position not compared", "zombie not refused"} <= {bug for _, bug in score.bugs}
