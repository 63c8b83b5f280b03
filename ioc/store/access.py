"""Rows of people, sessions, one-time links and API keys.

Refused: a token or a password in clear. What comes in here is a SHA-256 of a random 256-bit token (nothing to guess,
so no salt and no slow hash) or an argon2id string; times are UTC milliseconds.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection as Connection  # operations name it, and get it from here
from sqlalchemy import delete, insert, select, update

from ioc.model.access import Role, Visit
from ioc.model.origins import Origin
from ioc.store.schema import api_keys, centres, one_time_links, people, people_centres, sessions, units


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in; `password_hash` is an argon2id string, or None for one who only uses links."""

    id: str
    login: str
    name: str
    role: Role
    centres: frozenset[str]
    language: str
    created_at: int
    disabled_at: int | None = None
    must_change_password: bool = False
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """An open session, or one that has ended and is not forgotten yet."""

    id: str
    person: Person
    visit: Visit
    csrf: str
    created_at: int
    seen_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A source system's key, without the key."""

    id: str
    name: str
    origin: Origin
    may_send: bool
    may_read: bool
    feeds: frozenset[str]
    units: frozenset[str]
    centres: frozenset[str]
    created_at: int
    revoked_at: int | None = None


def centre_ids(connection: Connection) -> frozenset[str]:
    return frozenset(connection.scalars(select(centres.c.id)))


def known_units(connection: Connection, ids: Iterable[str]) -> frozenset[str]:
    """Those of the unit ids that exist."""
    return frozenset(connection.scalars(select(units.c.id).where(units.c.id.in_(sorted(ids)))))


# --- people ----------------------------------------------------------------------------------------------------


def insert_person(connection: Connection, person: Person) -> None:
    connection.execute(
        insert(people).values(
            id=person.id,
            login=person.login,
            name=person.name,
            role=person.role.value,
            password_hash=person.password_hash,
            language=person.language,
            created_at=person.created_at,
            disabled_at=person.disabled_at,
            must_change_password=person.must_change_password,
        )
    )
    if person.centres:
        rows = [{"person": person.id, "centre": centre} for centre in sorted(person.centres)]
        connection.execute(insert(people_centres), rows)


def person_by_login(connection: Connection, login: str) -> Person | None:
    row = connection.execute(select(people).where(people.c.login == login)).mappings().one_or_none()
    return None if row is None else _person(row, _centres_of(connection, [row["id"]]))


def person_by_id(connection: Connection, id_: str) -> Person | None:
    row = connection.execute(select(people).where(people.c.id == id_)).mappings().one_or_none()
    return None if row is None else _person(row, _centres_of(connection, [id_]))


def all_people(connection: Connection) -> tuple[Person, ...]:
    """Everybody, by login."""
    rows = connection.execute(select(people).order_by(people.c.login)).mappings().all()
    scopes = _centres_of(connection, [row["id"] for row in rows])
    return tuple(_person(row, scopes) for row in rows)


def set_password_hash(connection: Connection, person: str, password_hash: str) -> None:
    """Keep the same password under another hash."""
    connection.execute(update(people).where(people.c.id == person).values(password_hash=password_hash))


def set_password(connection: Connection, person: str, password_hash: str, *, must_change: bool) -> None:
    """Give the person another password, and end what was opened with the old one."""
    changed = {"password_hash": password_hash, "must_change_password": must_change}
    connection.execute(update(people).where(people.c.id == person).values(changed))
    delete_sessions_of(connection, person)


def disable_person(connection: Connection, person: str, at: int) -> None:
    """Mark a person as disabled, and end what is open for them."""
    connection.execute(
        update(people).where(people.c.id == person, people.c.disabled_at.is_(None)).values(disabled_at=at)
    )
    delete_sessions_of(connection, person)
    connection.execute(delete(one_time_links).where(one_time_links.c.person == person))


def _centres_of(connection: Connection, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    scopes: dict[str, set[str]] = {}
    query = select(people_centres.c.person, people_centres.c.centre)
    if len(ids) == 1:
        query = query.where(people_centres.c.person == ids[0])
    for person, centre in connection.execute(query):
        scopes.setdefault(person, set()).add(centre)
    return {person: frozenset(of_person) for person, of_person in scopes.items()}


def _person(row: Mapping[Any, Any], scopes: dict[str, frozenset[str]]) -> Person:
    return Person(
        id=row["id"],
        login=row["login"],
        name=row["name"],
        role=Role(row["role"]),
        centres=scopes.get(row["id"], frozenset()),
        language=row["language"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
        must_change_password=row["must_change_password"],
        password_hash=row["password_hash"],
    )


# --- sessions --------------------------------------------------------------------------------------------------


def insert_session(
    connection: Connection, token_hash: bytes, id_: str, person: str, csrf: str, visit: Visit, *, now: int, ends_at: int
) -> None:
    connection.execute(
        insert(sessions).values(
            token_hash=token_hash,
            id=id_,
            person=person,
            csrf=csrf,
            created_at=now,
            seen_at=now,
            ends_at=ends_at,
            way=visit.way,
            address=visit.address,
            agent=visit.agent,
        )
    )


def session(connection: Connection, token_hash: bytes) -> SessionRow | None:
    """The session with its person, whether or not it has ended."""
    row = connection.execute(_SESSIONS.where(sessions.c.token_hash == token_hash)).mappings().one_or_none()
    return None if row is None else _session(row, _person(row, _centres_of(connection, [row["id"]])))


def session_by_id(connection: Connection, id_: str) -> SessionRow | None:
    row = connection.execute(_SESSIONS.where(sessions.c.id == id_)).mappings().one_or_none()
    return None if row is None else _session(row, _person(row, _centres_of(connection, [row["id"]])))


def sessions_of(connection: Connection, person: Person) -> tuple[SessionRow, ...]:
    """The person's sessions, the one that was used last first."""
    query = _SESSIONS.where(sessions.c.person == person.id).order_by(sessions.c.seen_at.desc(), sessions.c.id)
    return tuple(_session(row, person) for row in connection.execute(query).mappings())


_SESSIONS: Final = select(
    *people.c,
    *(column.label(f"session_{column.name}") for column in sessions.c if column.name != "token_hash"),
).join(sessions, people.c.id == sessions.c.person)


def _session(row: Mapping[Any, Any], person: Person) -> SessionRow:
    visit = Visit(row["session_way"], row["session_address"], row["session_agent"])
    at = (row[f"session_{name}"] for name in ("csrf", "created_at", "seen_at", "ends_at"))
    return SessionRow(row["session_id"], person, visit, *at)


def mark_seen(connection: Connection, token_hash: bytes, at: int) -> None:
    connection.execute(
        update(sessions).where(sessions.c.token_hash == token_hash, sessions.c.seen_at < at).values(seen_at=at)
    )


def delete_session(connection: Connection, token_hash: bytes) -> None:
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def delete_session_by_id(connection: Connection, id_: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.id == id_))


def delete_sessions_of(connection: Connection, person: str, *, but: str = "") -> int:
    """End the person's sessions, all but the one of that id; how many there were."""
    theirs = delete(sessions).where(sessions.c.person == person, sessions.c.id != but)
    return connection.execute(theirs).rowcount


def delete_ended(connection: Connection, *, now: int, idle_since: int) -> int:
    """Forget sessions and links that nobody can use any more; how many there were."""
    ended = connection.execute(
        delete(sessions).where((sessions.c.ends_at <= now) | (sessions.c.seen_at <= idle_since))
    ).rowcount
    links = connection.execute(delete(one_time_links).where(one_time_links.c.ends_at <= now)).rowcount
    return ended + links


# --- one-time links --------------------------------------------------------------------------------------------


def insert_link(connection: Connection, token_hash: bytes, person: str, path: str, *, ends_at: int) -> None:
    connection.execute(insert(one_time_links).values(token_hash=token_hash, person=person, path=path, ends_at=ends_at))


def link_exists(connection: Connection, token_hash: bytes) -> bool:
    query = select(one_time_links.c.ends_at).where(one_time_links.c.token_hash == token_hash)
    return connection.execute(query).first() is not None


def use_link(connection: Connection, token_hash: bytes, now: int) -> tuple[Person, str] | None:
    """Mark a link as used and give its person and path; None if it does not exist, was used, or has ended.

    One statement decides, so that of two clicks at the same time only one gets in.
    """
    used = connection.execute(
        update(one_time_links)
        .where(
            one_time_links.c.token_hash == token_hash,
            one_time_links.c.used_at.is_(None),
            one_time_links.c.ends_at > now,
        )
        .values(used_at=now)
        .returning(one_time_links.c.person, one_time_links.c.path)
    ).one_or_none()
    if used is None:
        return None
    row = connection.execute(select(people).where(people.c.id == used.person)).mappings().one()
    return _person(row, _centres_of(connection, [used.person])), used.path


# --- API keys --------------------------------------------------------------------------------------------------


def insert_key(connection: Connection, key: KeyRow, token_hash: bytes) -> None:
    connection.execute(insert(api_keys).values(id=key.id, **_key_values(key, token_hash)))


def replace_key(connection: Connection, key: KeyRow, token_hash: bytes) -> None:
    """Give the key of that id another token and other rights; the old token is worth nothing from now on."""
    connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(**_key_values(key, token_hash)))


def key_by_hash(connection: Connection, token_hash: bytes) -> KeyRow | None:
    row = connection.execute(select(api_keys).where(api_keys.c.token_hash == token_hash)).mappings().one_or_none()
    return None if row is None else _key(row)


def key_by_name(connection: Connection, name: str) -> KeyRow | None:
    row = connection.execute(select(api_keys).where(api_keys.c.name == name)).mappings().one_or_none()
    return None if row is None else _key(row)


def all_keys(connection: Connection) -> tuple[KeyRow, ...]:
    """All keys, by name, revoked ones too."""
    return tuple(_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.name)).mappings())


def revoke_key(connection: Connection, key: str, at: int) -> None:
    connection.execute(
        update(api_keys).where(api_keys.c.id == key, api_keys.c.revoked_at.is_(None)).values(revoked_at=at)
    )


def _key_values(key: KeyRow, token_hash: bytes) -> dict[str, Any]:
    return {
        "name": key.name,
        "token_hash": token_hash,
        "origin": int(key.origin),
        "may_send": key.may_send,
        "may_read": key.may_read,
        "feeds": _as_json(key.feeds),
        "units": _as_json(key.units),
        "centres": _as_json(key.centres),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }


def _key(row: Mapping[Any, Any]) -> KeyRow:
    return KeyRow(
        id=row["id"],
        name=row["name"],
        origin=Origin(row["origin"]),
        may_send=row["may_send"],
        may_read=row["may_read"],
        feeds=frozenset(json.loads(row["feeds"])),
        units=frozenset(json.loads(row["units"])),
        centres=frozenset(json.loads(row["centres"])),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )


def _as_json(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))
