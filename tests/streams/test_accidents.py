"""Whatever dies or freezes while ingest works and a sender sends, in the end the store is what the history says.

Two ingest programs share the log of one centre. They are killed, one alone and both; a program is frozen for longer
than it counts as alive; Kafka and PostgreSQL are killed and started again on their data, and frozen. After each
accident the time until something is written again is measured, against the limits that operators are promised.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from ioc.store import members
from ioc.streams.sharing import DEAD_AFTER_S, PROGRAM, REPORT_EVERY_S
from tests.streams.killing import Killing, check_totals
from tests.streams.programs import Program, Sender, applied, wait_until
from tests.streams.small_centre import SmallCentre, copy_centre

if TYPE_CHECKING:
    from scripts.parts.kafka import Kafka
    from scripts.parts.postgres import Postgres
    from scripts.parts.server import Server

PROVE = bool(os.environ.get("IOC_PROVE"))
ROUNDS: Final = 20 if PROVE else 1
FROZEN_S: Final = 30.0 if PROVE else 6.0  # longer than any time-out of a request (5 s)
AWAY_S: Final = 30.0 if PROVE else 4.0  # pauses between tries have grown
MUCH: Final = 80
INGEST_S: Final = 10.0
POSTGRES_S: Final = 15.0
KAFKA_S: Final = 30.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600 if PROVE else 300)]


class Scene:
    """A centre with two programs at work on it and a sender that sends."""

    def __init__(self, killing: Killing, centre: SmallCentre, sender: Sender, programs: list[Program]) -> None:
        self.killing, self.centre, self.sender, self.programs = killing, centre, sender, programs

    def goes_on(self, what: str, within_s: float) -> None:
        """Something is written again within that time from now."""
        seen: int | None = None

        def _has_written() -> bool:
            nonlocal seen
            count = applied(self.centre.store)
            if seen is None:
                seen = count
            return count > seen

        took = wait_until(_has_written, within_s=within_s, saying=self.logged)
        self.killing.score.recoveries[what].append(took)

    def catches_up(self) -> float:
        """All that was accepted until now is applied; nothing is sent meanwhile."""
        with self.sender.silent():
            wanted = len(self.sender.accepted)
            return wait_until(lambda: applied(self.centre.store) >= wanted, saying=self.logged)

    def hears_more(self) -> float:
        """So much is accepted from now on that each partition has something of it."""
        wanted = len(self.sender.accepted) + MUCH
        return wait_until(lambda: len(self.sender.accepted) >= wanted)

    def logged(self) -> str:
        return "\n".join(program.logged() for program in self.programs)

    def kill_programs(self) -> None:
        for program in self.programs:
            program.kill()
            self.killing.score.kills[self.killing.where, "program of two"] += 1
        one, other = self.programs
        one.start()  # its own share goes on at once: it has its name still
        self.goes_on("ingest killed and started again → writing", INGEST_S)
        other.start()

    def kill_one(self) -> None:
        one, _ = self.programs
        wait_until(self._both_report, saying=self.logged)
        one.kill()
        self.killing.score.kills[self.killing.where, "program of two"] += 1
        took = self.hears_more() + self.catches_up()  # of all partitions: the other has taken over
        self.killing.score.recoveries["one of two killed → the other has caught up"].append(took)
        one.start()

    def freeze_one(self) -> None:
        _, other = self.programs
        wait_until(self._both_report, saying=self.logged)
        other.freeze()
        time.sleep(DEAD_AFTER_S + 1)
        self.hears_more()
        self.catches_up()
        other.thaw()
        self.catches_up()

    def _both_report(self) -> bool:
        with self.centre.store.reading() as connection:
            alive = members.living(connection, PROGRAM, int(2_000 * REPORT_EVERY_S))
        return alive == ["one", "two"]

    def kill_server(self, server: "Server", what: str, within_s: float) -> None:
        server.kill()
        time.sleep(AWAY_S)
        server.start()
        self.goes_on(f"{what} back → writing", within_s)

    def freeze_server(self, server: "Server", what: str, within_s: float) -> None:
        server.freeze()
        time.sleep(FROZEN_S)
        server.thaw()
        self.goes_on(f"{what} thawed → writing", within_s)


@contextmanager
def at_work(killing: Killing) -> Iterator[Scene]:
    """In the end everything is applied, the programs end by themselves, and the store is compared with the ledger."""
    centre = copy_centre(killing.template, killing.folder, kafka=killing.kafka)
    programs: list[Program] = []
    try:
        with Sender(centre.log) as sender:
            programs += [Program(killing.folder, name) for name in ("one", "two")]
            scene = Scene(killing, centre, sender, programs)
            scene.hears_more()
            scene.catches_up()
            yield scene
        scene.catches_up()
        assert [program.end() for program in programs] == [0, 0], scene.logged()
        check_totals(centre, sender.accepted)
    finally:
        for program in programs:
            program.kill()
        centre.close()


def _carry_out(scene: Scene, accidents: list[Callable[[], None]]) -> None:
    for _ in range(ROUNDS):
        for accident in accidents:
            accident()
            scene.catches_up()


def test_programs_killed_and_frozen(killing: Killing) -> None:
    with at_work(killing) as scene:
        accidents = [scene.kill_programs, scene.kill_one, scene.kill_programs]
        # A program that is frozen within a transaction holds SQLite's only write lock: there is nobody to take it away.
        _carry_out(scene, accidents if "sqlite" in killing.where else [*accidents, scene.freeze_one])


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_postgres_killed_and_frozen(killing: Killing, mortal_postgres: "Postgres") -> None:
    with at_work(killing) as scene:
        _carry_out(
            scene,
            [
                lambda: scene.kill_server(mortal_postgres, "PostgreSQL", POSTGRES_S),
                lambda: scene.freeze_server(mortal_postgres, "PostgreSQL", POSTGRES_S),
            ],
        )


@pytest.mark.kafka
@pytest.mark.parametrize("kafka_address", ["kafka"], indirect=True)
def test_kafka_killed_and_frozen(killing: Killing, mortal_kafka: "Kafka") -> None:
    with at_work(killing) as scene:
        _carry_out(
            scene,
            [
                lambda: scene.kill_server(mortal_kafka, "Kafka", KAFKA_S),
                lambda: scene.freeze_server(mortal_kafka, "Kafka", KAFKA_S),
            ],
        )
