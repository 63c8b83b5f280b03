"""Several ingest programs: every partition has one reader, a dead one's go to the others, a frozen one cannot harm."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.broker.port import Partition
from ioc.feeds import FEEDS
from ioc.settings import PROJECT
from ioc.store import members, schema
from ioc.store.members import Member
from ioc.streams import sharing
from ioc.streams.ingest import Overtaken
from ioc.streams.sharing import NameTaken, Sharing, share_of
from tests.databases import scalar
from tests.streams.history import ARRIVAL, Bad, Sent
from tests.streams.long_history import long_history
from tests.streams.oracle import expected
from tests.streams.small_centre import ALL_FEEDS, STORE_URL, SmallCentre
from tests.streams.stored import stored
from tests.waiting import eventually

PATIENCE_S = 60
PARTITIONS = tuple(Partition(topic, number) for topic in ("a", "b") for number in range(4))


@given(st.sets(st.text(min_size=1), min_size=1, max_size=12))
def test_every_partition_has_exactly_one_reader_and_the_work_is_even(names: set[str]) -> None:
    shares = [share_of(name, tuple(names), PARTITIONS) for name in names]
    assert sorted(one for share in shares for one in share) == sorted(PARTITIONS)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.fixture(autouse=True)
def _always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "REPORT_EVERY_S", 0.0)


def test_who_comes_and_who_leaves_is_seen_by_the_others(centre: SmallCentre) -> None:
    one, other = Sharing(centre.store, "one"), Sharing(centre.store, "other")
    assert one.has_changed()
    assert one.share(PARTITIONS) == PARTITIONS
    assert not one.has_changed()
    assert other.has_changed()
    assert one.has_changed()
    assert {*one.share(PARTITIONS)} | {*other.share(PARTITIONS)} == {*PARTITIONS}
    assert len(one.share(PARTITIONS)) == 4
    other.leave()
    assert one.has_changed()
    assert one.share(PARTITIONS) == PARTITIONS


def test_one_that_is_silent_for_long_is_given_up_and_comes_back(
    centre: SmallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Sharing(centre.store, "one"), Sharing(centre.store, "other")
    one.has_changed()
    other.has_changed()
    monkeypatch.setattr(sharing, "DEAD_AFTER_S", 0.2)
    eventually(lambda: one.has_changed() and one.share(PARTITIONS) == PARTITIONS, within_s=PATIENCE_S)
    assert other.has_changed() or len(other.share(PARTITIONS)) == 4
    one.has_changed()
    assert len(one.share(PARTITIONS)) == 4


def test_a_restart_under_the_same_name_takes_its_share_at_once_and_the_old_one_ends(centre: SmallCentre) -> None:
    before, after = Sharing(centre.store, "a"), Sharing(centre.store, "a")
    before.has_changed()
    after.has_changed()
    assert after.share(PARTITIONS) == PARTITIONS
    with pytest.raises(NameTaken, match="IOC_INSTANCE"):
        before.has_changed()


def test_one_that_the_others_forgot_enters_again(centre: SmallCentre) -> None:
    one = Sharing(centre.store, "a")
    one.has_changed()
    with centre.store.writing() as connection:
        connection.execute(schema.members.delete())
    assert not one.has_changed()
    assert scalar(centre.store, "SELECT count(*) FROM members") == 1


def test_the_dead_are_forgotten_after_a_while(centre: SmallCentre) -> None:
    with centre.store.writing() as connection:
        members.enter(connection, Member("ingest", "old", "x"))
        connection.execute(schema.members.update().values(seen_at=0))
        members.enter(connection, Member("ingest", "new", "y"))
    assert scalar(centre.store, "SELECT count(*) FROM members") == 1


# --- ingest over a share ---------------------------------------------------------------------------------------


def _append(centre: SmallCentre, history: Sequence[Sent]) -> None:
    for feed in ALL_FEEDS.values():
        centre.broker.append(feed.topic, [one.record for one in history if one.feed == feed.id], ARRIVAL)


def test_two_that_share_come_to_the_same_however_the_division_changes(centre: SmallCentre) -> None:
    history = long_history(21, 300)
    _append(centre, history)
    names = ["one", "other"]
    ingests = {name: centre.ingest() for name in names}
    for step in range(12):
        alive = names[: 1 + step % 2] if step < 10 else names
        for name in alive:
            ingests[name].start(ARRIVAL, share_of(name, alive, ingests[name].partitions))
            _step_small(ingests[name])
    for ingest in ingests.values():
        ingest.start(ARRIVAL, ingest.partitions)
        while ingest.step(ARRIVAL):
            pass
    assert scalar(centre.store, "SELECT sum(next_offset) FROM positions") == len(history)
    assert_same_finest(centre, history)


def test_two_that_believe_to_have_all_harm_nothing(centre: SmallCentre) -> None:
    history = long_history(22, 200)
    _append(centre, history)
    one, zombie = centre.ingest(), centre.ingest()
    batch = zombie.read()
    while one.step(ARRIVAL):
        pass
    with pytest.raises(Overtaken):
        zombie.apply(batch, ARRIVAL)
    assert_same_finest(centre, history)


def _step_small(ingest: Any) -> None:
    batch = ingest.read()
    for partition in list(batch.records):
        batch.records[partition] = batch.records[partition][:5]
    if batch.size:
        ingest.apply(batch, ARRIVAL)


def assert_same_finest(centre: SmallCentre, history: Sequence[Sent]) -> None:
    assert stored(centre.store).windows["10s"] == expected(list(history)).windows["10s"]


# --- programs --------------------------------------------------------------------------------------------------


class Programs:
    """`python -m ioc ingest` over the centre of a folder, as often as a test wants."""

    def __init__(self, centre: SmallCentre) -> None:
        self._centre = centre
        self._stack = ExitStack()

    def start(self, name: str) -> "subprocess.Popen[str]":
        environ = {
            **os.environ,
            "IOC_DATA": str(self._centre.folder),
            "IOC_STORE": (self._centre.folder / STORE_URL).read_text(),
            "IOC_INSTANCE": name,
            "IOC_INGEST_BATCH": "100",
        }
        program = subprocess.Popen([sys.executable, "-m", "ioc", "ingest"], cwd=PROJECT, env=environ, text=True)
        self._stack.callback(program.wait)
        self._stack.callback(program.kill)
        return program

    def close(self) -> None:
        self._stack.close()


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_programs_that_come_freeze_and_die_lose_nothing(centre: SmallCentre) -> None:
    """Three programs; one is killed, one frozen until it counts as dead, and thawed when others have its share.

    Not on SQLite: who is frozen within a transaction holds its only write lock.
    """
    history = [one for one in long_history(23, 3_000) if one.feed in FEEDS and one.meaning != Bad("too_large")]
    third = len(history) // 3
    programs = Programs(centre)

    def _done(count: int) -> bool:
        return scalar(centre.store, "SELECT coalesce(sum(next_offset), 0) FROM positions") == count

    def _alive() -> int:
        with centre.store.reading() as connection:
            return len(members.living(connection, sharing.PROGRAM, 6_000))

    try:
        first, second = programs.start("a"), programs.start("b")
        _append(centre, history[:third])
        eventually(lambda: _done(third) and _alive() == 2, within_s=PATIENCE_S)
        second.send_signal(signal.SIGSTOP)
        _append(centre, history[third : 2 * third])
        eventually(lambda: _alive() == 1, within_s=PATIENCE_S)
        eventually(lambda: _done(2 * third), within_s=PATIENCE_S)
        first.kill()
        programs.start("c")
        second.send_signal(signal.SIGCONT)
        _append(centre, history[2 * third :])
        eventually(lambda: _done(len(history)), within_s=PATIENCE_S)
        counted = scalar(centre.store, "SELECT sum(accepted + rejected + duplicate) FROM source_counts")
    finally:
        programs.close()
    assert counted == len(history)
    found, wanted = stored(centre.store), expected(history)
    assert found.windows["10s"] == wanted.windows["10s"]
    assert (found.cases, found.stamps, found.figures) == (wanted.cases, wanted.stamps, wanted.figures)
