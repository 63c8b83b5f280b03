"""Cases of a feed within a place, page by page: where each stands, and what is known of it.

A case is seen where the office that answers for it is seen today. Personal fields never come this far: the intake
removes what a feed declares.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from ioc.errors import BadRequest, NotFound
from ioc.feeds import FEEDS
from ioc.feeds.feed import Feed
from ioc.model.access import Permission, Principal
from ioc.model.origins import Origin
from ioc.operations.access import check_permission
from ioc.operations.places import Asked, Province, moment_of
from ioc.operations.series import chosen_origin
from ioc.store.case_reading import After, CaseRow, Standing, read_cases

LONGEST_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class CaseEntry:
    """One case now. `state` is where it stands for the centre; `fields` is what its source said."""

    id: str
    asset: str | None
    unit: str | None
    state: Standing
    opened: datetime | None
    due: datetime | None
    closed: datetime | None
    modified: datetime
    fields: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class CasePage:
    feed: str
    origin: str
    cases: tuple[CaseEntry, ...]
    next: str | None
    unit: str | UnsetType = UNSET
    centre: str | UnsetType = UNSET
    asset: str | UnsetType = UNSET


def cases(
    principal: Principal,
    province: Province,
    feed_id: str,
    asked: Asked,
    *,
    now: datetime,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
    origin: Origin | None = None,
) -> CasePage:
    """At most `limit` cases of the place, in the order of their ids, after the cursor of the page before."""
    check_permission(principal, Permission.READ)
    feed = _case_feed(feed_id)
    standing = _standing(state)
    if not 1 <= limit <= LONGEST_PAGE:
        raise BadRequest(f"limit is {limit}: ask for 1 to {LONGEST_PAGE} cases")
    after = _after(cursor)
    with province.reading(principal) as (connection, atlas):
        clock = province.clock(connection, atlas, now)
        today = atlas.day(clock.now)
        place = atlas.find(principal, asked, today)
        assets = atlas.assets_in(place, feed.asset_kind, today)
        chosen = origin
        if chosen is None:
            numbers = [atlas.numbers.series[one.id] for one in feed.series]
            chosen = chosen_origin(connection, province, numbers, place)
        rows = read_cases(
            connection,
            feed.id,
            assets,
            (int(chosen),),
            standing=standing,
            now=clock.now,
            after=after,
            limit=limit + 1,
        )
        units = {asset.id: atlas.territory.unit_of(asset.id, today) for asset in assets.values()}
    page = tuple(_entry(row, units.get(row.asset or ""), clock.now) for row in rows[:limit])
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return CasePage(feed.id, chosen.slug, page, following, **{place.kind.value: place.key})


def _case_feed(feed_id: str) -> Feed:
    feed = FEEDS.get(feed_id)
    if feed is None or feed.case is None:
        known = ", ".join(one.id for one in FEEDS.values() if one.case is not None)
        raise NotFound(f"there is no feed of cases {feed_id!r}: there are {known}")
    return feed


def _standing(state: str | None) -> Standing | None:
    if state is None:
        return None
    try:
        return Standing(state)
    except ValueError:
        raise BadRequest(f"state {state!r} is not known: use one of {', '.join(Standing)}") from None


def _entry(row: CaseRow, unit: str | None, now: int) -> CaseEntry:
    if row.closed_at is not None:
        standing = Standing.CLOSED
    else:
        standing = Standing.OVERDUE if row.due_at is not None and row.due_at < now else Standing.OPEN
    modified = moment_of(row.modified_at)
    assert modified is not None  # noqa: S101 - a case has a newest statement
    return CaseEntry(
        row.case,
        row.asset,
        unit,
        standing,
        moment_of(row.opened_at),
        moment_of(row.due_at),
        moment_of(row.closed_at),
        modified,
        {name: _shown(value) for name, value in row.fields.items()},
    )


def _shown(value: str | int | None) -> str | None:
    """A field's value; numbers are times."""
    if isinstance(value, int):
        moment = moment_of(value)
        return None if moment is None else moment.isoformat()
    return value


def _cursor(row: CaseRow) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((row.case, row.origin))).decode()


def _after(cursor: str | None) -> After | None:
    if cursor is None:
        return None
    try:
        return After(*msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, int]))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise BadRequest("the cursor is not one that was given out: begin without a cursor") from None
