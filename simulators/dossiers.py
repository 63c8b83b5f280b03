"""Dossiers of the one-stop offices: the cases received on a local day, each drawn with its whole life at
once.

A pure function of (seed, office, local date). Counters work in working hours, the online way is open in the
evening and at weekends; due times run in working days and stand still while a citizen is asked for papers.
No person is in it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.cases import Case
from simulators.places import Office
from simulators.working_time import (
    AFTERNOON,
    EPOCH,
    EVENING,
    MORNING,
    NOON,
    WORKING_DAY,
    DayKind,
    day_kind,
    midnight,
    working_time,
)

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

DOSSIERS_PER_WORKING_DAY = 620
WEEKDAYS = (1.12, 1.03, 1.0, 0.96, 0.89)
REST_DAYS = {DayKind.SATURDAY: 0.12, DayKind.SUNDAY: 0.08, DayKind.HOLIDAY: 0.06, DayKind.LUNAR_NEW_YEAR: 0.02}
CHANNELS = ("online", "counter", "post")
CHANNEL_SHARES = (0.75, 0.22, 0.03)  # with the rest days, which are online only, about 76 % online


@dataclass(frozen=True, slots=True)
class Field:
    """A field of procedures: how often, how long by the rules, and how its punctuality differs from the
    office's.
    """

    id: str
    share: float
    working_days: int
    procedures: int
    punctuality: float


FIELDS = (
    Field("civil_status", 0.26, 2, 6, 0.008),
    Field("justice", 0.24, 1, 4, 0.01),
    Field("land", 0.13, 15, 7, -0.04),
    Field("business", 0.1, 3, 5, 0.005),
    Field("social", 0.09, 10, 5, 0.0),
    Field("construction", 0.05, 15, 4, -0.02),
    Field("education", 0.04, 5, 4, 0.01),
    Field("transport", 0.04, 3, 3, 0.005),
    Field("health", 0.03, 10, 3, 0.0),
    Field("environment", 0.02, 20, 3, -0.01),
)

# Hours (share of the day's requests, as densities over the second of the day).
_COUNTER = ((MORNING, 0.0), (32_000, 0.34), (NOON, 0.6), (AFTERNOON, 0.6), (54_000, 0.85), (EVENING, 1.0))
_ONLINE = ((0, 0.0), (21_600, 0.02), (MORNING, 0.1), (NOON, 0.46), (AFTERNOON, 0.52), (EVENING, 0.76), (82_800, 1.0))


class _Draw(NamedTuple):
    """What was drawn for one case: numbers of office, channel and field, then its moments."""

    office: int
    channel: int
    field: int
    procedure: float
    received: int
    due: int
    due_after_papers: int
    taken: int
    asked: int
    answered: int
    finished: int
    sent_back: int
    fetched: int
    lacks_papers: bool
    gives_up: bool


@cache
def quality(seed: int, office: str) -> float:
    """The share of dossiers that an office finishes on time: most near 95 %, a few far below, some near
    perfect.
    """
    group, place = _stream(seed, office, EPOCH).random(2)
    low, high = (0.83, 0.9) if group < 0.15 else (0.94, 0.97) if group < 0.75 else (0.98, 0.995)
    return float(low + (high - low) * place)


def cases_received(seed: int, offices: Sequence[Office], day: date) -> list[Case]:
    """All cases received at the offices on a local day, by office and moment."""
    kind = day_kind(day)
    level = WEEKDAYS[day.weekday() % 5] if kind is DayKind.WORKING else REST_DAYS[kind]
    draws = []
    for office in offices:
        stream = _stream(seed, office.id, day)
        count = int(stream.poisson(DOSSIERS_PER_WORKING_DAY * office.share * level))
        draws.append(stream.random((count, 11)))
    if not draws:
        return []
    u = np.concatenate(draws)
    owner = np.repeat(np.arange(len(draws)), [len(drawn) for drawn in draws])
    channel = np.searchsorted(np.cumsum(CHANNEL_SHARES)[:-1], u[:, 0])
    if kind is not DayKind.WORKING:
        channel[:] = 0
    second = np.where(channel == 0, _hour(_ONLINE, u[:, 1]), _hour(_COUNTER, u[:, 1])).astype(np.int64)
    order = np.lexsort((second, owner))
    punctual = np.array([quality(seed, office.id) for office in offices])[owner]
    columns = _lives(day, owner[order], channel[order], second[order], punctual[order], u[order])
    lives = map(_Draw, *(column.tolist() for column in columns))
    counted = Counter[int]()
    cases = []
    for life in lives:
        counted[life.office] += 1
        cases.append(_case(seed, offices[life.office], day, counted[life.office], life))
    return cases


def _lives(
    day: date, owner: Whole, channel: Whole, second: Whole, punctual: Floats, u: Floats
) -> list[NDArray[np.generic]]:
    """The columns of _Draw, in working time, which nights, lunch breaks and holidays stretch."""
    clock = working_time(day.year)
    field = np.searchsorted(np.cumsum([field.share for field in FIELDS])[:-1], u[:, 2])
    allowed = np.array([field.working_days for field in FIELDS])[field] * WORKING_DAY
    punctual = np.minimum(0.998, punctual + np.array([field.punctuality for field in FIELDS])[field])
    early = 0.2 + 0.79 * u[:, 5] ** 0.8
    late = 1.02 + np.minimum(1.48, -0.35 * np.log1p(-u[:, 5]))
    needed = np.where(u[:, 4] < punctual, early, late) * allowed
    lacks_papers = (u[:, 7] < 0.06) & (allowed >= 3 * WORKING_DAY)
    wait = np.where(lacks_papers, (1 + 7 * u[:, 8]) * WORKING_DAY, 0.0)

    received = midnight(day) + second
    start = clock.worked(received)
    asked = start + 0.35 * needed
    finish = start + needed + wait

    def moment(worked: Floats | Whole) -> Whole:
        return clock.moment(np.ceil(worked).astype(np.int64))

    return [
        owner,
        channel,
        field,
        u[:, 3],
        received,
        moment(start + allowed),
        moment(start + allowed + wait),
        moment(start + u[:, 6] * np.minimum(0.15 * needed, WORKING_DAY / 2)),
        moment(asked),
        moment(asked + wait),
        moment(finish),
        moment(finish) + 300 + (3300 * u[:, 10]).astype(np.int64),
        moment(finish + 1.5 * WORKING_DAY * u[:, 10]),
        lacks_papers,
        u[:, 9] < 0.008,
    ]


def _case(seed: int, office: Office, day: date, number: int, life: _Draw) -> Case:
    field, channel = FIELDS[life.field], CHANNELS[life.channel]
    events = [(life.received, "received"), (life.taken, "in_progress")]
    if life.lacks_papers:
        events += [(life.asked, "suspended"), (life.answered, "in_progress")]
    if life.gives_up:
        events.append((max(life.asked, life.answered) + 1, "withdrawn"))
    else:
        events.append((life.finished, "finished"))
        events.append((life.sent_back if channel == "online" else life.fetched, "returned"))
    return Case(
        id=f"urn:ngsi-ld:Dossier:sim{seed}:{office.id.split('Office:')[-1]}:{day:%Y%m%d}-{number:04d}",
        office=office.id,
        procedure=f"sim-{field.id}-{1 + int(life.procedure * field.procedures)}",
        field=field.id,
        channel=channel,
        received=life.received,
        due=life.due,
        due_after_papers=life.due_after_papers,
        events=_ascending(events),
    )


def _ascending(events: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    """The same events, each at least a second after the one before: of two equal times none would be the
    newer.
    """
    ordered = events[:1]
    for at, state in events[1:]:
        ordered.append((max(at, ordered[-1][0] + 1), state))
    return tuple(ordered)


def _hour(density: tuple[tuple[int, float], ...], u: Floats) -> Floats:
    """The second of the day below which a share u of the day's requests came."""
    seconds, shares = np.array(density).T
    return np.asarray(np.interp(u, shares, seconds))


def _stream(seed: int, office: str, day: date) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(office.encode()), (day - EPOCH).days, 3])
