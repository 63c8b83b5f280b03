"""Several ingest programs share the partitions: each knows who is alive, and all come to the same division.

Nobody divides and nothing is handed over. Each program says every second in the store that it is alive, looks who
else is, and reads every n-th partition. While they do not agree yet (one came, one died, one was frozen and is back)
two may read the same partition; the compare-and-set of its position lets only one of them commit, so a division that
is wrong for a moment costs time and never a number. Works alike over Kafka and the embedded log.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Final

from ioc.broker.port import Partition
from ioc.errors import IocError
from ioc.logs import get_logger
from ioc.store import members
from ioc.store.engine import Store
from ioc.store.members import Member

PROGRAM: Final = "ingest"
REPORT_EVERY_S: Final = 1.0
DEAD_AFTER_S: Final = 6.0
"""Longer than a batch and than the longest pause after an error, so that nobody is given up who only waits."""

log = get_logger(__name__)


class NameTaken(IocError):
    """Another ingest has started under this one's name: this one must end."""


def share_of(name: str, names: Sequence[str], partitions: Sequence[Partition]) -> tuple[Partition, ...]:
    """What one of several programs reads: every partition belongs to exactly one name."""
    ordered = sorted(names)
    return tuple(sorted(partitions)[ordered.index(name) :: len(ordered)])


class Sharing:
    """This program among those that share the partitions.

    `name` is that of the settings; without one it has a new name at each start, and what it read rests after a kill
    until it counts as dead.
    """

    def __init__(self, store: Store, name: str = "") -> None:
        life = secrets.token_hex(8)
        self._store = store
        self._member = Member(PROGRAM, name or life, life)
        self._names: tuple[str, ...] = ()
        self._reported_at = float("-inf")

    def has_changed(self) -> bool:
        """Report, where it is time to, and look who else is there; whether that is another division than before.

        NameTaken where another program has this one's name now. StoreError where the store is away.
        """
        if time.monotonic() - self._reported_at < REPORT_EVERY_S:
            return False
        with self._store.writing() as connection:
            if not members.report(connection, self._member):
                if self._names and members.is_taken(connection, self._member):
                    raise NameTaken(
                        f"another ingest has started under the name {self._member.name}: give each its own IOC_INSTANCE"
                    )
                members.enter(connection, self._member)
            names = tuple(members.living(connection, PROGRAM, int(DEAD_AFTER_S * 1000)))
        self._reported_at = time.monotonic()
        before, self._names = self._names, names
        if before == names:
            return False
        log.info("ingest shares the partitions", programs=len(names))
        return True

    def share(self, partitions: Sequence[Partition]) -> tuple[Partition, ...]:
        """Which of all partitions this program reads; all of them before it has looked."""
        return share_of(self._member.name, self._names, partitions) if self._names else tuple(partitions)

    def leave(self) -> None:
        """Let the others take over at once."""
        with self._store.writing() as connection:
            members.leave(connection, self._member)
