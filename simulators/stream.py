"""Tells the imaginary province to the server: the past at once, the present as it happens, each message once.

`tell` sends one span and keeps the position; `live` is nothing but the choice of spans.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from simulators.accidents import Accident, AccidentFile
from simulators.intake import Answer, Intake
from simulators.position import Position, write_position
from simulators.province import BATCH, Province, Request, Span
from simulators.traffic import Traffic
from simulators.working_time import DAY

LONGEST_CATCH_UP = DAY  # of traffic, after a pause of the simulators; dossiers are told in full
TICK = 1.0
REPORT_EVERY = 600.0

Progress = Callable[[int, int], None]  # messages done, messages in all


@dataclass(frozen=True, slots=True)
class Pace:
    """How the province's time runs: from a moment on, `speed` times as fast as the world's, but never ahead
    of it.
    """

    began: float
    province_began: float
    speed: float = 1.0

    def now(self, world: float) -> int:
        return int(min(world, self.province_began + (world - self.began) * self.speed))


async def tell(
    intake: Intake,
    province: Province,
    position: Position,
    until: int,
    folder: Path,
    accidents: Sequence[Accident] = (),
    *,
    batch: int = BATCH,
    connections: int = 1,
    progress: Progress | None = None,
) -> Position:
    """Sends all that became known since the position, and returns the new one; first finishes a span left
    unfinished.
    """
    if position.sending is None:
        position = replace(position, sending=until, answered=0)
        write_position(folder, position)
    end = position.sending if position.sending is not None else until
    span = Span(position.through, end, position.traffic_from, position.dossiers_from, position.fine_from)
    total = province.messages(span) if progress else 0
    skipped = position.answered
    done = 0
    under_way: deque[tuple[Request, asyncio.Task[Answer]]] = deque()

    async def finish_oldest() -> None:
        nonlocal position, done
        request, sending = under_way[0]
        await sending
        under_way.popleft()
        done += request.count
        position = replace(position, answered=position.answered + 1)
        write_position(folder, position)
        if progress is not None:
            progress(min(done, total), total)

    try:
        for number, request in enumerate(province.requests(span, accidents, batch)):
            if number < skipped:
                done += request.count
                continue
            if len(under_way) == connections:
                await finish_oldest()
            under_way.append((request, asyncio.create_task(intake.send(request))))
            await asyncio.sleep(0)  # lets the request go out while the next batch is made
        while under_way:
            await finish_oldest()
    finally:
        for _, sending in under_way:
            sending.cancel()
        await asyncio.gather(*(sending for _, sending in under_way), return_exceptions=True)
    position = replace(position, through=end, sending=None, answered=0)
    write_position(folder, position)
    return position


async def live(
    intake: Intake,
    province: Province,
    position: Position,
    pace: Pace,
    folder: Path,
    say: Callable[[str], None],
    *,
    batch: int = BATCH,
    clock: Callable[[], float] = time.time,
) -> None:
    """Tells what happens, each second, until it is cancelled."""
    accidents = AccidentFile(folder, say)
    reported = clock()
    if position.sending is not None:
        position = await tell(intake, province, position, position.sending, folder, accidents.current(), batch=batch)
    while True:
        now = pace.now(clock())
        if now > position.through:
            position = without_stale_traffic(position, now)
            position = await tell(intake, province, position, now, folder, accidents.current(), batch=batch)
        if clock() - reported >= REPORT_EVERY:
            reported = clock()
            say(intake.tally.sentence())
        await asyncio.sleep(TICK - clock() % TICK)


def without_stale_traffic(position: Position, now: int) -> Position:
    """Leaves out traffic of more than a day ago, after a long pause; dossiers are told in full."""
    if position.sending is None and now - position.through > LONGEST_CATCH_UP:
        return replace(position, traffic_from=max(position.traffic_from, now - LONGEST_CATCH_UP))
    return position


async def tell_accident(intake: Intake, traffic: Traffic, accident: Accident, say: Callable[[str], None]) -> None:
    """Tells an accident alone, to its end: where no `live` runs that could do it. `traffic` is of its
    segments only.
    """
    through = accident.begins
    while through < accident.ends:
        await asyncio.sleep(TICK - time.time() % TICK)
        now = min(int(time.time()), accident.ends + 1)
        if lines := traffic.lines(through, now, [accident]):
            await intake.send(Request("traffic", "\n".join(lines).encode(), len(lines)))
        through = now
    say("The accident is over.")


async def play(
    intake: Intake, timed: Iterable[tuple[datetime, Request]], speed: float, progress: Callable[[int], None]
) -> None:
    """Sends requests at the distances of their times, `speed` times as fast; speed 0 sends them one after
    the other.
    """
    began, done = time.monotonic(), 0
    first: datetime | None = None
    for at, request in timed:
        first = first or at
        if speed:
            await asyncio.sleep(max(0.0, began + (at - first).total_seconds() / speed - time.monotonic()))
        await intake.send(request)
        done += request.count
        progress(done)
