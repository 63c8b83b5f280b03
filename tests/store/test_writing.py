"""Rows of the store: windows add up, newest values stand, changes are numbered by their writer."""

import threading

import numpy as np
import pytest

from ioc.errors import StoreError
from ioc.model.columns import COLUMNS, table_of
from ioc.model.windows import FINEST
from ioc.store import writing
from ioc.store.packing import pack_keys, pack_triples, unpack_keys, unpack_triples
from ioc.store.schema import windows
from ioc.store.statements import execute_integers, execute_rows, insert_integers, insert_into
from tests.streams.small_centre import SmallCentre


def _windows(centre: SmallCentre) -> list[tuple[int, ...]]:
    with centre.store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM windows_10s ORDER BY 1, 2, 3, 4").fetchall()
    return [tuple(row) for row in rows]


def test_windows_add_up_in_any_order(centre: SmallCentre) -> None:
    parts = [
        (1, 1, 0, 0, 2, 3, 30, 5, 20, 100, 20),
        (1, 1, 0, 0, 1, 1, 40, 40, 40, 200, 40),
        (1, 1, 0, 0, 1, 1, 9, 9, 9, 200, 9),
    ]
    for part in parts:
        with centre.store.writing() as connection:
            writing.add_windows(connection, FINEST, table_of([part]))
    assert _windows(centre) == [(1, 1, 0, 0, 4, 5, 79, 5, 40, 200, 40)]


def test_a_window_that_comes_back_to_nothing_is_taken_away(centre: SmallCentre) -> None:
    one, back = (1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0), (1, 1, 0, 0, -1, -1, -1, 0, 0, 0, 0)
    other = (2, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0)
    for rows in ([one, other], [back], [(2, 1, 0, 10_000, 0, 0, 0, 0, 0, 0, 0)]):
        with centre.store.writing() as connection:
            writing.add_windows(connection, FINEST, table_of(rows))
    assert _windows(centre) == [other]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_newest_value_stands_and_the_newest_end(centre: SmallCentre, order: tuple[int, ...]) -> None:
    rows = [(1, 1, 0, 100, 900, 5), (1, 1, 0, 200, 300, 1), (1, 1, 0, 200, 250, 4)]
    for at in order:
        with centre.store.writing() as connection:
            writing.upsert_latest(connection, np.array([rows[at]], np.int64))
    with centre.store.reading() as connection:
        assert tuple(connection.exec_driver_sql("SELECT * FROM latest").one()) == (1, 1, 0, 200, 900, 4)


def test_changes_of_a_writer_are_numbered_without_a_gap_whoever_writes_at_once(centre: SmallCentre) -> None:
    touched = np.array([[1, 1, 0]], np.int64)

    def _append(writer: str) -> None:
        for _ in range(20):
            with centre.store.writing() as connection:
                writing.append_change(connection, writer, 0, touched)

    threads = [threading.Thread(target=_append, args=(writer,)) for writer in ("ingest", "ingest", "jobs")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with centre.store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT writer, n FROM changes ORDER BY 1, 2").fetchall()
    assert [tuple(row) for row in rows] == [
        *(("ingest", n) for n in range(1, 41)),
        *(("jobs", n) for n in range(1, 21)),
    ]


def test_a_change_of_a_transaction_that_failed_takes_no_number(centre: SmallCentre) -> None:
    def _fail() -> None:
        with centre.store.writing() as connection:
            writing.append_change(connection, "ingest", 0, np.array([[1, 1, 0]], np.int64))
            raise KeyError

    with pytest.raises(KeyError):
        _fail()
    with centre.store.writing() as connection:
        writing.append_change(connection, "ingest", 0, np.array([[1, 1, 0]], np.int64))
        assert connection.exec_driver_sql("SELECT n FROM changes").scalars().all() == [1]


def test_packed_keys_come_back(centre: SmallCentre) -> None:
    rows = np.array([[1, 2, 3, -4], [5, 6, 7, 2**60]], np.int64)
    assert unpack_keys(pack_keys(rows)).tolist() == rows.tolist()
    assert unpack_triples(pack_triples(rows[:, :3])).tolist() == rows[:, :3].tolist()
    assert unpack_triples(pack_triples(rows[:0, :3])).shape == (0, 3)


@pytest.mark.parametrize("blob", [b"", b"nonsense", pack_keys(np.array([[1, 2, 3, 4]], np.int64))[:-3]])
def test_a_damaged_row_is_said(blob: bytes) -> None:
    with pytest.raises(StoreError, match="backup"):
        unpack_keys(blob)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_rows_must_fit_their_statement(centre: SmallCentre) -> None:
    """Values in another order than the statement's parameters would go into the wrong columns silently."""
    names = ("place", "series", *COLUMNS[2:])
    with centre.store.writing() as connection, pytest.raises(ValueError, match="takes"):
        execute_rows(connection, insert_into(windows[0], "sqlite"), names, [(0,) * len(names)])


def test_columns_must_fit_their_statement(centre: SmallCentre) -> None:
    names = ("place", "series", *COLUMNS[2:])
    statement = insert_integers(windows[0], COLUMNS, centre.store.dialect)
    with centre.store.writing() as connection, pytest.raises(ValueError, match="columns"):
        execute_integers(connection, statement, names[1:], np.zeros((len(names), 1), np.int64))
