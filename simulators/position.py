"""How far the imaginary province was told: kept in the data folder, so that a restart goes on exactly there.

Before a span is sent, it is written down; each answered request is counted. After a kill at any point the
same span is cut into the same requests, and only the last few are sent again, under the same idempotency
keys: nothing twice. The folder's lock refuses a second simulator that would tell the same province at the
same time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from simulators.errors import SimulatorError

FILE_NAME = "simulators-position.json"
LOCK_NAME = "simulators.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Times are seconds since 1970 (UTC). Before `fine_from` traffic is told in longer intervals; `sending` is
    the end of a span that was begun but not finished.
    """

    seed: int
    period: int
    traffic_from: int
    dossiers_from: int
    through: int
    fine_from: int = 0
    sending: int | None = None
    answered: int = 0


def read_position(folder: Path) -> Position | None:
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Position)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise SimulatorError(
            f"{path} cannot be read ({error}). Remove it to start a new imaginary province; where its past is already "
            "in the store, the store must be made anew as well."
        ) from error


def write_position(folder: Path, position: Position) -> None:
    """Replaces the file as a whole: a reader sees the old or the new position, never half of one."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{FILE_NAME}.new"
    fresh.write_bytes(msgspec.json.encode(position))
    fresh.replace(folder / FILE_NAME)


def check_same_province(position: Position, seed: int, period: int, folder: Path) -> None:
    if (position.seed, position.period) != (seed, period):
        told_with = f"--seed {position.seed} --rate {60 / position.period:g}"
        raise SimulatorError(
            f"The province in {folder} was told with {told_with}: go on with these, or use another data folder "
            "(IOC_DATA) with a store of its own."
        )


@contextmanager
def only_simulator(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; refuses where another simulator holds it. The system frees it when a process
    dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SimulatorError(f"Another simulator already works in {folder}; stop it first.") from error
    try:
        yield
    finally:
        os.close(descriptor)


def is_running(folder: Path) -> bool:
    """Whether a simulator holds the folder's lock just now."""
    try:
        with only_simulator(folder):
            return False
    except SimulatorError:
        return True
