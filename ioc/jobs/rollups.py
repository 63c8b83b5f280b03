"""Roll-ups: coarser windows made anew from what changed below, and the places above from their assets.

A bucket is always recomputed whole from the level below, so doing it twice, or after late data, gives the same. One
whose finer rows are no longer kept stays as it is: what comes late for it is added to the bucket itself.
Marks are read, worked off in chunks, and then exactly those that were read are deleted: data that arrives
meanwhile brings marks of its own. So a chunk is read and computed before the transaction that writes it: on SQLite
everybody who writes waits for that one. Two processes that do this at the same time take turns: what one has computed
while the other wrote is computed again.

For series whose two rules do not add alike (congested segments: last over time, sum over territory) no partial
may be added upward; the windows of units and centres are computed here from the windows of their assets.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from ioc.model.columns import (
    COUNT,
    LAST,
    LAST_AT,
    MAX,
    MIN,
    START,
    SUM,
    WEIGHT,
    Ancestry,
    Integers,
    coarser,
    fold,
    joined,
    keys_of,
    starts,
    unique_rows,
)
from ioc.model.series import Combine, Series
from ioc.model.windows import LEVELS, SECOND, Level
from ioc.store import rolling, writing
from ioc.store.engine import Connection, Store
from ioc.store.packing import unpack_keys

WRITER: Final = "jobs"
MARKS_AT_ONCE: Final = 250
KEYS_AT_ONCE: Final = writing.KEYS_PER_MARK
NOTHING: Final = np.empty((0, 4), np.int64)
WINDOWS_AT_ONCE: Final = 20_000
"""Asset windows from which one transaction computes those of the places above."""


@dataclass(frozen=True, slots=True)
class RollupRules:
    """The declared series by number, the ancestry of assets, and local time minus UTC in milliseconds."""

    series: dict[int, Series]
    ancestry: Ancestry
    day_offset: int

    @property
    def assets(self) -> Integers:
        """Numbers of all assets that belong to a place."""
        return np.unique(self.ancestry.since >> 34)

    def computed_upward(self) -> dict[int, Series]:
        """Series whose windows above the assets are computed here."""
        return {number: series for number, series in self.series.items() if not series.adds_upward and not series.stock}


def roll_up(store: Store, rules: RollupRules, days_changed: Callable[[Integers], None] | None = None) -> int:
    """Work off the marks that stand now, from fine to coarse; how many buckets were looked at.

    `days_changed` is told the days (series, place, origin, start) that changed, shape (n, 4), before the marks that say
    so are deleted: if it fails, or the program dies, it is told again.
    """
    made = 0
    for level in LEVELS[1:]:
        while True:
            with store.reading() as connection:
                read = writing.read_marks(connection, level, MARKS_AT_ONCE)
            if not read:
                break
            keys = unique_rows(np.concatenate([unpack_keys(packed) for _, packed in read]))
            for chunk in _chunks(keys):
                _write_in_turn(store, level, partial(_remade, level, chunk, rules))
            for number, series in rules.computed_upward().items():
                of_series = keys[(keys[:, 0] == number) & np.isin(keys[:, 1], rules.assets)]
                for origin in np.unique(of_series[:, 2]).tolist():
                    starting = np.unique(of_series[of_series[:, 2] == origin, 3])
                    _compute_above(store, level, (number, series), origin, starting, rules)
            if level is LEVELS[-1] and days_changed is not None:
                days_changed(keys)
            with store.writing() as connection:
                writing.delete_marks(connection, [mark for mark, _ in read])
            made += len(keys)
            if len(read) < MARKS_AT_ONCE:
                break
    return made


def _chunks(keys: Integers) -> Iterator[Integers]:
    for at in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[at : at + KEYS_AT_ONCE]


@dataclass(frozen=True, slots=True)
class _Remade:
    """Windows to be put in place, and the keys (n, 4) of those to take away and of the parents to make anew."""

    windows: Integers
    gone: Integers
    parents: Integers


def _write_in_turn(store: Store, level: Level, compute: Callable[[Connection], _Remade]) -> None:
    """Compute from a snapshot, then write it down, unless another process has written roll-ups in between."""
    while True:
        with store.reading() as connection:
            turn = rolling.read_turn(connection)
            remade = compute(connection)
        with store.writing() as connection:
            if not rolling.take_turn(connection, turn):
                continue
            writing.replace_windows(connection, level, remade.windows)
            writing.remove_windows(connection, level, remade.gone)
            if len(remade.parents):
                writing.append_marks(connection, LEVELS[level.number + 1], remade.parents)
            return


def _remade(level: Level, keys: Integers, rules: RollupRules, connection: Connection) -> _Remade:
    """These buckets of `level` from the level below, as far as that is kept."""
    below_kept_from = rolling.load_kept_from(connection)[level.number - 1]
    whole = keys[keys[:, 3] >= below_kept_from]
    table = coarser(rolling.windows_below(connection, level, whole), level, rules.day_offset)
    return _Remade(table, _without(whole, keys_of(table)), _parents(level, keys, rules.day_offset))


def mark_parents(connection: Connection, level: Level, keys: Integers, day_offset: int) -> None:
    """Say that the buckets above these windows (n, 4) of `level` must be made anew."""
    parents = _parents(level, keys, day_offset)
    if len(parents):
        writing.append_marks(connection, LEVELS[level.number + 1], parents)


def _parents(level: Level, keys: Integers, day_offset: int) -> Integers:
    """The buckets above these windows (n, 4) of `level`; none above the coarsest."""
    if level is LEVELS[-1]:
        return keys[:0]
    raised = keys.copy()
    raised[:, 3] = starts(keys[:, 3], LEVELS[level.number + 1], day_offset)
    return unique_rows(raised)


def _without(keys: Integers, found: Integers) -> Integers:
    """The rows of `keys` that are not among `found`; most often there is none."""
    if len(keys) == len(found):
        return keys[:0]
    known = {tuple(row) for row in found.tolist()}
    return np.array([row for row in keys.tolist() if tuple(row) not in known], np.int64).reshape(-1, 4)


def _compute_above(
    store: Store, level: Level, numbered: tuple[int, Series], origin: int, changed: Integers, rules: RollupRules
) -> None:
    """Make the windows of the places above anew, from the asset windows of the same level, where those changed.

    What an asset said last counts on in the buckets that follow until it is stale, so those change as well. A bucket
    in which no asset said anything has no windows above either, whenever a roll-up looks at it.
    """
    series = numbered[1]
    stale = stale_after_ms(series) if series.over_time is Combine.LAST else 0
    following = -(-stale // level.width)
    buckets = np.unique(np.concatenate([changed + step * level.width for step in range(following + 1)]))
    at_once = max(1, WINDOWS_AT_ONCE // len(rules.assets)) * level.width
    while len(buckets):
        these, buckets = np.split(buckets, [np.searchsorted(buckets, buckets[0] + at_once)])
        _write_in_turn(store, level, partial(_remade_above, level, numbered, origin, these, stale, rules))


def _remade_above(
    level: Level,
    numbered: tuple[int, Series],
    origin: int,
    buckets: Integers,
    stale: int,
    rules: RollupRules,
    connection: Connection,
) -> _Remade:
    number, series = numbered
    first, end = int(buckets[0]) - stale - level.width, int(buckets[-1]) + level.width
    rows = rolling.windows_between(connection, level, number, origin, rules.assets.tolist(), first, end)
    told = np.intersect1d(buckets, rows[START])
    return _Remade(combined_above(rows, series, told, level, rules.ancestry), NOTHING, NOTHING)


def stale_after_ms(series: Series) -> int:
    """From this age on a value no longer counts as what is known now."""
    return (3 * series.period + series.delay) * SECOND


def combined_above(rows: Integers, series: Series, buckets: Integers, level: Level, ancestry: Ancestry) -> Integers:
    """The windows of all places above at these buckets: one value of each asset, by the rule over territory.

    `rows` are asset windows of `level`; an asset's value is that of the bucket, or where the last one counts its
    newest one that is not stale when the bucket begins.
    """
    if series.over_time is Combine.LAST:
        stale = stale_after_ms(series)
        carried = []
        for step in range(-(-stale // level.width) + 1):
            later = rows.copy()
            later[START] += step * level.width
            carried.append(later[:, later[START] - later[LAST_AT] <= stale])
        assets = fold(joined(carried))
        values = assets[LAST]
    else:
        assets = rows
        values = _over_time(assets, series.over_time)
    single = assets.copy()
    single[COUNT] = single[WEIGHT] = 1
    single[SUM] = single[MIN] = single[MAX] = single[LAST] = values
    above = ancestry.folded_up(single[:, np.isin(single[START], buckets)])
    combined = over_territory(above, series.over_territory)
    above[SUM] = above[MIN] = above[MAX] = above[LAST] = combined
    above[WEIGHT] = 1
    return above


def _over_time(table: Integers, rule: Combine) -> Integers:
    """The value of each window by the rule over time."""
    if rule is Combine.MEAN:
        return _rounded(table[SUM], table[WEIGHT])
    column: Integers = table[{Combine.SUM: SUM, Combine.MIN: MIN, Combine.MAX: MAX, Combine.LAST: LAST}[rule]]
    return column


def over_territory(above: Integers, rule: Combine) -> Integers:
    """The value of each place by the rule over territory; its assets were folded with one value each."""
    if rule is Combine.MEAN:
        return _rounded(above[SUM], above[COUNT])
    column: Integers = above[{Combine.SUM: SUM, Combine.MIN: MIN, Combine.MAX: MAX, Combine.LAST: LAST}[rule]]
    return column


def _rounded(numerator: Integers, denominator: Integers) -> Integers:
    """The quotient to the nearest integer, halves up; integers only, so that every machine agrees."""
    quotient: Integers = (2 * numerator + denominator) // np.maximum(2 * denominator, 1)
    return quotient
