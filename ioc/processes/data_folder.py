"""The data folder of the embedded defaults: only its owner may enter, and only one `run` works on it at a time.

Refused: a folder that cannot be written, and a second `run` while the first one lives.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ioc.errors import IocError, SettingsError


def make_data_folder(data: Path) -> None:
    """The data folder, which only its owner may enter: it holds keys and raw messages."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(data, os.W_OK | os.X_OK)
    except OSError as error:
        raise SettingsError(f"The data folder {data} cannot be made ({error.strerror}): set IOC_DATA.") from None
    if not writable:
        raise SettingsError(f"The data folder {data} cannot be written: change its owner or set IOC_DATA.")


@contextmanager
def only_run(data: Path) -> Iterator[None]:
    """Hold the data folder for this process; IocError if another `run` does. The kernel frees it at our end."""
    with (data / "run.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "?"
            raise IocError(
                f"Another `run` (process {holder}) works on {data}: stop it first, or set IOC_DATA to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, at no moment with other rights, and never half of it."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
