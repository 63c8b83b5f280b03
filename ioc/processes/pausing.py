"""Waiting while the disk is low: said once when it begins and once when it ends, however often it is asked."""

from ioc import logs
from ioc.model.room import MB
from ioc.operations.disk import Disk

LOOK_EVERY_S = 1.0

_log = logs.get_logger("ioc.ingest")


class PauseForRoom:
    """Whether ingest must stop reading for now. Its position stands still meanwhile, so nothing is lost."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._holds = False

    def holds(self) -> bool:
        before, self._holds = self._holds, self._disk.stops_ingest
        if self._holds and not before:
            _log.error(
                "the disk is nearly full: ingest waits and goes on by itself when there is room",
                free_mb=self._disk.look().free // MB,
                needed_mb=self._disk.rules.enough // MB,
            )
        elif before and not self._holds:
            _log.info("there is room again: ingest goes on")
        return self._holds
