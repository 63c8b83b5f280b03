"""API keys of source systems: one key each, with an origin, feeds to send to, centres to read.

Refused: a key that may send to every feed by default, a key that can be read again after it was made, and keys of
simulated data where the settings forbid it.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ioc import logs
from ioc.errors import BadRequest, NotFound, Refused, UnknownPlace
from ioc.feeds import FEEDS
from ioc.model.access import Kind, Permission, Principal, system_principal
from ioc.model.audit import Act
from ioc.model.origins import Origin
from ioc.operations.access import administers, as_ms, check_administers, check_centres, check_permission
from ioc.operations.coverage import units_ever_covered
from ioc.operations.gatekeeping import new_token, token_hash
from ioc.operations.trail import changing
from ioc.settings import Settings
from ioc.store import access as rows
from ioc.store.access import Connection, KeyRow
from ioc.store.engine import Store
from ioc.store.territory import load_territory

KEY_PREFIX: Final = "ioc_"  # so that scanners for leaked secrets can know one
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_PROGRAM: Final = "system:"  # no key's name can begin like this

_log = logs.get_logger("ioc.access")


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a source system may do. `feeds` it may send to, `centres` it may read; `units` narrows both."""

    name: str
    origin: Origin
    may: frozenset[Permission]
    feeds: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    centres: frozenset[str] = frozenset()


def add_key(
    principal: Principal,
    store: Store,
    settings: Settings,
    key: NewKey,
    *,
    now: datetime,
    replace_existing: bool = False,
) -> str:
    """Make an API key and return it, the only time that it can be read.

    `replace_existing`: a key of that name gets a new token and these rights; else an existing name is BadRequest.
    """
    check_administers(principal, key.centres)
    _check_new_key(key, settings)
    token = KEY_PREFIX + new_token()
    with store.reading() as connection:
        check_centres(connection, key.centres)
        key = _within_centres(principal, connection, key)
    row = KeyRow(
        id=key.name,
        name=key.name,
        origin=key.origin,
        may_send=Permission.SEND in key.may,
        may_read=Permission.READ in key.may,
        feeds=key.feeds,
        units=key.units,
        centres=key.centres,
        created_at=as_ms(now),
    )
    with changing(store, now) as (connection, trail):
        if unknown := key.units - rows.known_units(connection, key.units):
            raise UnknownPlace(f"There is no unit {', '.join(sorted(unknown))}: GET /api/v1/units lists them.")
        known = rows.key_by_name(connection, key.name)
        if known is None:
            rows.insert_key(connection, row, token_hash(token))
        elif replace_existing:
            check_administers(principal, known.centres)
            rows.replace_key(connection, replace(row, id=known.id), token_hash(token))
        else:
            raise BadRequest(f"A key named {key.name} exists already: choose another name.", rule="key_taken")
        trail.say(
            principal,
            Act.KEY_ADDED if known is None else Act.KEY_CHANGED,
            "key",
            key.name,
            centres=key.centres if known is None else key.centres | known.centres,
            details={
                "origin": key.origin.slug,
                "may": sorted(key.may),
                "feeds": sorted(key.feeds),
                "units": len(key.units),
            },
        )
    _log.info("API key made", source=key.name, origin=key.origin.slug, by=principal.id)
    return token


def revoke_key(principal: Principal, store: Store, *, name: str, now: datetime) -> None:
    """The key is worth nothing any more; what it sent stays."""
    with changing(store, now) as (connection, trail):
        key = rows.key_by_name(connection, name)
        if key is None:
            raise NotFound(f"There is no key named {name}: `key list` shows those that exist.")
        check_administers(principal, key.centres)
        rows.revoke_key(connection, key.id, as_ms(now))
        trail.say(principal, Act.KEY_REVOKED, "key", key.name, centres=key.centres)
    _log.info("API key revoked", source=name, by=principal.id)


def list_keys(principal: Principal, store: Store) -> tuple[KeyRow, ...]:
    """The keys that the principal administers."""
    check_permission(principal, Permission.ADMINISTER)
    with store.reading() as connection:
        keys = rows.all_keys(connection)
    return tuple(key for key in keys if administers(principal, key.centres))


def principal_of_key(store: Store, token: str, settings: Settings) -> Principal | None:
    """The source system of an API key, or None: unknown or revoked.

    Refused for a key of simulated data where the settings do not allow such data.
    """
    with store.reading() as connection:
        key = rows.key_by_hash(connection, token_hash(token))
    if key is None or key.revoked_at is not None:
        return None
    if key.origin is Origin.SIMULATED and not settings.allow_simulated:
        raise Refused("This centre refuses simulated data: send with a key of another origin.")
    return _principal(key)


def sender_of(connection: Connection, source: str) -> Principal | None:
    """Who sent as this source, with the rights of now; None where that key is revoked or never was."""
    if source.startswith(_PROGRAM):
        return system_principal(source.removeprefix(_PROGRAM))
    key = rows.key_by_name(connection, source)
    return None if key is None or key.revoked_at is not None else _principal(key)


def _principal(key: KeyRow) -> Principal:
    may = {Permission.SEND: key.may_send, Permission.READ: key.may_read}
    return Principal(
        Kind.SOURCE,
        key.id,
        key.name,
        frozenset(permission for permission, given in may.items() if given),
        key.centres,
        key.feeds,
        key.units,
        key.origin,
    )


def _within_centres(principal: Principal, connection: Connection, key: NewKey) -> NewKey:
    """The key, bounded in what it may send to what its centres cover or covered, unless the shell makes it.

    Without units a key may send about every place: an administrator of some centres cannot give that away.
    """
    if principal.everything or Permission.SEND not in key.may:
        return key
    named, below = units_ever_covered(load_territory(connection), key.centres)
    if not key.units <= below:
        raise BadRequest("The units of a key that may send must be covered by its centres.", rule="key_units")
    if not key.units and not named:
        raise BadRequest("These centres cover no unit: a key for them has nothing to send about.", rule="key_units")
    return replace(key, units=key.units or named)


def _check_new_key(key: NewKey, settings: Settings) -> None:
    if not _NAME.fullmatch(key.name):
        raise BadRequest(
            "A key's name has 2 to 64 small letters, digits, dots, dashes or underscores.", rule="key_form"
        )
    if not key.may or not key.may <= {Permission.READ, Permission.SEND}:
        raise BadRequest("A key may send, read, or both: say which with --may.", rule="key_may")
    if Permission.SEND in key.may and not key.feeds:
        raise BadRequest(
            "A key that may send needs the feeds that it may send to: say them with --feeds.", rule="key_feeds"
        )
    if unknown := key.feeds - FEEDS.keys():
        raise BadRequest(
            f"There is no feed {', '.join(sorted(unknown))}: use some of {', '.join(FEEDS)}.", rule="key_feeds"
        )
    if Permission.READ in key.may and not key.centres:
        raise BadRequest(
            "A key that may read needs the centres that it may see: say them with --centres.", rule="centres_needed"
        )
    if key.origin is Origin.SIMULATED and not settings.allow_simulated:
        raise Refused("This centre refuses simulated data: choose another origin, or set IOC_ALLOW_SIMULATED.")
