"""Short numbers for places and series: what the windows carry instead of text ids."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ioc.errors import StoreError
from ioc.store.schema import places, series
from ioc.store.statements import execute_rows, insert_into


@dataclass(frozen=True, slots=True)
class Registry:
    """Number of each place and series, by its id."""

    places: dict[str, int]
    series: dict[str, int]

    def require_series(self, keys: Iterable[str]) -> None:
        """StoreError where a declared series has no number: its feed came after the last `setup`."""
        if missing := sorted(set(keys) - self.series.keys()):
            raise StoreError(f"the store does not know the series {missing[0]} yet: run `python -m ioc setup`")


def load_registry(connection: Connection) -> Registry:
    return Registry(
        {row.key: row.id for row in connection.execute(select(places.c.key, places.c.id))},
        {row.key: row.id for row in connection.execute(select(series.c.key, series.c.id))},
    )


def register_places(connection: Connection, kind: str, keys: Iterable[str]) -> None:
    """Give each new place of a kind (`asset`, `unit`, `centre`) a number; known ones keep theirs."""
    statement = insert_into(places, connection.dialect.name).on_conflict_do_nothing(index_elements=[places.c.key])
    execute_rows(connection, statement, ("kind", "key"), [(kind, key) for key in sorted(keys)])


def register_series(connection: Connection, keys: Iterable[str]) -> None:
    """Give each new series a number; known ones keep theirs, also when a feed is taken away."""
    known = load_registry(connection).series
    following = (connection.execute(select(func.max(series.c.id))).scalar() or 0) + 1
    new = sorted(set(keys) - known.keys())
    statement = insert_into(series, connection.dialect.name)
    execute_rows(connection, statement, ("id", "key"), [(following + at, key) for at, key in enumerate(new)])
