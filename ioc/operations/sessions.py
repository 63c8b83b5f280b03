"""Open sessions as people see and end them, and the password that somebody gives themselves.

One's own without any right; those of others only for who administers them. Opening and finding sessions stands in
access.py, for the gate.

Refused: saying that a session of somebody else exists, and a new password for who cannot show the old one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ioc import logs
from ioc.errors import BadRequest, NotFound, Refused
from ioc.model.access import Kind, Permission, Principal, Visit
from ioc.model.audit import Act
from ioc.operations.access import Signed, administered, administers, begin_session, is_open
from ioc.operations.gatekeeping import SignInLimits, check_password, token_hash
from ioc.operations.passwords import new_password_hash
from ioc.operations.trail import changing
from ioc.settings import Settings
from ioc.store import access as rows
from ioc.store.access import Connection, Person, SessionRow
from ioc.store.engine import Store

_log = logs.get_logger("ioc.access")


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as it is shown; times are UTC milliseconds."""

    id: str
    person: str
    way: Literal["password", "link", "openid"]
    address: str
    agent: str
    began_at: int
    seen_at: int
    ends_at: int


def sessions_of(
    principal: Principal, store: Store, settings: Settings, *, now: datetime, login: str | None = None
) -> tuple[OpenSession, ...]:
    """The open sessions of the person of that login, or one's own; the one that was used last first."""
    with store.reading() as connection:
        person = _whose(principal, connection, login)
        found = rows.sessions_of(connection, person)
    return tuple(_shown(row) for row in found if is_open(row, settings, now))


def end_session(principal: Principal, store: Store, *, id_: str, now: datetime) -> None:
    """End a session of one's own, or of somebody whom one administers; it is let in for five seconds more at most."""
    with changing(store, now) as (connection, trail):
        row = rows.session_by_id(connection, id_)
        if row is None or not _may_end(principal, row.person):
            raise NotFound("There is no such session: it may have ended already.")
        rows.delete_session_by_id(connection, id_)
        whose = {"person": row.person.id}
        trail.say(principal, Act.SESSION_ENDED, "session", id_, centres=row.person.centres, details=whose)
    _log.info("session ended", person=row.person.id, by=principal.id)


def end_sessions_of(
    principal: Principal, store: Store, *, now: datetime, login: str | None = None, but: str = ""
) -> int:
    """End all sessions of the person of that login, or one's own, but the one of that id; how many there were."""
    with changing(store, now) as (connection, trail):
        person = _whose(principal, connection, login)
        ended = rows.delete_sessions_of(connection, person.id, but=but)
        trail.say(principal, Act.SESSION_ENDED, "person", person.id, centres=person.centres, details={"count": ended})
    _log.info("sessions ended", person=person.id, sessions=ended, by=principal.id)
    return ended


def needs_old_password(principal: Principal, store: Store, *, token: str) -> bool:
    """Whether who changes their password in that session must show the old one.

    Not where an administrator took it back and sent a link instead: the link is then what shows who they are.
    """
    with store.reading() as connection:
        return _needs_old(_own_session(principal, connection, token))


def change_own_password(
    principal: Principal,
    store: Store,
    limits: SignInLimits,
    settings: Settings,
    *,
    token: str,
    old: str,
    new: str,
    visit: Visit,
    now: datetime,
) -> Signed:
    """Give oneself another password in the session of that token; all sessions end, and a new one begins.

    Refused without the right old password, TooMany after too many tries, BadRequest (with its rule) for a new one that
    is not good enough. Slow on purpose (argon2): call it in a thread.
    """
    with store.reading() as connection:
        row = _own_session(principal, connection, token)
    person = row.person
    if _needs_old(row):
        limits.take(person.login, visit.address, now.timestamp())
        if not check_password(person.password_hash, old):
            _log.warning("password change refused", person=person.id, address=visit.address)
            raise Refused("The old password is wrong.")
        limits.give_back(person.login, visit.address)
    if check_password(person.password_hash, new):
        raise BadRequest("The new password is the old one: choose another.", rule="password_same")
    hashed = new_password_hash(new, login=person.login, name=person.name)
    with changing(store, now) as (connection, trail):
        # Meanwhile somebody may have ended this session, or taken the password back.
        current = _own_session(principal, connection, token).person
        if current.password_hash != person.password_hash or current.disabled_at is not None:
            raise Refused("The password was changed by somebody else in the meantime: sign in again.")
        rows.set_password(connection, person.id, hashed, must_change=False)
        trail.say(
            principal,
            Act.PASSWORD_CHANGED,
            "person",
            person.id,
            centres=current.centres,
            address=visit.address,
            details={"is_own": True},
        )
        signed = begin_session(connection, current, settings, Visit(row.visit.way, visit.address, visit.agent), now)
    _log.info("password changed", person=person.id, by=principal.id)
    return signed


def _needs_old(row: SessionRow) -> bool:
    by_link = row.person.must_change_password and row.visit.way == "link"
    return row.person.password_hash is not None and not by_link


def _own_session(principal: Principal, connection: Connection, token: str) -> SessionRow:
    row = rows.session(connection, token_hash(token))
    if row is None or row.person.id != principal.id:
        raise Refused("This session has ended: sign in again.")
    return row


def _whose(principal: Principal, connection: Connection, login: str | None) -> Person:
    if login is not None:
        return administered(principal, connection, login)
    person = rows.person_by_id(connection, principal.id) if principal.kind is Kind.PERSON else None
    if person is None:
        raise BadRequest("Say whose sessions: only people have sessions of their own.")
    return person


def _may_end(principal: Principal, person: Person) -> bool:
    return person.id == principal.id or (
        principal.may(Permission.ADMINISTER) and administers(principal, person.centres)
    )


def _shown(row: SessionRow) -> OpenSession:
    visit = row.visit
    return OpenSession(
        row.id, row.person.id, visit.way, visit.address, visit.agent, row.created_at, row.seen_at, row.ends_at
    )
