"""The manifest of a backup: what its folder holds, by size and SHA-256, and where ingest stood.

It is written last, as one step: a folder without it is no backup. Refused: one that is damaged or of a later form.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from ioc.errors import StoreError

NAME: Final = "manifest.json"
FORM: Final = 1

_CHUNK: Final = 1 << 20


class File(msgspec.Struct, frozen=True):
    name: str
    bytes: int
    sha256: str


class Offsets(msgspec.Struct, frozen=True, order=True):
    """Of one partition: the next offset that ingest wants, if it reads it, and what the log holds, if it was copied."""

    topic: str
    partition: int
    position: int | None
    log_first: int | None = None
    log_end: int | None = None

    @property
    def beyond(self) -> int:
        """Records of the log that are not in the store yet."""
        return 0 if self.log_end is None or self.position is None else self.log_end - self.position


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`store` and `broker` are kinds; `database` the version of SQLite or of the server, `tables` that of our tables.

    The first file is the store's.
    """

    form: int
    program: str
    made_at: str
    store: str
    database: str
    tables: str
    broker: str
    offsets: tuple[Offsets, ...]
    files: tuple[File, ...]

    @property
    def id(self) -> str:
        """Another backup has another one."""
        return self.files[0].sha256

    def has(self, name: str) -> bool:
        return any(one.name == name for one in self.files)

    def named(self, name: str) -> File:
        return next(one for one in self.files if one.name == name)


def new_file(path: Path) -> Path:
    """An empty file that only its owner may read."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def sealed(path: Path) -> File:
    """The finished file as the manifest names it; it is on the disk when this returns."""
    _sync(path, os.O_RDONLY)
    return _described(path)


def _described(path: Path) -> File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return File(path.name, file.tell(), digest.hexdigest())


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest as the last step: after a crash at any moment it is there whole, or not at all."""
    sync_folder(folder)
    fresh = folder / (NAME + ".new")
    with new_file(fresh).open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / NAME)
    sync_folder(folder)


def read(folder: Path) -> Manifest:
    """The manifest of a backup. StoreError if the folder holds none that this program can use."""
    try:
        content = (folder / NAME).read_bytes()
        form = msgspec.json.decode(content, type=_AnyForm).form
        if form == FORM:
            return msgspec.json.decode(content, type=Manifest)
    except FileNotFoundError:
        raise StoreError(
            f"{folder} is no complete backup: it has no {NAME}; name a folder that `python -m ioc backup` finished"
        ) from None
    except OSError as error:
        raise StoreError(f"{folder / NAME} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise StoreError(f"{folder / NAME} is damaged ({error}): use another backup") from None
    raise StoreError(f"{folder} was written by a newer program (form {form}): restore it with that program")


class _AnyForm(msgspec.Struct):
    form: int


def verify(folder: Path, files: Sequence[File]) -> None:
    """StoreError unless each file is there exactly as it was written."""
    for wanted in files:
        path = folder / wanted.name
        try:
            size = path.stat().st_size
            is_same = size == wanted.bytes and _described(path) == wanted
        except OSError as error:
            raise StoreError(
                f"the backup's file {path} cannot be read ({error.strerror}): use another backup"
            ) from None
        if not is_same:
            raise StoreError(
                f"the backup's file {path} is damaged ({size} of {wanted.bytes} bytes): use another backup"
            )


def copied(source: Path, wanted: File, target: Path) -> None:
    """Copy a file of a backup to a new private file, on the disk when this returns; StoreError if it is damaged."""
    digest = hashlib.sha256()
    with source.open("rb") as read_from, new_file(target).open("wb") as file:
        while chunk := read_from.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != wanted.sha256:
        raise StoreError(f"the backup's file {source} is damaged: use another backup")


def sync_folder(folder: Path) -> None:
    """Make names that were given or taken in a folder survive a power cut."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
