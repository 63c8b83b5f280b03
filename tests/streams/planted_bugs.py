"""Ways in which ingest could lose or double something, to be planted into it: what the tests must find broken."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sqlalchemy import update

from ioc.model.columns import START, Integers
from ioc.store import streams, writing
from ioc.store.engine import Connection
from ioc.store.schema import positions
from ioc.streams import ingest as ingesting
from ioc.streams.fold import windows_of_readings
from ioc.streams.ingest import Ingest, Prepared
from tests.streams.history import ARRIVAL

_commit = Ingest.commit


@contextmanager
def _position_stands_still() -> Iterator[Callable[..., bool]]:
    advance = streams.advance_position
    streams.advance_position = lambda *_: True
    try:
        yield advance
    finally:
        streams.advance_position = advance


def _advance_all(ingest: Ingest, prepared: Prepared) -> None:
    with ingest._store.writing() as connection:
        for partition, old in prepared.before.items():
            streams.advance_position(connection, old, prepared.after[partition].next_offset, 0, ARRIVAL)


def _position_before_effect(self: Ingest, prepared: Prepared, now: int) -> None:
    _advance_all(self, prepared)
    with _position_stands_still():
        _commit(self, prepared, now)


def _position_after_effect(self: Ingest, prepared: Prepared, now: int) -> None:
    with _position_stands_still():
        _commit(self, prepared, now)
    _advance_all(self, prepared)


def _without_comparing(
    connection: Connection, old: streams.Position, next_offset: int, event_time: int, now: int
) -> bool:
    this = (positions.c.topic == old.topic, positions.c.partition == old.partition)
    connection.execute(update(positions).where(*this).values(next_offset=next_offset))
    return True


def _marks_after_effect(self: Ingest, prepared: Prepared, now: int) -> None:
    append, waiting = writing.append_marks, []
    setattr(writing, "append_marks", lambda _, level, keys: waiting.append((level, keys)))  # noqa: B010 - a planted bug
    try:
        _commit(self, prepared, now)
    finally:
        writing.append_marks = append
    for level, keys in waiting:
        with self._store.writing() as connection:
            writing.append_marks(connection, level, keys)


def _late_dropped() -> Callable[..., tuple[Integers, Integers]]:
    fold, newest = windows_of_readings, 0

    def _only_new(readings: Any) -> tuple[Integers, Integers]:
        nonlocal newest
        table, latest = fold(readings)
        newest = max(newest, int(table[START].max()))
        return np.ascontiguousarray(table[:, table[START] > newest - 60_000]), latest

    return _only_new


def plant(bug: str) -> None:
    """Break what the tests must find broken."""
    match bug:
        case "position before the effect":
            Ingest.commit = _position_before_effect  # type: ignore[method-assign]
        case "position after the effect":
            Ingest.commit = _position_after_effect  # type: ignore[method-assign]
        case "marks after the effect":
            Ingest.commit = _marks_after_effect  # type: ignore[method-assign]
        case "position not compared" | "zombie not refused":
            streams.advance_position = _without_comparing
        case "batch indexes not remembered":
            streams.remember_indexes = lambda *_: None
        case "late data dropped":
            setattr(ingesting, "windows_of_readings", _late_dropped())  # noqa: B010 - a planted bug
        case _:
            raise ValueError(bug)
