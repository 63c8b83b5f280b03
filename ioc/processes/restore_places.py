"""Where a restore puts the store: in an SQLite file, or in the schema of a PostgreSQL database.

Both have the same steps: look, stage, set aside what stands there, put. Only `put` makes a store appear, whole.
"""

from pathlib import Path
from typing import Protocol

from ioc.errors import StoreError
from ioc.processes import sqlite_files
from ioc.processes.backup import LOG_FILE
from ioc.processes.backup_manifest import Manifest
from ioc.settings import Settings, without_password
from ioc.store import copies, postgres_copies
from ioc.store.copies import NextOffset
from ioc.store.engine import Store


class Place(Protocol):
    """Where one part of the centre is to stand."""

    name: str

    def holds_data(self) -> bool:
        """Whether something stands there."""

    def require_unused(self) -> None:
        """StoreError if a program uses the place, or a restore that was killed still works there."""

    def stage(self) -> None:
        """Do all that may fail and changes nothing yet."""

    def set_aside(self, folder: Path) -> str:
        """Move what stands there; where to."""

    def put(self, now: int) -> None:
        """Make the backup's part stand there, in one step."""


class LogFile:
    """The embedded log."""

    def __init__(self, settings: Settings, folder: Path, manifest: Manifest) -> None:
        self._path = settings.data / LOG_FILE
        self._source = folder / LOG_FILE
        self._file = manifest.named(LOG_FILE)
        self._fresh = self._path
        self.name = f"the log {self._path}"

    def holds_data(self) -> bool:
        return self._path.exists()

    def require_unused(self) -> None:
        sqlite_files.require_unused(self._path)

    def stage(self) -> None:
        self._fresh = sqlite_files.staged(self._source, self._file, self._path)

    def set_aside(self, folder: Path) -> str:
        return sqlite_files.set_aside(self._path, folder)

    def put(self, now: int) -> None:
        sqlite_files.put(self._fresh, self._path)


class StoreFile:
    """A store in SQLite."""

    def __init__(self, settings: Settings, folder: Path, manifest: Manifest) -> None:
        self._path = copies.file_of(settings.store)
        self._folder = folder
        self._file = manifest.files[0]
        self._fresh = self._path
        self.name = f"the store {self._path}"
        if not self._path.parent.is_dir():
            raise StoreError(f"the folder {self._path.parent} of the store does not exist: make it, or set IOC_STORE")

    def holds_data(self) -> bool:
        return self._path.exists()

    def require_unused(self) -> None:
        sqlite_files.require_unused(self._path)

    def stage(self) -> None:
        self._fresh = sqlite_files.staged(self._folder / self._file.name, self._file, self._path)

    def set_aside(self, folder: Path) -> str:
        return sqlite_files.set_aside(self._path, folder)

    def put(self, now: int) -> None:
        store = Store.open(f"sqlite:///{self._fresh}")
        try:
            copies.know_batches_from(store, now)
        finally:
            store.close()
        sqlite_files.put(self._fresh, self._path)


class StoreSchema:
    """A store in PostgreSQL."""

    def __init__(self, settings: Settings, folder: Path, manifest: Manifest) -> None:
        self._url = settings.store
        self._dump = folder / manifest.files[0].name
        self._written_by = manifest.database
        self.name = f"the store {without_password(settings.store)}"

    def holds_data(self) -> bool:
        store = Store.open(self._url)
        try:
            return postgres_copies.holds_anything(store)
        finally:
            store.close()

    def require_unused(self) -> None:
        store = Store.open(self._url)
        try:
            if others := postgres_copies.others_connected(store):
                raise StoreError(f"{others} programs of a centre use {self.name}: stop the centre first")
        finally:
            store.close()

    def stage(self) -> None:
        store = Store.open(self._url)
        try:
            postgres_copies.require_restorable(store, self._written_by)
        finally:
            store.close()

    def set_aside(self, folder: Path) -> str:
        store = Store.open(self._url)
        try:
            postgres_copies.set_aside(store, folder.name)
        finally:
            store.close()
        return f"the schema {folder.name} of the same database"

    def put(self, now: int) -> None:
        store = Store.open(self._url)
        try:
            postgres_copies.restore(store, self._dump, self._written_by)
            copies.know_batches_from(store, now)
        finally:
            store.close()


def places(settings: Settings, folder: Path, manifest: Manifest) -> list[Place]:
    """What a backup has a part for, the store last: where it stands, the restore is done."""
    logs: list[Place] = [LogFile(settings, folder, manifest)] if manifest.broker == "embedded" else []
    kind = StoreFile if manifest.store == copies.SQLITE else StoreSchema
    return [*logs, kind(settings, folder, manifest)]


def stands(settings: Settings, manifest: Manifest) -> bool:
    """Whether the store stands exactly where the backup's did: a restore came as far as its last step."""
    store = Store.open(settings.store)
    try:
        found = copies.positions_of(store)
    finally:
        store.close()
    wanted = {NextOffset(one.topic, one.partition, one.position) for one in manifest.offsets if one.position}
    return bool(wanted) and found is not None and {one for one in found if one.offset} == wanted
