"""Stated figures: the newest per (series, unit, origin) stands."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, func, literal_column, tuple_
from sqlalchemy.sql.elements import ColumnElement

from ioc.model.facts import Figure
from ioc.store.schema import figures
from ioc.store.statements import execute_rows, insert_into

_VALUES = ("as_of", "value", "numerator", "denominator", "qualifier", "source")
_LESS_THAN_ANY: Final[ColumnElement[Any]] = literal_column(str(-(2**62)))


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
        where=_order(new) > _order(figures.c),
    )


def _order(columns: Any) -> ColumnElement[Any]:
    """All that a figure says, in order: what is not stated comes before everything stated."""
    stated = (func.coalesce(columns[name], _LESS_THAN_ANY) for name in ("numerator", "denominator"))
    return tuple_(columns["as_of"], columns["value"], *stated, columns["qualifier"], columns["source"])


def upsert_figures(connection: Connection, rows: Iterable[FigureRow]) -> None:
    """Of two figures with one date the larger stands, value first, so the order of arrival does not matter."""
    values = sorted(
        ((row.series, row.place, row.origin, *(getattr(row.figure, name) for name in _VALUES)) for row in rows),
        key=lambda value: value[:3],
    )
    execute_rows(connection, _stating(connection.dialect.name), ("series", "place", "origin", *_VALUES), values)
