"""What a store holds, read back row by row and with names instead of numbers, to be compared with the oracle."""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from ioc.store.engine import Store
from ioc.store.registry import load_registry
from tests.streams.oracle import LEVELS, Expected

_Name = TypeVar("_Name")


def stored(store: Store) -> Expected:
    """Windows, cases, figures, counts of dead letters and newest values."""
    result = Expected()
    with store.reading() as connection:
        registry = load_registry(connection)
        places = {number: key for key, number in registry.places.items()}
        series = {number: key for key, number in registry.series.items()}

        def _rows(sql: str) -> Iterator[Any]:
            return iter(connection.exec_driver_sql(sql).fetchall())

        for level in LEVELS:
            for one, place, origin, start, *values in _rows(f"SELECT * FROM windows_{level}"):
                assert values[0] != 0, "a window without anything in it"
                result.windows[level][series[one], places[place], origin, start] = tuple(values)
        for case, origin, fields, stamps in _rows('SELECT "case", origin, fields, stamps FROM cases'):
            result.cases[case, origin], result.stamps[case, origin] = json.loads(fields), json.loads(stamps)
        for one, place, origin, *values in _rows("SELECT * FROM figures"):
            result.figures[series[one], places[place], origin] = tuple(values)
        for feed, source, kind, hour, count, kept in _rows(
            "SELECT feed, source, kind, hour, count, kept FROM dead_letter_counts"
        ):
            result.letters[feed, source, kind, hour] = (count, kept)
        for one, place, origin, at, as_of, value in _rows("SELECT * FROM latest"):
            result.latest[series[one], places[place], origin] = (at, as_of, value)
    return result


def count(store: Store, what: str) -> int:
    """Number of rows, e.g. of `dead_letters WHERE kind = 'future'`."""
    with store.reading() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {what}").scalar_one())


def assert_same(found: Expected, wanted: Expected) -> None:
    """Equal in everything but the newest values, level by level, so that a failure shows where."""
    for level in LEVELS:
        _assert_equal(level, found.windows[level], wanted.windows[level])
    _assert_equal("cases", found.cases, wanted.cases)
    _assert_equal("stamps", found.stamps, wanted.stamps)
    _assert_equal("figures", found.figures, wanted.figures)
    _assert_equal("dead letters", found.letters, wanted.letters)


def _assert_equal(what: str, found: dict[_Name, Any], wanted: dict[_Name, Any]) -> None:
    differing = {
        key: (found.get(key), wanted.get(key))
        for key in found.keys() | wanted.keys()
        if found.get(key) != wanted.get(key)
    }
    shown = "\n".join(f"  {key}: stored {one}, wanted {other}" for key, (one, other) in list(differing.items())[:8])
    assert not differing, f"{what}: {len(differing)} rows differ\n{shown}"
