"""`python -m ioc backup FOLDER`: the centre in one folder, while it runs.

The store is copied first, then the embedded log, so that the log always reaches at least as far as the store's
positions; over Kafka the log stays in Kafka, and the backup holds only the store. Killed at any moment it leaves a
folder without a manifest, which `restore` refuses.

Not in it: keys and sign-in links of the data folder, which `run` makes anew. Refused: a folder that holds anything.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ioc import __version__
from ioc.broker.embedded_copy import copy_log
from ioc.broker.port import Extent, Partition
from ioc.errors import StoreError
from ioc.processes import backup_manifest
from ioc.processes.backup_manifest import Manifest, Offsets, new_file, sealed
from ioc.processes.run import HISTORY_DONE
from ioc.settings import Settings
from ioc.store import copies
from ioc.store.copies import StoreCopy
from ioc.store.engine import Store

STORE_FILES: Final = {copies.SQLITE: "store.db", copies.POSTGRESQL: "store.dump"}
LOG_FILE: Final = "log.db"
STATE_FILES: Final = (HISTORY_DONE,)
"""Files of the data folder that belong to what the store holds, and hold no secret."""


def main(settings: Settings, folder: Path, *, now: datetime) -> Manifest:
    """Write a backup; its manifest. On any error what was written is taken away again."""
    with _written_whole(folder) as made:
        copy = _store(settings, made)
        extents = _log(settings, made) if settings.broker == "embedded" else None
        _state(settings, made)
        manifest = Manifest(
            form=backup_manifest.FORM,
            program=__version__,
            made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
            store=copy.kind,
            database=copy.database,
            tables=copy.version,
            broker=broker_kind(settings),
            offsets=_offsets(copy, extents),
            files=tuple(sealed(path) for path in made),
        )
        backup_manifest.write(folder, manifest)
    return manifest


def broker_kind(settings: Settings) -> str:
    return settings.broker.split(":")[0]


@contextmanager
def _written_whole(folder: Path) -> Iterator["_Made"]:
    """The files of the backup, as they are made; none of them stays after an error."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise StoreError(f"{folder} holds files already: name a folder that does not exist yet or is empty")
    except OSError as error:
        raise StoreError(f"the folder {folder} cannot be used ({error.strerror}): name another") from None
    made = _Made(folder)
    try:
        yield made
    except BaseException as error:
        for path in [*folder.iterdir()]:
            path.unlink()
        if isinstance(error, OSError):
            raise StoreError(f"the backup could not be written: {error}; check the disk of {folder}") from error
        raise


class _Made(list[Path]):
    """The backup's files in the order in which they were begun."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def begin(self, name: str) -> Path:
        self.append(new_file(self._folder / name))
        return self[-1]


def _store(settings: Settings, made: _Made) -> StoreCopy:
    with closing(Store.open(settings.store)) as store:
        return copies.copy_out(store, made.begin(STORE_FILES[copies.kind_of(settings.store)]))


def _log(settings: Settings, made: _Made) -> dict[Partition, Extent]:
    return copy_log(settings.data / LOG_FILE, made.begin(LOG_FILE))


def _state(settings: Settings, made: _Made) -> None:
    for name in STATE_FILES:
        if (settings.data / name).is_file():
            made.begin(name).write_bytes((settings.data / name).read_bytes())


def _offsets(copy: StoreCopy, extents: dict[Partition, Extent] | None) -> tuple[Offsets, ...]:
    """Where ingest and the log stood. StoreError for a log that ends before the store: it is not the store's log."""
    if extents is None:
        return tuple(Offsets(one.topic, one.partition, one.offset) for one in copy.positions)
    found = {Partition(one.topic, one.partition): one.offset for one in copy.positions}
    for partition, position in found.items():
        end = extents[partition].end if partition in extents else 0
        if end < position:
            raise StoreError(
                f"the log of {partition.topic}[{partition.number}] ends at {end}, before the store's position"
                f" {position}: see that IOC_DATA and IOC_STORE belong together; if the log was lost, start ingest,"
                " which records the gap, and back up then"
            )
    return tuple(
        Offsets(partition.topic, partition.number, found.get(partition), extent.first, extent.end)
        for partition, extent in sorted(extents.items())
    )


def told(manifest: Manifest, folder: Path) -> str:
    """The backup in a sentence or two, for who asked for it."""
    size = sum(one.bytes for one in manifest.files)
    text = f"{folder} holds the centre of {manifest.made_at}: {len(manifest.files)} files, {size / 1e6:.1f} MB."
    if manifest.broker != "embedded":
        return f"{text} The log stays in Kafka, which must keep it: what came later is read from there."
    beyond = sum(one.beyond for one in manifest.offsets)
    return f"{text} The log reaches {beyond} records beyond the store." if beyond else text
