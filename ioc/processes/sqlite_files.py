"""Putting a whole SQLite database in the place of another one, while nobody uses it.

What stood there is moved, never deleted. Refused: a database that a program has open.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from ioc.errors import StoreError
from ioc.processes.backup_manifest import File, copied, sync_folder

_BESIDE: Final = ("-wal", "-shm", "-journal")
_WAIT_S: Final = 2.0
"""How long a program that just stops may still have the database."""


def staged(source: Path, wanted: File, target: Path) -> Path:
    """A copy of a backup's file beside its future place, on the disk."""
    fresh = target.with_name(target.name + ".restoring")
    for path in _all_files(fresh):
        path.unlink()
    copied(source, wanted, fresh)
    return fresh


def set_aside(database: Path, folder: Path) -> str:
    """Move the database into a folder, which is made; all of it, also what stands in files beside it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    # The files beside it first: left alone, they would be taken for those of the next database of that name.
    for path in reversed(_all_files(database)):
        path.replace(folder / path.name)
    sync_folder(folder)
    sync_folder(database.parent)
    return str(folder)


def put(fresh: Path, database: Path) -> None:
    """Give the staged copy its name: the one step in which it becomes the database."""
    fresh.replace(database)
    sync_folder(database.parent)


def _all_files(database: Path) -> list[Path]:
    names = (database.name, *(database.name + ending for ending in _BESIDE))
    return [path for name in names if (path := database.with_name(name)).exists()]


def require_unused(database: Path) -> None:
    """StoreError if a program has the database open. Its write-ahead log is written into it."""
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_WAIT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")  # possible for the only one who has it open
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StoreError(f"a program still uses {database}: stop the centre first") from None
    except sqlite3.DatabaseError:
        pass  # damaged: perhaps the reason for the restore; it is moved as it is
