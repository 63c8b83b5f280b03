"""The disk that this centre writes to: looks at it, remembers that it is low, keeps the ballast file.

What follows from a look is decided in one place, `ioc/model/room.py`. That the disk is low stands in a file of the data
folder, `disk.low`, so that all programs of the machine say the same, also one that has just started.

Only what stands in our own folders is ours to watch: the embedded log and SQLite. The disks of Kafka and PostgreSQL
belong to their servers; when one of them is full, it refuses, and that is an outage like any other.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ioc import logs
from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Broker
from ioc.errors import IocError, NoRoom
from ioc.model.room import MB, Ballast, Found, Room, RoomRules, room
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.store.sqlite_file import file_of, reusable_bytes

LOW: Final = "disk.low"
BALLAST: Final = "ballast"

_log = logs.get_logger("ioc.disk")


def room_rules(settings: Settings) -> RoomRules:
    return RoomRules(settings.disk_reserve * MB, settings.ballast * MB)


def takes_in_here(settings: Settings) -> bool:
    """Whether anything that grows by messages is written on this machine's disk."""
    return settings.broker == "embedded" or settings.store.startswith("sqlite")


def is_marked_low(folder: Path) -> bool:
    """Whether a program of this machine has found the disk low, and none has found room since."""
    return (folder / LOW).exists()


def free_bytes(folder: Path) -> int:
    """What our programs may still write where the folder stands, or will stand."""
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return free_bytes(folder.parent)
    return found.f_bavail * found.f_frsize


class Disk:
    """The data folder's disk, and the store's where it stands elsewhere. Each look costs some tens of microseconds."""

    def __init__(self, settings: Settings, store: Store, broker: Broker) -> None:
        self.folder = settings.data
        self.rules = room_rules(settings)
        self._folders = {self.folder}
        self._reusable: list[Callable[[], int]] = []
        file = file_of(store)
        if file is not None:
            self._folders.add(file.parent)
            self._reusable.append(lambda: reusable_bytes(store))
        if isinstance(broker, EmbeddedBroker):
            self._reusable.append(broker.reusable_bytes)
        self._holds_store = file is not None

    def look(self) -> Room:
        """What there is now; the first of all programs to see a change of `is_low` writes it down."""
        was_low = is_marked_low(self.folder)
        free = min(map(free_bytes, self._folders))
        reusable = self._reusable_bytes() if free < self.rules.enough else 0
        found = room(Found(free, reusable, self._ballast_bytes(), was_low), self.rules)
        if found.is_low != was_low and (was_low or self.is_ours):
            self._mark(found.is_low)
        return found

    @property
    def is_ours(self) -> bool:
        """Whether anything that grows by messages is written here at all."""
        return bool(self._reusable)

    @property
    def stops_ingest(self) -> bool:
        """Whether ingest must wait for room."""
        return self._holds_store and self.look().is_low

    @property
    def stops_intake(self) -> bool:
        return self.is_ours and self.look().is_low

    def check_room(self) -> None:
        """NoRoom while nothing more is taken in."""
        if self.stops_intake:
            raise NoRoom("The centre's disk is nearly full and takes no messages now: send them again later.")

    def keep_ballast(self) -> Room:
        """Make the ballast, give it up, or leave it, as the room demands."""
        found = self.look()
        path = self.folder / BALLAST
        if found.ballast is Ballast.GIVE_UP:
            path.unlink(missing_ok=True)
            _log.error("the disk is full: the ballast file is given up, make room", free_mb=found.free // MB)
        elif found.ballast is Ballast.MAKE and self.is_ours:
            self._make(path)
        return found

    def _make(self, path: Path) -> None:
        """Real blocks: a file with holes would free nothing when it goes."""
        if not self.rules.ballast:
            return
        fresh = path.with_name(path.name + ".new")
        try:
            descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self.rules.ballast)
            finally:
                os.close(descriptor)
            fresh.replace(path)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            _log.warning("the ballast file cannot be made", file=str(path), reason=error.strerror)

    def _ballast_bytes(self) -> int:
        try:
            return (self.folder / BALLAST).stat().st_size
        except FileNotFoundError:
            return 0

    def _reusable_bytes(self) -> int:
        """What the files can take without growing; the least of them, as one message is written to all."""
        try:
            return min((read() for read in self._reusable), default=0)
        except IocError:
            return 0

    def _mark(self, is_low: bool) -> None:
        # Where not even an empty file can be made, the next look finds the same by itself.
        with suppress(OSError):
            if is_low:
                (self.folder / LOW).touch()
            else:
                (self.folder / LOW).unlink(missing_ok=True)
