"""Carries out a plan of kills over a small centre, compares what is stored with the ledger, and keeps the score.

The verifier is apart from what it verifies: it reads the store row by row (`stored.py`) and compares with what plain
loops make of the history (`oracle.py`).
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from ioc.broker.port import Broker
from ioc.jobs.rollups import roll_up
from ioc.settings import PROJECT
from ioc.store.engine import Store
from tests.databases import scalar
from tests.streams.history import ARRIVAL, Sent
from tests.streams.kill_runner import Plan
from tests.streams.oracle import expected
from tests.streams.small_centre import ALL_FEEDS, SmallCentre, copy_centre, open_centre
from tests.streams.stored import assert_same, stored

PORTION = 200
LONGEST_S = 3_600 if os.environ.get("IOC_PROVE") else 120  # of one plan


@dataclass(slots=True)
class Score:
    """Processes killed in a run of the tests, and planted bugs that were seen."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (log and store, place)
    bugs: list[tuple[str, str]] = field(default_factory=list)  # (log and store, bug)
    tests: set[str] = field(default_factory=set)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds, by what was back

    def kills_on(self) -> Counter[str]:
        """By log and store."""
        on = Counter[str]()
        for (where, _), count in self.kills.items():
            on[where] += count
        return on

    def lines(self) -> list[str]:
        on, places = self.kills_on(), Counter[str]()
        for (_, place), count in self.kills.items():
            places[place] += count
        said = [f"kills: {self.kills.total()} ({_listed(on)})"] if on else []
        said += [f"  by place: {_listed(places)}"] if places else []
        by_bug = Counter(bug for _, bug in self.bugs)
        said += [f"planted bugs seen: {len(by_bug)} ({_listed(by_bug)})"] if by_bug else []
        for what, seconds in sorted(self.recoveries.items()):
            each = sorted(seconds)
            said.append(f"{what}: median {each[len(each) // 2]:.1f} s, longest {each[-1]:.1f} s of {len(each)}")
        return said


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def append(broker: Broker, history: Sequence[Sent]) -> None:
    by_topic: dict[str, list[Sent]] = defaultdict(list)
    for one in history:
        by_topic[ALL_FEEDS[one.feed].topic].append(one)
    for topic, group in by_topic.items():
        for at in range(0, len(group), PORTION):
            broker.append(topic, [one.record for one in group[at : at + PORTION]], ARRIVAL)


def end_of(log: Broker, history: Sequence[Sent]) -> int:
    """The sum of all positions once the log is done: each stands behind the last record of its partition."""
    total = 0
    for partition in sorted({one.partition for one in history}):
        wanted = sum(one.partition == partition for one in history)
        at = seen = 0
        while seen < wanted:  # Kafka shows a transaction some milliseconds after it is durable
            for record in log.read(partition, at, wanted):
                at, seen = record.offset + 1, seen + 1
        total += at
    return total


@dataclass(frozen=True, slots=True)
class Killing:
    """Makes centres over one kind of log and store, and kills what works on them."""

    template: Path
    folder: Path
    where: str
    kafka: str | None
    score: Score

    def prepare(self, history: Sequence[Sent]) -> int:
        """A centre with the history in its log; where the positions stand when all is applied."""
        centre = copy_centre(self.template, self.folder, kafka=self.kafka)
        append(centre.log, history)
        end = end_of(centre.log, history)
        centre.close()
        return end

    def run(self, plan: Plan) -> int:
        """Carry out a plan in processes; how many of them were killed."""
        plan = replace(plan, folder=str(self.folder))
        if self.kafka is not None or "postgres" in self.where:
            plan = replace(plan, life_s=4 * plan.life_s)  # it takes longer to begin
        killed = msgspec.json.decode(_output(plan).splitlines()[-1], type=dict[str, int])  # programs log before it
        if plan.bug is None:
            self.score.kills.update({(self.where, place): count for place, count in killed.items()})
        return sum(killed.values())

    def check(self, history: Sequence[Sent], end: int) -> None:
        centre = open_centre(self.folder)
        try:
            assert scalar(centre.store, "SELECT sum(next_offset) FROM positions") == end
            check(centre, history)
        finally:
            centre.close()

    def prove(self, history: Sequence[Sent], plan: Plan) -> int:
        """Nothing is lost and nothing twice under this plan; how many processes were killed."""
        end = self.prepare(history)
        killed = self.run(replace(plan, end=end))
        self.check(history, end)
        return killed

    def drop(self) -> None:
        """Take away what it has in servers."""
        if self.folder.exists():
            open_centre(self.folder).drop()


def _output(plan: Plan) -> str:
    """What the runner says of a plan. Where it hangs, where each of its processes stands is told."""
    command = [sys.executable, "-m", "tests.streams.kill_runner", plan.as_json()]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as runner:
        try:
            said, complained = runner.communicate(timeout=LONGEST_S)
        except BaseException as error:
            for sign in (signal.SIGUSR1, signal.SIGCONT):
                os.killpg(runner.pid, sign)
            time.sleep(1)  # there is no telling when the last of them has said where it stands
            os.killpg(runner.pid, signal.SIGKILL)
            said, complained = runner.communicate()
            raise RuntimeError(f"not done: {plan}\n{said[-5_000:]}\n{complained[-20_000:]}") from error
    assert runner.returncode == 0, said + complained
    return said


def counted(store: Store) -> int:
    """Records heard of: accepted, rejected and duplicate."""
    return scalar(store, "SELECT coalesce(sum(accepted + rejected + duplicate), 0) FROM source_counts")


def check_totals(centre: SmallCentre, sent: Sequence[Sent]) -> None:
    """Compare with the ledger, where senders may have sent a request again: the duplicates are not counted."""
    roll_up(centre.store, centre.rules)
    heard = scalar(centre.store, "SELECT sum(accepted + rejected) FROM source_counts")
    assert heard == len(sent), f"accepted and rejected: {heard} of {len(sent)} records"
    assert_same(stored(centre.store), expected(sent))


def check(centre: SmallCentre, history: Sequence[Sent]) -> None:
    """Compare with the ledger: every window at every level, cases, figures, dead letters, and each record counted."""
    roll_up(centre.store, centre.rules)
    heard = counted(centre.store)
    assert heard == len(history), f"accepted, rejected and duplicate: {heard} of {len(history)} records"
    assert_same(stored(centre.store), expected(history))
