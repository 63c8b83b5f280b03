"""What stocks of cases are counted from."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, case, func, or_, select

from ioc.model.columns import Integers
from ioc.store.schema import cases, latest
from ioc.store.statements import integer_rows


def open_and_overdue(connection: Connection, feed: str, now: int) -> dict[tuple[int, int], tuple[int, int]]:
    """(open, overdue) cases at `now` by (origin, office)."""
    rows = connection.execute(
        select(
            cases.c.origin,
            cases.c.asset,
            func.count(),
            func.coalesce(func.sum(case((cases.c.due_at < now, 1), else_=0)), 0),
        )
        .where(cases.c.feed == feed, cases.c.closed_at.is_(None), cases.c.asset.is_not(None))
        .group_by(cases.c.origin, cases.c.asset)
    )
    return {(origin, asset): (opened, overdue) for origin, asset, opened, overdue in rows}


def newest_statements(connection: Connection, series: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """The time of the newest statement about cases by (place, origin): how fresh a stock can be at best."""
    rows = connection.execute(
        select(latest.c.place, latest.c.origin, func.max(latest.c.as_of))
        .where(latest.c.series.in_(series))
        .group_by(latest.c.place, latest.c.origin)
    )
    return {(place, origin): as_of for place, origin, as_of in rows}


@dataclass(frozen=True, slots=True)
class Lives:
    """Columns of cases: office, opened, due and closed times; far future where there is none."""

    columns: Integers


_NEVER = 2**62


def lives(connection: Connection, feed: str, since: int, origin: int) -> Lives:
    """All cases of an origin that were open at some time from `since` on."""
    rows = integer_rows(
        connection,
        select(
            cases.c.asset,
            cases.c.opened_at,
            func.coalesce(cases.c.due_at, _NEVER),
            func.coalesce(cases.c.closed_at, _NEVER),
        ).where(
            cases.c.feed == feed,
            cases.c.origin == origin,
            cases.c.asset.is_not(None),
            cases.c.opened_at.is_not(None),
            or_(cases.c.closed_at.is_(None), cases.c.closed_at >= since),
        ),
    )
    return Lives(np.array(rows, np.int64).reshape(-1, 4).T)


def counted_at(known: Lives, ends: Integers, origin: int, also: Integers) -> tuple[Integers, Integers, Integers]:
    """Who (k, 2: origin, office), open (k, n) and overdue (k, n) at each of the n ascending times `ends`.

    The offices are those of the cases and those of `also`.
    A case counts from the first end after it was opened (fell due) until the last before it was closed, so two
    steps of each case and one running sum answer for all times at once.
    """
    office, opened, due, closed = known.columns
    offices = np.union1d(office, also)
    group = np.searchsorted(offices, office)
    leaves = np.searchsorted(ends, closed, side="right")
    counted = []
    for begins in (opened, np.maximum(opened, due)):
        enters = np.minimum(np.searchsorted(ends, begins, side="right"), leaves)
        steps = np.zeros((len(offices), len(ends) + 1), np.int64)
        np.add.at(steps, (group, enters), 1)
        np.add.at(steps, (group, leaves), -1)
        counted.append(np.cumsum(steps, axis=1)[:, :-1])
    return np.stack([np.full_like(offices, origin), offices], axis=1), counted[0], counted[1]
