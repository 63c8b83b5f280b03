"""Stocks of cases: how many are open and how many overdue, now and at the end of each day gone by.

What is open depends on the clock as well as on messages, so a job counts it. The same count is written as the
newest value, as the window of the running minute, and for days gone by at their last moment. Of the past only
the days from the earliest change on are counted anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ioc.feeds.feed import Feed
from ioc.jobs.rollups import WRITER, RollupRules, mark_parents
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
    Integers,
    fold,
    joined,
    keys_of,
    starts,
)
from ioc.model.windows import BY_ID, DAY, LEVELS, Level, bucket_start
from ioc.store import rolling, stock_reading, writing
from ioc.store.engine import Connection, Store

MINUTE_LEVEL: Final = BY_ID["1m"]
ROWS_AT_ONCE: Final = 4_000
"""Windows that one transaction writes: others wait for it."""


@dataclass(frozen=True, slots=True)
class StockRules:
    """A feed of cases, the numbers of its two stocks and of its counted series, and its offices."""

    feed: str
    open: int
    overdue: int
    counted: tuple[int, ...]
    offices: tuple[int, ...]

    @classmethod
    def of(cls, feed: Feed, series: dict[str, int], offices: Sequence[int]) -> "StockRules | None":
        if feed.case is None:
            return None
        return cls(
            feed.id,
            series[feed.case.open.id],
            series[feed.case.overdue.id],
            tuple(series[one.id] for one in feed.series if one.counted),
            tuple(offices),
        )


class StockWatch:
    """Counts the stocks of one feed again and again, and writes what has changed.

    Holds what it wrote last, so that a quiet minute costs one row per place and a quiet second none. Another
    process that does the same writes the same.
    """

    def __init__(self, store: Store, stock: StockRules, rules: RollupRules) -> None:
        self._store = store
        self._stock = stock
        self._rules = rules
        self._written: dict[tuple[int, int, int], tuple[int, int, int]] = {}

    def count(self, now: int) -> int:
        """Write the stocks as of `now` where they have changed or a minute has begun; how many rows."""
        with self._store.reading() as connection:
            counts = stock_reading.open_and_overdue(connection, self._stock.feed, now)
            as_of = stock_reading.newest_statements(connection, self._stock.counted)
        table = self._table(counts, {origin for _, origin in as_of}, now)
        minute = bucket_start(now, MINUTE_LEVEL, self._rules.day_offset)
        changed = [
            at
            for at, (series, place, origin, value) in enumerate(table[[SERIES, PLACE, ORIGIN, LAST]].T.tolist())
            if self._written.get((series, place, origin)) != (minute, value, as_of.get((place, origin), 0))
        ]
        if not changed:
            return 0
        rows = table[:, changed]
        rows[START] = minute
        ends = [as_of.get((place, origin), 0) for place, origin in rows[[PLACE, ORIGIN]].T.tolist()]
        latest = np.stack([*rows[:START], rows[LAST_AT], np.array(ends, np.int64), rows[LAST]], axis=1)
        with self._store.writing() as connection:
            writing.replace_windows(connection, MINUTE_LEVEL, rows)
            mark_parents(connection, MINUTE_LEVEL, keys_of(rows), self._rules.day_offset)
            writing.replace_latest(connection, latest)
            writing.append_change(connection, WRITER, now, np.ascontiguousarray(latest[:, :3]))
        for (series, place, origin, value), end in zip(
            rows[[SERIES, PLACE, ORIGIN, LAST]].T.tolist(), ends, strict=True
        ):
            self._written[series, place, origin] = (minute, value, end)
        return len(changed)

    def count_days(self, changed: Integers, now: int) -> int:
        """Count anew the ends of all days from the earliest on whose counted cases changed; how many rows.

        `changed` are days (series, place, origin, start), shape (n, 4). Today is left to `count`.
        """
        today = bucket_start(now, LEVELS[-1], self._rules.day_offset)
        concerned = changed[np.isin(changed[:, 0], self._stock.counted) & (changed[:, 3] < today)]
        written = 0
        for origin in np.unique(concerned[:, 2]).tolist():
            of_origin = concerned[concerned[:, 2] == origin]
            places = np.unique(of_origin[:, 1])
            offices = places[~np.isin(places, self._rules.ancestry.above)]
            ends = np.arange(of_origin[:, 3].min() + DAY, today + 1, DAY, dtype=np.int64)
            written += self._restate(origin, offices, ends)
        return written

    def _restate(self, origin: int, offices: Integers, ends: Integers) -> int:
        """Write the stocks at these ends of days of all offices that had a case then, and of these offices.

        An office whose cases all went to another one has none left to find it by, but what it had must go.
        """
        with self._store.reading() as connection:
            lives = stock_reading.lives(connection, self._stock.feed, int(ends[0]) - DAY, origin)
        who, opened, overdue = stock_reading.counted_at(lives, ends, origin, offices)
        table = self._everywhere(
            joined(
                [
                    _stock_windows(self._stock.open, who, opened, ends - 1),
                    _stock_windows(self._stock.overdue, who, overdue, ends - 1),
                ]
            )
        )
        for at in range(0, table.shape[1], ROWS_AT_ONCE):
            with self._store.writing() as connection:
                self._write(connection, table[:, at : at + ROWS_AT_ONCE])
        return int(table.shape[1])

    def _write(self, connection: Connection, table: Integers) -> None:
        """Put each window into the finest level that keeps its time."""
        kept_from = rolling.hold_kept_from(connection)
        for level in LEVELS:
            of_level = _of_level(table, level, kept_from)
            if of_level.shape[1]:
                of_level[START] = starts(of_level[START], level, self._rules.day_offset)
                writing.replace_windows(connection, level, fold(of_level))
                mark_parents(connection, level, keys_of(of_level), self._rules.day_offset)

    def _table(self, counts: dict[tuple[int, int], tuple[int, int]], origins: set[int], at: int) -> Integers:
        """Windows at `at` of both stocks at every office and every place above, zeros included."""
        offices = sorted({*self._stock.offices, *(place for _, place in counts)})
        who = [(origin, office) for origin in sorted(origins) for office in offices]
        values = np.array([counts.get(one, (0, 0)) for one in who], np.int64).reshape(-1, 2)
        columns, when = np.array(who, np.int64).reshape(-1, 2), np.array([at])
        return self._everywhere(
            joined(
                [
                    _stock_windows(self._stock.open, columns, values[:, [0]], when),
                    _stock_windows(self._stock.overdue, columns, values[:, [1]], when),
                ]
            )
        )

    def _everywhere(self, table: Integers) -> Integers:
        """The stocks of offices, and their sums at every place above."""
        everywhere = fold(joined([table, self._rules.ancestry.folded_up(table)]))
        everywhere[COUNT] = everywhere[WEIGHT] = 1
        everywhere[MIN] = everywhere[MAX] = everywhere[LAST] = everywhere[SUM]
        return everywhere


def _stock_windows(series: int, who: Integers, values: Integers, at: Integers) -> Integers:
    """One window of one series for each (origin, office) of `who` (k, 2) at each of `at` (n); values (k, n)."""
    table = np.zeros((len(COLUMNS), values.size), np.int64)
    table[SERIES] = series
    table[ORIGIN], table[PLACE] = np.repeat(who, values.shape[1], axis=0).T
    table[START] = table[LAST_AT] = np.tile(at, len(who))
    table[SUM] = values.ravel()
    return table


def _of_level(table: Integers, level: Level, kept_from: Sequence[int]) -> Integers:
    """The windows whose time `level` is the finest to keep; the minute is the finest that stocks use."""
    if level.number == 0:
        return table[:, :0]
    is_kept = np.ones(table.shape[1], bool)
    if level is not LEVELS[-1]:
        is_kept &= table[START] >= kept_from[level.number]
    if level is not MINUTE_LEVEL:
        is_kept &= table[START] < kept_from[level.number - 1]
    return table[:, is_kept]
