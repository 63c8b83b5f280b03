"""Many short keys as one compressed blob: what a batch touched costs one row, however much it was."""

import zlib

import numpy as np

from ioc.errors import StoreError
from ioc.model.columns import Integers

TRIPLE = 3
KEY = 4


def _pack(rows: Integers) -> bytes:
    return zlib.compress(np.ascontiguousarray(rows.T, np.dtype("<i8")).tobytes(), level=1)


def _unpack(blob: bytes, width: int) -> Integers:
    try:
        numbers = np.frombuffer(zlib.decompress(blob), np.dtype("<i8"))
        return np.ascontiguousarray(numbers.reshape(width, -1).T).astype(np.int64)
    except (zlib.error, ValueError) as error:
        raise StoreError("a packed row of the store is damaged: restore the store from its backup") from error


def pack_triples(rows: Integers) -> bytes:
    """(series, place, origin) rows, shape (n, 3)."""
    return _pack(rows)


def unpack_triples(blob: bytes) -> Integers:
    return _unpack(blob, TRIPLE)


def pack_keys(rows: Integers) -> bytes:
    """(series, place, origin, start) rows, shape (n, 4)."""
    return _pack(rows)


def unpack_keys(blob: bytes) -> Integers:
    return _unpack(blob, KEY)
