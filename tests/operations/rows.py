"""A store of the small centre (tests.streams.small_centre) with a hand for writing single rows into it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Table, delete, insert

from ioc.model.access import Kind, Permission, Principal
from ioc.model.columns import table_of
from ioc.model.origins import Origin
from ioc.model.windows import BY_ID
from ioc.operations.intake import Intake
from ioc.operations.places import Province, milliseconds
from ioc.settings import Settings
from ioc.store import schema
from ioc.store.writing import replace_windows
from tests.streams.small_centre import SmallCentre

NOW: Final = datetime(2026, 11, 21, 8, 0, 30, tzinfo=UTC)
"""15:00:30 on a Saturday in Viet Nam, long after the reform."""


def at(hours: int, minutes: int = 0, seconds: int = 0, *, days: int = 0) -> int:
    """UTC milliseconds of a time of NOW's day, or of a day before it (negative `days`)."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    return milliseconds(midnight + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))


def moment(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1000, UTC)


def reader(*centres: str, units: frozenset[str] = frozenset()) -> Principal:
    """Somebody who may read what these centres cover."""
    return Principal(Kind.PERSON, "p-1", "Reader", frozenset({Permission.READ}), frozenset(centres), units=units)


def sender(*feeds: str, origin: Origin = Origin.LIVE, units: frozenset[str] = frozenset()) -> Principal:
    """A source system that may send to these feeds."""
    return Principal(
        Kind.SOURCE, "src", "src", frozenset({Permission.SEND}), feeds=frozenset(feeds), units=units, origin=origin
    )


@dataclass
class Rows:
    """The small centre as operations meet it, and rows written past all programs."""

    small: SmallCentre
    settings: Settings

    @cached_property
    def province(self) -> Province:
        return Province(self.small.store, self.settings)

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.province, self.small.broker)

    def place(self, key: str) -> int:
        return self.small.registry.places[key]

    def series(self, key: str) -> int:
        return self.small.registry.series[key]

    def insert(self, table: Table, **values: Any) -> None:
        with self.small.store.writing() as connection:
            connection.execute(insert(table).values(**values))

    def empty(self, table: Table) -> None:
        with self.small.store.writing() as connection:
            connection.execute(delete(table))

    def window(
        self,
        level: str,
        series: str,
        place: str,
        start: int,
        *,
        total: int,
        count: int = 1,
        weight: int | None = None,
        origin: Origin = Origin.LIVE,
        least: int | None = None,
        most: int | None = None,
        last: int | None = None,
    ) -> None:
        """One bucket; `total` is its sum in steps of the series' resolution."""
        row = (
            self.series(series),
            self.place(place),
            int(origin),
            start,
            count,
            count if weight is None else weight,
            total,
            total if least is None else least,
            total if most is None else most,
            start,
            total if last is None else last,
        )
        with self.small.store.writing() as connection:
            replace_windows(connection, BY_ID[level], table_of([row]))

    def newest(
        self,
        series: str,
        place: str,
        as_of: int,
        *,
        value: int = 0,
        since: int | None = None,
        origin: Origin = Origin.LIVE,
    ) -> None:
        """The newest observation of a series at a place; it began at `since` (default: when it ended)."""
        self.insert(
            schema.latest,
            series=self.series(series),
            place=self.place(place),
            origin=int(origin),
            at=as_of if since is None else since,
            as_of=as_of,
            value=value,
        )

    def case(
        self,
        case: str,
        office: str,
        *,
        opened: int,
        due: int | None = None,
        closed: int | None = None,
        origin: Origin = Origin.LIVE,
        **fields: str | int | None,
    ) -> None:
        self.insert(
            schema.cases,
            feed="dossiers",
            case=case,
            origin=int(origin),
            asset=self.place(office),
            opened_at=opened,
            due_at=due,
            closed_at=closed,
            modified_at=closed or opened,
            fields=json.dumps({"office": office, "received": opened, **fields}),
            stamps="{}",
        )

    def position(self, topic: str, partition: int, event_time: int, updated_at: int) -> None:
        self.insert(
            schema.positions,
            topic=topic,
            partition=partition,
            next_offset=1,
            event_time=event_time,
            updated_at=updated_at,
        )

    def keep_from(self, *starts: int) -> None:
        """Say from when the 10 s, 1 min, 15 min and 1 h levels are kept."""
        self.empty(schema.kept_from)
        for level, start in enumerate(starts):
            self.insert(schema.kept_from, level=level, start=start)
