"""Where a restore puts the log and the store: in SQLite files, or in the schema of a PostgreSQL database.

All have the same steps: look, stage, set aside what stands there, put. Only `put` makes something appear, whole.
"""

from contextlib import closing
from pathlib import Path
from typing import Protocol

from ioc.errors import StoreError
from ioc.processes import sqlite_files
from ioc.processes.backup import LOG_FILE
from ioc.processes.backup_manifest import File, Manifest
from ioc.settings import Settings, without_password
from ioc.store import copies, postgres_copies, sqlite_file
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

    def put(self) -> None:
        """Make the backup's part stand there, in one step."""


class DatabaseFile:
    """The file of an SQLite database, and the backup's file for it."""

    def __init__(self, name: str, path: Path, folder: Path, file: File) -> None:
        self.name = f"{name} {path}"
        self._path = path
        self._source = folder / file.name
        self._file = file
        self._fresh = path

    def holds_data(self) -> bool:
        return self._path.exists()

    def require_unused(self) -> None:
        sqlite_files.require_unused(self._path)

    def stage(self) -> None:
        self._fresh = sqlite_files.staged(self._source, self._file, self._path)

    def set_aside(self, folder: Path) -> str:
        return sqlite_files.set_aside(self._path, folder)

    def put(self) -> None:
        sqlite_files.put(self._fresh, self._path)


class StoreSchema:
    """A store in PostgreSQL."""

    def __init__(self, url: str, folder: Path, manifest: Manifest) -> None:
        self.name = f"the store {without_password(url)}"
        self._url = url
        self._dump = folder / manifest.files[0].name
        self._written_by = manifest.database

    def holds_data(self) -> bool:
        with closing(Store.open(self._url)) as store:
            return postgres_copies.holds_anything(store)

    def require_unused(self) -> None:
        with closing(Store.open(self._url)) as store:
            others = postgres_copies.others_connected(store)
        if others:
            raise StoreError(f"{others} connections of a centre use {self.name}: stop the centre first")

    def stage(self) -> None:
        with closing(Store.open(self._url)) as store:
            postgres_copies.require_restorable(store, self._written_by)

    def set_aside(self, folder: Path) -> str:
        with closing(Store.open(self._url)) as store:
            postgres_copies.set_aside(store, folder.name)
        return f"the schema {folder.name} of the same database"

    def put(self) -> None:
        with closing(Store.open(self._url)) as store:
            postgres_copies.restore(store, self._dump, self._written_by)


def places(settings: Settings, folder: Path, manifest: Manifest) -> list[Place]:
    """What a backup has a part for, the store last: where it stands, the restore is done."""
    found: list[Place] = []
    if manifest.broker == "embedded":
        found.append(DatabaseFile("the log", settings.data / LOG_FILE, folder, manifest.named(LOG_FILE)))
    with closing(Store.open(settings.store)) as store:
        file = sqlite_file.file_of(store)
    if file is not None:
        found.append(DatabaseFile("the store", file, folder, manifest.files[0]))
    else:
        found.append(StoreSchema(settings.store, folder, manifest))
    return found


def stands(settings: Settings, manifest: Manifest) -> bool:
    """Whether the store stands exactly where the backup's did: a restore came as far as its last step."""
    with closing(Store.open(settings.store)) as store:
        found = copies.positions_of(store)
    wanted = {NextOffset(one.topic, one.partition, one.position) for one in manifest.offsets if one.position}
    return bool(wanted) and found is not None and {one for one in found if one.offset} == wanted
