"""Writing and reading the audit trail.

`append` locks the head until the transaction ends, so it is the last thing that a transaction does: whoever did more
work after it would make all others wait, and could wait for one of them in turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from ioc.errors import StoreError
from ioc.model.audit import Entry, Said, seal
from ioc.store.schema import audit_anchor, audit_entries, audit_head, audit_holds

PAGE: Final = 1_000
"""Entries that are in memory at once while all are read."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the chain: the number and the hash of an entry."""

    n: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps entries from `since` on (0: all) from being forgotten."""

    name: str
    reason: str
    since: int
    set_at: int
    set_by: str
    released_at: int | None = None
    released_by: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: each of these that is stated must fit. Times are UTC milliseconds, `until` is not in it."""

    who: str | None = None
    act: str | None = None
    kind: str | None = None
    id: str | None = None
    address: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whose entries may be seen: those of these centres alone, and those of these units."""

    centres: frozenset[str]
    units: frozenset[str]


def append(connection: Connection, said: Sequence[Said], at: int) -> list[Entry]:
    """Add entries at the end of the chain; call it last in a transaction."""
    before = lock_head(connection)
    entries = []
    for one in said:
        entry = seal(one, before.n + 1, at, before.hash)
        connection.execute(insert(audit_entries).values({name: getattr(entry, name) for name in _COLUMNS}))
        connection.execute(update(audit_head).values(n=entry.n, hash=entry.hash))
        before = Point(entry.n, entry.hash)
        entries.append(entry)
    return entries


def lock_head(connection: Connection) -> Point:
    """The last entry, which stays the last one until this transaction ends."""
    return _point(connection.execute(select(audit_head.c.n, audit_head.c.hash).with_for_update()).one_or_none())


def head(connection: Connection) -> Point:
    return _point(connection.execute(select(audit_head.c.n, audit_head.c.hash)).one_or_none())


def anchor(connection: Connection) -> Point:
    """The last entry that is no longer kept."""
    return _point(connection.execute(select(audit_anchor.c.n, audit_anchor.c.hash)).one_or_none())


def _point(row: Any) -> Point:
    if row is None:
        raise StoreError(
            "the audit trail has lost its head or anchor: restore a backup, and see who wrote to the store"
        )
    return Point(row.n, row.hash)


def count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(audit_entries)).scalar_one())


def entries_in_order(connection: Connection) -> Iterator[Entry]:
    """All entries by number, a page of them in memory at a time."""
    last: int | None = None
    while True:
        query = select(audit_entries).order_by(audit_entries.c.n).limit(PAGE)
        rows = connection.execute(query if last is None else query.where(audit_entries.c.n > last)).all()
        if not rows:
            return
        for row in rows:
            yield Entry(*row)
        last = rows[-1].n


def newest(connection: Connection, wanted: Wanted, bounds: Bounds | None, *, before: int, limit: int) -> list[Entry]:
    """The newest entries that fit, of numbers below `before`; `bounds` None: of everything."""
    fits = (audit_entries.c.n < before, *_fits(wanted))
    query = select(audit_entries).where(*fits).order_by(audit_entries.c.n.desc()).limit(limit)
    if bounds is not None:
        query = query.where(_within(bounds))
    return [Entry(*row) for row in connection.execute(query)]


def _fits(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    for name in ("who", "act", "kind", "id", "address"):
        if (value := getattr(wanted, name)) is not None:
            yield audit_entries.c[name] == value
    if wanted.since is not None:
        yield audit_entries.c.at >= wanted.since
    if wanted.until is not None:
        yield audit_entries.c.at < wanted.until


def _within(bounds: Bounds) -> ColumnElement[bool]:
    """All of an entry's centres among these, or its unit among these. What is left once ours are struck out must be
    nothing: a centre that nobody knows any more is seen by nobody."""
    rest: ColumnElement[str] = audit_entries.c.centres
    for centre in sorted(bounds.centres):
        rest = func.replace(rest, f",{centre},", ",")
    return or_(and_(audit_entries.c.centres != "", rest == ","), audit_entries.c.unit.in_(sorted(bounds.units)))


# --- keeping ---------------------------------------------------------------------------------------------------


def last_before(connection: Connection, at: int, most: int) -> Point | None:
    """The entry up to which all are older than `at`, at most so many beyond the anchor; None where there is none."""
    columns = (audit_entries.c.n, audit_entries.c.hash, audit_entries.c.at)
    last = None
    for row in connection.execute(select(*columns).order_by(audit_entries.c.n).limit(most)):
        if row.at >= at:
            break
        last = Point(row.n, row.hash)
    return last


def drop_up_to(connection: Connection, point: Point) -> int:
    """Move the anchor to that entry, and drop it and those before it; how many."""
    connection.execute(update(audit_anchor).values(n=point.n, hash=point.hash))
    return connection.execute(delete(audit_entries).where(audit_entries.c.n <= point.n)).rowcount


def holds(connection: Connection) -> list[Hold]:
    """All legal holds, the newest last, released ones too."""
    query = select(audit_holds).order_by(audit_holds.c.set_at, audit_holds.c.name)
    return [Hold(*row) for row in connection.execute(query)]


def insert_hold(connection: Connection, hold: Hold) -> None:
    values = {column.name: getattr(hold, column.name) for column in audit_holds.columns}
    connection.execute(insert(audit_holds).values(values))


def release_hold(connection: Connection, name: str, *, by: str, at: int) -> None:
    connection.execute(update(audit_holds).where(audit_holds.c.name == name).values(released_at=at, released_by=by))


_COLUMNS: Final = tuple(column.name for column in audit_entries.columns)
