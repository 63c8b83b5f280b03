"""The audit trail for those who administer: searching it, holding it back from being forgotten, forgetting.

    search(principal, province, Wanted(act="sign-in"), now=now, before=None, limit=100) -> Found

gives the newest entries first; `Found.next_before`, handed in as `before`, gives the page after it (None: no more). An
administrator finds the entries whose centres are all theirs, and those of units that their centres cover today; the
shell finds all. Each search is itself entered, before it is answered. `ACTS` are the values of `Wanted.act`, and the
`details` of an entry are read by `ioc.model.audit.read_details`.

Entries are written by `ioc/operations/trail.py`, and checked by `ioc/operations/audit_verification.py`.

Refused: searching, holding and releasing without the right to administer; holds by anybody but the shell, since the
trail is one for all centres.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ioc.errors import BadRequest, NotFound, Refused
from ioc.model.access import Permission, Principal
from ioc.model.audit import Act, Entry, Head
from ioc.model.windows import DAY
from ioc.operations.access import check_permission
from ioc.operations.places import Province, milliseconds
from ioc.operations.trail import changing
from ioc.settings import Settings
from ioc.store import audit as rows
from ioc.store.audit import Bounds, Hold, Wanted
from ioc.store.engine import Store

ACTS: Final = tuple(Act)
MOST_AT_ONCE: Final = 500
DROPPED_AT_ONCE: Final = 2_000
"""Entries that one transaction forgets: as long others wait who have something to enter."""

_HOLD: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_LONGEST_REASON: Final = 1_000
_LONGEST_ASKED: Final = 200


@dataclass(frozen=True, slots=True)
class Found:
    """Entries, the newest first, and where the next page begins."""

    entries: tuple[Entry, ...]
    next_before: int | None


def search(
    principal: Principal,
    province: Province,
    wanted: Wanted,
    *,
    now: datetime,
    before: int | None = None,
    limit: int = 100,
) -> Found:
    """The newest entries that fit and that the principal may read."""
    check_permission(principal, Permission.ADMINISTER)
    if not 1 <= limit <= MOST_AT_ONCE:
        raise BadRequest(f"Ask for 1 to {MOST_AT_ONCE} entries at once.")
    if wanted.act is not None and wanted.act not in ACTS:
        raise BadRequest(f"The audit knows no act {wanted.act!r}: use one of {', '.join(ACTS)}.")
    bounds = None if principal.everything else _bounds(principal, province, now)
    asked = _stated(wanted, before)
    with changing(province.store, now) as (connection, trail):
        own = rows.lock_head(connection).n + 1  # not among what it finds
        trail.say(principal, Act.AUDIT_SEARCHED, centres=principal.centres, details=asked)
    with province.store.reading() as connection:
        below = own if before is None else min(own, before)
        entries = rows.newest(connection, wanted, bounds, before=below, limit=limit + 1)
    more = len(entries) > limit
    return Found(tuple(entries[:limit]), entries[limit - 1].n if more else None)


def set_hold(
    principal: Principal, store: Store, *, name: str, reason: str, since: datetime | None, now: datetime
) -> Hold:
    """Keep all entries from `since` on (None: all that there are) until the hold is released, whatever their age."""
    _check_holds(principal)
    if not _HOLD.fullmatch(name):
        raise BadRequest("A hold's name has 2 to 64 small letters, digits, dots, dashes or underscores.")
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise BadRequest(f"A hold needs a reason of at most {_LONGEST_REASON} characters.")
    if since is not None and since > now:
        raise BadRequest("A hold begins now or before now: nothing later is forgotten yet.")
    hold = Hold(name, reason.strip(), 0 if since is None else milliseconds(since), milliseconds(now), principal.id)
    with changing(store, now) as (connection, trail):
        if any(one.name == name for one in rows.holds(connection)):
            raise BadRequest(f"There is or was a hold {name}: choose another name.")
        rows.insert_hold(connection, hold)
        trail.say(principal, Act.HOLD_SET, "hold", name, details={"since": hold.since})
    return hold


def release_hold(principal: Principal, store: Store, *, name: str, now: datetime) -> None:
    """End a hold: what is old enough is forgotten with the next run of the job."""
    _check_holds(principal)
    with changing(store, now) as (connection, trail):
        if not any(one.name == name and one.released_at is None for one in rows.holds(connection)):
            raise NotFound(f"There is no hold {name} to release: `audit hold` without a name lists them.")
        rows.release_hold(connection, name, by=principal.id, at=milliseconds(now))
        trail.say(principal, Act.HOLD_RELEASED, "hold", name)


def list_holds(principal: Principal, store: Store) -> list[Hold]:
    """All holds, released ones too."""
    _check_holds(principal)
    with store.reading() as connection:
        return rows.holds(connection)


def forget(principal: Principal, store: Store, settings: Settings, *, now: datetime) -> int:
    """Drop a portion of the entries that are older than the keeping time and under no hold; how many.

    Each portion is entered, so that what was dropped is known by number and hash.
    """
    _check_holds(principal)
    cutoff = milliseconds(now) - settings.audit_kept_days * DAY
    with store.reading() as connection:
        if rows.last_before(connection, _not_held(rows.holds(connection), cutoff), 1) is None:
            return 0
    with changing(store, now) as (connection, trail):
        rows.lock_head(connection)  # from here on no hold can be set
        last = rows.last_before(connection, _not_held(rows.holds(connection), cutoff), DROPPED_AT_ONCE)
        if last is None:  # a hold was set meanwhile
            trail.nothing_changed()
            return 0
        dropped = rows.drop_up_to(connection, last)
        trail.say(
            principal, Act.AUDIT_FORGOTTEN, "audit", str(last.n), details={"hash": last.hash.hex(), "count": dropped}
        )
    return dropped


def head(principal: Principal, store: Store, *, now: datetime) -> Head:
    """The end of the trail, to be copied elsewhere."""
    _check_holds(principal)
    with store.reading() as connection:
        last = rows.head(connection)
        return Head(last.n, last.hash, milliseconds(now), rows.count(connection))


def note_restored(principal: Principal, store: Store, *, made_at: datetime, now: datetime) -> Head:
    """Enter that a backup of that time was put in the place of the store; the head with that entry."""
    _check_holds(principal)
    with changing(store, now) as (_connection, trail):
        trail.say(principal, Act.RESTORED, "store", details={"made_at": milliseconds(made_at)})
    return replace(head(principal, store, now=now), is_restored=True)


def _bounds(principal: Principal, province: Province, now: datetime) -> Bounds:
    with province.reading(principal) as (_connection, atlas):
        units = atlas.scope(principal, atlas.day(milliseconds(now))).units
    return Bounds(principal.centres, units)


def _not_held(holds: list[Hold], cutoff: int) -> int:
    return min([cutoff, *(hold.since for hold in holds if hold.released_at is None)])


def _stated(wanted: Wanted, before: int | None) -> dict[str, str | int]:
    """What was asked for, as details of an entry."""
    named = {name: getattr(wanted, name) for name in Wanted.__dataclass_fields__} | {"before": before}
    stated = {name: value for name, value in named.items() if value is not None}
    if any(len(value) > _LONGEST_ASKED for value in stated.values() if isinstance(value, str)):
        raise BadRequest(f"What to look for has at most {_LONGEST_ASKED} characters.")
    return stated


def _check_holds(principal: Principal) -> None:
    check_permission(principal, Permission.ADMINISTER)
    if not principal.everything:
        raise Refused("The audit as a whole is for the centre's shell: use `python -m ioc audit` there.")
