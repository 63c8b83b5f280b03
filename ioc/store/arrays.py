"""Columns of integers as PostgreSQL's arrays, in the binary form that its `array_recv` reads.

The rows of a batch go over as one array per column and become rows again by `unnest`. Text, or a Python object for
each number, takes many times as long to make.
"""

from typing import Any, Final

import numpy as np
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper

BIGINT: Final = 20
BIGINT_ARRAY: Final = 1016

_HEAD: Final = np.dtype([("dimensions", ">i4"), ("has_null", ">i4"), ("type", ">i4"), ("size", ">i4"), ("from", ">i4")])
_ITEM: Final = np.dtype([("bytes", ">i4"), ("value", ">i8")])


class IntegersDumper(Dumper):
    """A numpy array of one dimension as `bigint[]`."""

    format = pq.Format.BINARY
    oid = BIGINT_ARRAY

    def dump(self, obj: Any) -> Buffer:
        column = np.asarray(obj, np.int64)
        if column.ndim != 1:
            raise ValueError(f"a column has one dimension, not {column.ndim}")
        head = np.array((1, 0, BIGINT, len(column), 1), _HEAD)
        items = np.empty(len(column), _ITEM)
        items["bytes"] = 8
        items["value"] = column
        return head.tobytes() + items.tobytes()
