"""Whether a disk has room enough to take in more, and what becomes of the ballast: pure, from what was found there.

Low comes long before full: ingest and the intake stop while everything else (roll-ups, forgetting, sign-in) can still
write. The ballast is for the case that others fill the disk: a file of real blocks, given up when the disk is
really full, because forgetting needs room too (a DELETE is written before anything is freed).

Refused: going back and forth. What was low stays low until there is a quarter more than the reserve.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MB: Final = 1_000_000


class Ballast(StrEnum):
    """What is to be done with the ballast file."""

    KEEP = "keep"
    GIVE_UP = "give up"
    MAKE = "make"


@dataclass(frozen=True, slots=True)
class RoomRules:
    """Bytes. With less than `reserve` left, nothing more is taken in; `ballast` is the size of that file."""

    reserve: int
    ballast: int

    @property
    def enough(self) -> int:
        """So much must be left before what was low is low no longer."""
        return self.reserve + self.reserve // 4


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: free bytes of the disk, bytes that our files can take inside themselves, the ballast's size."""

    free: int
    reusable: int
    ballast: int
    was_low: bool


@dataclass(frozen=True, slots=True)
class Room:
    """`usable` bytes can still be written; `is_low` says that they are too few to take in more."""

    free: int
    usable: int
    is_low: bool
    ballast: Ballast


def room(found: Found, rules: RoomRules) -> Room:
    """What follows from what was found.

    What a database has freed inside its file counts, since it never gives the file's room back; but only up to three
    times what is really free, since it writes each change beside the file first. A ballast that is missing, or
    smaller than it should be, counts as used: giving it up must not look like room.
    """
    usable = found.free + min(found.reusable, 3 * found.free) - max(0, rules.ballast - found.ballast)
    is_low = usable < (rules.enough if found.was_low else rules.reserve)
    return Room(found.free, max(0, usable), is_low, _ballast(found, rules))


def _ballast(found: Found, rules: RoomRules) -> Ballast:
    if found.ballast and (found.free < rules.ballast or not rules.ballast):
        return Ballast.GIVE_UP
    if found.ballast != rules.ballast and found.free + found.ballast - rules.ballast >= rules.enough:
        return Ballast.MAKE
    return Ballast.KEEP
