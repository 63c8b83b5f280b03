"""Accidents: what they do to the traffic around them, and the file in which the command hands them to
`live`.

`python -m simulators scenario accident` appends a line to `scenarios.jsonl`; `live` looks at the file before
each step. A line that cannot be read is left out and told, never fatal: the stream matters more than the
scenario.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from simulators.places import RoadSegment

FILE_NAME = "scenarios.jsonl"
CLEARING = 0.8  # of the accident's time everything stands; then the road recovers evenly

# What is left of speed and flow, by the number of segments upstream (negative: downstream).
SCENE = {0: (0.14, 0.40), 1: (0.30, 0.62), 2: (0.55, 0.80), -1: (1.0, 0.60)}


@dataclass(frozen=True, slots=True)
class Effect:
    """What an accident leaves of a segment's speed and flow (factors)."""

    asset: str
    segments_upstream: int
    speed: float
    flow: float


@dataclass(frozen=True, slots=True)
class Accident:
    """An accident on a road segment; times are seconds since 1970 (UTC)."""

    id: str
    asset: str
    begins: int
    ends: int
    effects: tuple[Effect, ...]

    def effect_on(self, asset: str) -> Effect | None:
        return next((effect for effect in self.effects if effect.asset == asset), None)

    def strength(self, at: int) -> float:
        """1 while the road is blocked, falling to 0 while it clears."""
        done = (at - self.begins) / max(1, self.ends - self.begins)
        return 1.0 if done <= CLEARING else max(0.0, (1 - done) / (1 - CLEARING))


def accident_on(segment: RoadSegment, road: Sequence[RoadSegment], begins: int, minutes: float) -> Accident:
    """An accident on a segment of a road whose segments are given in the direction of travel."""
    here = road.index(segment)
    effects = tuple(
        Effect(road[here - upstream].id, upstream, speed, flow)
        for upstream, (speed, flow) in SCENE.items()
        if 0 <= here - upstream < len(road)
    )
    return Accident(f"accident-{begins}", segment.id, begins, begins + round(minutes * 60), effects)


def hand_over(accident: Accident, folder: Path) -> Path:
    """Appends the accident to the file that `live` watches; one write, so a reader sees all of it or
    nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, msgspec.json.encode(accident) + b"\n")
    finally:
        os.close(descriptor)
    return path


class AccidentFile:
    """The accidents handed over so far, read again only when the file changed."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._path = folder / FILE_NAME
        self._say = say
        self._seen: tuple[int, int] | None = None
        self._accidents: tuple[Accident, ...] = ()

    def current(self) -> tuple[Accident, ...]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return ()
        if (stamp := (found.st_mtime_ns, found.st_size)) != self._seen:
            self._seen = stamp
            self._accidents = tuple(self._read())
        return self._accidents

    def _read(self) -> list[Accident]:
        accidents = []
        for number, line in enumerate(self._path.read_bytes().splitlines(), start=1):
            try:
                accidents.append(msgspec.json.decode(line, type=Accident))
            except msgspec.DecodeError as error:
                self._say(f"{self._path} line {number} is no accident and is left out: {error}")
        return accidents
