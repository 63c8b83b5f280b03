"""Stated figures: the newest per (series, unit, origin) stands."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from ioc.model.facts import Figure
from ioc.store.schema import figures
from ioc.store.statements import execute_rows, insert_into, is_newer

_VALUES = ("as_of", "value", "numerator", "denominator", "qualifier", "source")


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure with the numbers of its series and unit."""

    series: int
    place: int
    origin: int
    figure: Figure


@lru_cache
def _stating(dialect: str) -> Any:
    statement = insert_into(figures, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(figures.primary_key),
        set_={name: new[name] for name in _VALUES},
        where=is_newer(new, figures, "as_of", "value"),
    )


def upsert_figures(connection: Connection, rows: Iterable[FigureRow]) -> None:
    """Of two figures with one date the larger value stands, so the order of arrival does not matter."""
    values = sorted(
        (row.series, row.place, row.origin, *(getattr(row.figure, name) for name in _VALUES)) for row in rows
    )
    execute_rows(connection, _stating(connection.dialect.name), ("series", "place", "origin", *_VALUES), values)
