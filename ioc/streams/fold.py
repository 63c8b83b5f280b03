"""From decoded readings and case transitions to tables of windows: pure, integers only, any order, any cut."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ioc.model.columns import (
    COLUMNS,
    COUNT,
    LAST,
    LAST_AT,
    MAX,
    MIN,
    ORIGIN,
    PLACE,
    SERIES,
    START,
    SUM,
    WEIGHT,
    Ancestry,
    Integers,
    fold,
    joined,
    keys_of,
    starts,
    unique_rows,
)
from ioc.model.windows import COARSEST, LEVELS, Level

READING: Final = 7
"""Columns of a reading: series, asset, origin, at, as_of, value, weight."""

PIECE: Final = 16_384
"""Readings that are folded at once: their columns fit a processor's cache."""

TRANSITION: Final = 5
"""Columns of a transition: series, asset, origin, at, change (+1 or -1)."""

HEARD: Final = 4
"""Columns of what was heard of cases: series, asset, origin, time of the newest statement."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch adds: windows by level, newest values, buckets to roll up, and what was touched.

    `latest` rows are (series, place, origin, at, as_of, value); `marks` rows (series, place, origin, start) by
    the level that must be looked at; `touched` rows (series, place, origin).
    """

    windows: dict[Level, Integers]
    latest: Integers
    marks: dict[Level, Integers]
    touched: Integers


@dataclass(frozen=True, slots=True)
class Rules:
    """What folding needs to know: which series numbers add upward, the ancestry, local time minus UTC (ms)."""

    additive: Integers
    ancestry: Ancestry
    day_offset: int


def windows_of_readings(readings: Sequence[int]) -> tuple[Integers, Integers]:
    """Windows not yet cut into buckets (start = event time), and their latest rows.

    What was said of one series, asset and time (by lanes and vehicle types, in one record) is one window already.
    """
    rows = np.array(readings, np.int64).reshape(-1, READING)
    pieces = [_windows_of_piece(rows[at : at + PIECE].T) for at in range(0, len(rows), PIECE)]
    return joined([piece[0] for piece in pieces]), np.concatenate([piece[1] for piece in pieces], axis=1)


def _windows_of_piece(rows: Integers) -> tuple[Integers, Integers]:
    series, asset, origin, at, as_of, value, weight = rows
    table = np.empty((len(COLUMNS), rows.shape[1]), np.int64)
    table[SERIES], table[PLACE], table[ORIGIN], table[START] = series, asset, origin, at
    table[COUNT] = 1
    table[WEIGHT] = weight
    table[SUM] = value * weight
    table[MIN] = table[MAX] = table[LAST] = value
    table[LAST_AT] = at
    newest = table.copy()
    newest[MAX] = as_of
    return fold(table), fold(newest)[[SERIES, PLACE, ORIGIN, LAST_AT, MAX, LAST]]


def windows_of_transitions(transitions: Sequence[int], heard: Sequence[int]) -> tuple[Integers, Integers]:
    """One window per counted or taken-back transition: count and sum only; and the latest rows of what was heard."""
    rows = np.array(transitions, np.int64).reshape(-1, TRANSITION).T
    series, asset, origin, at, change = rows
    table = np.zeros((len(COLUMNS), rows.shape[1]), np.int64)
    table[SERIES], table[PLACE], table[ORIGIN], table[START] = series, asset, origin, at
    table[COUNT] = table[WEIGHT] = table[SUM] = change
    heard_series, heard_asset, heard_origin, as_of = np.array(heard, np.int64).reshape(-1, HEARD).T
    return table, np.stack([heard_series, heard_asset, heard_origin, as_of, as_of, np.zeros_like(as_of)])


def folded(parts: Sequence[tuple[Integers, Integers]], kept_from: Sequence[int], rules: Rules) -> Folded:
    """Everything that a batch adds to the store: each time to the finest level that is kept from before it."""
    table = joined([part[0] for part in parts])
    newest = np.concatenate([np.empty((6, 0), np.int64), *(part[1] for part in parts)], axis=1)
    windows: dict[Level, Integers] = {}
    marks: dict[Level, Integers] = {}
    for level, at_level in _by_level(table, kept_from).items():
        at_level[START] = starts(at_level[START], level, rules.day_offset)
        assets = fold(at_level)
        above = rules.ancestry.folded_up(assets[:, np.isin(assets[SERIES], rules.additive)])
        windows[level] = fold(joined([assets, above]))
        # What comes too late for the finest level is marked at its own: places above may have to be computed there.
        marked = LEVELS[max(level.number, 1)]
        keys = np.stack([*windows[level][:START], starts(windows[level][START], marked, rules.day_offset)], axis=1)
        marks[marked] = unique_rows(np.concatenate([keys, marks.get(marked, keys[:0])]))
    latest = _latest(newest, rules)
    touched = [np.ascontiguousarray(latest[:, :START]), *(keys_of(table)[:, :START] for table in windows.values())]
    return Folded(windows, latest, marks, unique_rows(np.concatenate(touched)))


def _by_level(table: Integers, kept_from: Sequence[int]) -> dict[Level, Integers]:
    """The windows that each level takes in."""
    left = table
    taken: dict[Level, Integers] = {}
    for level, since in zip(LEVELS[:-1], kept_from, strict=True):
        if not left.shape[1]:
            return taken
        is_kept = left[START] >= since
        if is_kept.all():
            taken[level] = left
            return taken
        if is_kept.any():
            taken[level] = left[:, is_kept]
            left = left[:, ~is_kept]
    taken[LEVELS[-1]] = left
    return taken


def _latest(newest: Integers, rules: Rules) -> Integers:
    """One row per (series, place, origin), assets and the places above; shape (n, 6), in key order.

    `at` and `value` are of the newest observation (the larger value at a tie), `as_of` is the newest end.
    """
    if not newest.shape[1]:
        return np.empty((0, 6), np.int64)
    # The same fold does it: as a window, `last` is by (last_at, value) and `max` can carry as_of.
    table = np.zeros((len(COLUMNS), newest.shape[1]), np.int64)
    table[SERIES], table[PLACE], table[ORIGIN] = newest[:3]
    table[LAST_AT], table[MAX], table[LAST] = newest[3:]
    # START is 0 while folding. Going up it is the local day, because places above an asset change at midnight only.
    raised = table[:, np.isin(table[SERIES], rules.additive)]
    raised[START] = starts(raised[LAST_AT], COARSEST, rules.day_offset)
    above = rules.ancestry.folded_up(fold(raised))
    above[START] = 0
    rows = fold(joined([table, above]))
    return np.ascontiguousarray(rows[[SERIES, PLACE, ORIGIN, LAST_AT, MAX, LAST]].T)


def net_transitions(changes: Sequence[tuple[int, int, int, int, int]]) -> list[int]:
    """Transitions with those that cancel each other left out, flat, as `windows_of_transitions` takes them."""
    net: dict[tuple[int, int, int, int], int] = defaultdict(int)
    for series, asset, origin, at, change in changes:
        net[series, asset, origin, at] += change
    flat: list[int] = []
    for (series, asset, origin, at), change in net.items():
        if change:
            flat += (series, asset, origin, at, change)
    return flat
