"""The fold of many windows into one per key: the same in any order and grouping, whatever the range of the keys."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.model.columns import Integers, fold, joined, starts, table_of, unique_rows
from ioc.model.windows import LEVELS, Level, bucket_start
from tests.streams.small_centre import DAY_OFFSET, MIDNIGHT

NARROW = (st.integers(1, 2), st.integers(1, 3), st.integers(0, 1), st.sampled_from([0, 10_000, MIDNIGHT]))
WIDE = (
    st.integers(1, 30_000),
    st.sampled_from([1, 2**31 - 1]),
    st.integers(0, 4),
    st.sampled_from([-(2**40), 0, 2**61, 2**62]),
)
VALUES = (
    st.integers(-3, 3),
    st.integers(0, 5),
    st.integers(-9, 9),
    st.integers(-9, 9),
    st.integers(-9, 9),
    st.integers(0, 3),
    st.integers(-9, 9),
)
Row = tuple[int, ...]


def _by_hand(rows: list[Row]) -> list[Row]:
    groups: dict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[:4]].append(row[4:])
    return [
        (
            *key,
            *(sum(row[at] for row in group) for at in range(3)),
            min(row[3] for row in group),
            max(row[4] for row in group),
            *max(row[5:] for row in group),
        )
        for key, group in sorted(groups.items())
    ]


def _rows(table: Integers) -> list[Row]:
    return [tuple(row) for row in table.T.tolist()]


@given(rows=st.lists(st.one_of(st.tuples(*NARROW, *VALUES), st.tuples(*WIDE, *VALUES)), max_size=30), data=st.data())
def test_it_folds_as_loops_would(rows: list[Row], data: st.DataObject) -> None:
    assert _rows(fold(table_of(rows))) == _by_hand(rows)
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    in_parts = fold(joined([fold(table_of(shuffled[:cut])), fold(table_of(shuffled[cut:]))]))
    assert _rows(in_parts) == _by_hand(rows)


@given(rows=st.lists(st.one_of(st.tuples(*NARROW), st.tuples(*WIDE)), max_size=30))
def test_distinct_rows_come_in_order(rows: list[Row]) -> None:
    distinct = unique_rows(np.array(rows, np.int64).reshape(-1, 4))
    assert [tuple(row) for row in distinct.tolist()] == sorted(set(rows))


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.id)
@given(at=st.one_of(st.integers(0, 2**42), st.integers(-200_000, 200_000).map(lambda off: MIDNIGHT + off)))
def test_columns_and_single_times_fall_into_the_same_buckets(level: Level, at: int) -> None:
    (start,) = starts(np.array([at], np.int64), level, DAY_OFFSET).tolist()
    assert start == bucket_start(at, level, DAY_OFFSET)
    assert start <= at < start + level.width
    assert (start - MIDNIGHT) % level.width == 0
