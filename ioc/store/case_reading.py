"""Reading cases: pages of their current states. Text ids of assets, UTC milliseconds, no judgement of who may see."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from ioc.store.schema import cases, places


class Standing(StrEnum):
    """Where a case stands now."""

    OPEN = "open"
    OVERDUE = "overdue"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CaseRow:
    case: str
    origin: int
    asset: str | None
    opened_at: int | None
    due_at: int | None
    closed_at: int | None
    modified_at: int
    fields: dict[str, str | int | None]


class After(NamedTuple):
    """The last case of the page before."""

    case: str
    origin: int


def read_cases(
    connection: Connection,
    feed: str,
    asset_numbers: Collection[int],
    origins: Collection[int],
    *,
    standing: Standing | None,
    now: int,
    after: After | None,
    limit: int,
) -> list[CaseRow]:
    """At most `limit` cases of the assets, in the order of their ids, after the given one."""
    is_of_feed = cases.c.feed == feed
    if standing in (Standing.OPEN, Standing.OVERDUE):
        # Few cases are open, and the index of offices finds them; by the feed, all cases would be gone through.
        is_of_feed = func.coalesce(cases.c.feed, "") == feed
    conditions: list[ColumnElement[bool]] = [
        is_of_feed,
        cases.c.asset.in_(asset_numbers),
        cases.c.origin.in_(origins),
    ]
    match standing:
        case Standing.OPEN:
            conditions.append(cases.c.closed_at.is_(None))
        case Standing.OVERDUE:
            conditions += [cases.c.closed_at.is_(None), cases.c.due_at < now]
        case Standing.CLOSED:
            conditions.append(cases.c.closed_at.is_not(None))
    if after is not None:
        conditions.append(
            or_(cases.c.case > after.case, and_(cases.c.case == after.case, cases.c.origin > after.origin))
        )
    found = connection.execute(
        select(
            cases.c.case,
            cases.c.origin,
            places.c.key,
            cases.c.opened_at,
            cases.c.due_at,
            cases.c.closed_at,
            cases.c.modified_at,
            cases.c.fields,
        )
        .select_from(cases.outerjoin(places, places.c.id == cases.c.asset))
        .where(*conditions)
        .order_by(cases.c.case, cases.c.origin)
        .limit(limit)
    )
    return [CaseRow(*row[:-1], fields=msgspec.json.decode(row[-1])) for row in found]
