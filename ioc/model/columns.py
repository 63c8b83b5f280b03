"""Windows as columns: the pure fold of many partial aggregates into one per key, and the way up the territory.

A table is an int64 array of shape (11, n): one row per column of `COLUMNS`, one column per window. The same fold
serves ingest (observations into the finest windows), roll-ups (windows into coarser ones) and territory (assets
into units and centres); it adds integers, so neither order nor grouping changes what comes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ioc.model.windows import COARSEST, DAY, Level

Integers: TypeAlias = NDArray[np.int64]

COLUMNS: Final = ("series", "place", "origin", "start", "count", "weight", "sum", "min", "max", "last_at", "last")
SERIES, PLACE, ORIGIN, START, COUNT, WEIGHT, SUM, MIN, MAX, LAST_AT, LAST = range(11)
KEY: Final = slice(0, 4)
ADDED: Final = slice(COUNT, MIN)

_SMALLEST: Final = np.iinfo(np.int64).min
_LARGEST_KEY: Final = 2**62


def table_of(rows: Sequence[Sequence[int]]) -> Integers:
    """A table from rows in the order of `COLUMNS`."""
    if not rows:
        return np.empty((len(COLUMNS), 0), np.int64)
    return np.ascontiguousarray(np.array(rows, np.int64).T)


def joined(tables: Iterable[Integers]) -> Integers:
    """All windows of the tables, unfolded."""
    return np.concatenate([np.empty((len(COLUMNS), 0), np.int64), *tables], axis=1)


def starts(at: Integers, level: Level, day_offset: int) -> Integers:
    """Start of the bucket of `level` for each time; as `bucket_start`, for columns."""
    if level is COARSEST:
        return (at + day_offset) // DAY * DAY - day_offset
    return at // level.width * level.width


def _packed(keys: Integers) -> Integers | None:
    """One number for each column of `keys`, in the same order, the first row weighing most; None where none fits."""
    low = keys.min(axis=1)
    spans = [int(span) + 1 for span in keys.max(axis=1) - low]
    size = 1
    for span in spans:
        size *= span
    if size >= _LARGEST_KEY:
        return None
    packed = np.zeros(keys.shape[1], np.int64)
    for row, span, lowest in zip(keys, spans, low, strict=True):
        packed *= span
        packed += row - lowest
    return packed


def _grouped(keys: Integers) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The order of the columns of `keys`, and where in that order a new key begins."""
    is_first = np.ones(keys.shape[1], bool)
    packed = _packed(keys)
    if packed is None:
        order = np.lexsort(keys[::-1])
        ordered = keys[:, order]
        is_first[1:] = np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)
    else:
        order = np.argsort(packed, kind="stable")
        numbers = packed[order]
        is_first[1:] = numbers[1:] != numbers[:-1]
    return order, is_first


def fold(table: Integers) -> Integers:
    """One window per (series, place, origin, start), ordered by that key.

    `last` is the value of the newest `last_at`, the larger one at a tie.
    """
    count = table.shape[1]
    if count < 2:
        return table
    order, is_first = _grouped(table[KEY])
    ordered = np.take(table, order, axis=1)
    first = np.flatnonzero(is_first)
    if len(first) == count:
        return ordered
    folded = np.empty((len(COLUMNS), len(first)), np.int64)
    folded[KEY] = ordered[KEY, first]
    folded[ADDED] = np.add.reduceat(ordered[ADDED], first, axis=1)
    folded[MIN] = np.minimum.reduceat(ordered[MIN], first)
    folded[MAX] = np.maximum.reduceat(ordered[MAX], first)
    folded[LAST_AT] = np.maximum.reduceat(ordered[LAST_AT], first)
    group = np.cumsum(is_first) - 1
    is_newest = ordered[LAST_AT] == folded[LAST_AT, group]
    folded[LAST] = np.maximum.reduceat(np.where(is_newest, ordered[LAST], _SMALLEST), first)
    return folded


def coarser(table: Integers, level: Level, day_offset: int) -> Integers:
    """The windows as buckets of a coarser level."""
    moved = table.copy()
    moved[START] = starts(table[START], level, day_offset)
    return fold(moved)


def keys_of(table: Integers) -> Integers:
    """The keys (series, place, origin, start) of a folded table, shape (n, 4)."""
    return np.ascontiguousarray(table[KEY].T)


def unique_rows(rows: Integers) -> Integers:
    """The distinct rows of an (n, k) array, in order."""
    if len(rows) < 2:
        return rows
    order, is_first = _grouped(np.ascontiguousarray(rows.T))
    return rows[order[is_first]]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What each asset folds into, by time: its units up to the top and the centres that cover them.

    `since` is sorted: asset number × 2³⁴ + the second from which `chain` holds. `first` and `above` hold the
    chains one after the other (chain c is above[first[c]:first[c + 1]]).
    """

    since: Integers
    chain: Integers
    first: Integers
    above: Integers

    @classmethod
    def of(cls, intervals: Mapping[int, Sequence[tuple[int, tuple[int, ...]]]]) -> "Ancestry":
        """From, per asset number, (first UTC millisecond, places above) in order of time; 0 stands for "always"."""
        chains: dict[tuple[int, ...], int] = {}
        rows: list[tuple[int, int]] = []
        for asset in sorted(intervals):
            for from_ms, places in intervals[asset]:
                number = chains.setdefault(places, len(chains))
                rows.append(((asset << 34) + max(from_ms, 0) // 1000, number))
        lengths = [len(places) for places in chains]
        return cls(
            np.array([row[0] for row in rows], np.int64),
            np.array([row[1] for row in rows], np.int64),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.array([place for places in chains for place in places], np.int64),
        )

    def chains(self, places: Integers, at: Integers) -> Integers:
        """The chain of each asset at each time; -1 where it belonged to nothing."""
        if not len(self.since):
            return np.full(len(places), -1, np.int64)
        found = np.searchsorted(self.since, (places << 34) + np.maximum(at, 0) // 1000, side="right") - 1
        known = (found >= 0) & (self.since[found] >> 34 == places)
        return np.where(known, self.chain[found], -1)

    def folded_up(self, table: Integers) -> Integers:
        """The windows of all places above the assets of `table`, as of the start of each window.

        Assets that share their chain are folded first, so that fanning out to the places above stays cheap.
        """
        if not table.shape[1]:
            return table
        grouped = table.copy()
        grouped[PLACE] = self.chains(table[PLACE], table[START])
        grouped = fold(grouped[:, grouped[PLACE] >= 0])
        chain = grouped[PLACE]
        lengths = self.first[chain + 1] - self.first[chain]
        source = np.repeat(np.arange(len(chain)), lengths)
        within = np.arange(len(source)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        raised = grouped[:, source]
        raised[PLACE] = self.above[np.repeat(self.first[chain], lengths) + within]
        return fold(raised)
