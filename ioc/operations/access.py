"""Which people may come in: accounts, their sessions and one-time links. Source systems' keys stand in keys.py.

What the gate asks (sessions, links) has no Principal yet and makes one; everything else takes it first. An
administrator acts within their own centres, the shell (`everything`) everywhere.

Refused: saying whether a login exists; a token or password in a log, in an error or in the store.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from ioc import logs
from ioc.errors import BadRequest, NotFound, Refused, UnknownPlace
from ioc.model.access import ROLE_PERMISSIONS, Kind, Permission, Principal, Role, Visit
from ioc.model.audit import Act
from ioc.operations.administrators import check_one_remains
from ioc.operations.gatekeeping import (
    SignInLimits,
    check_password,
    hash_password,
    is_local_path,
    needs_new_hash,
    new_token,
    token_hash,
)
from ioc.operations.passwords import new_password_hash
from ioc.operations.trail import Trail, changing
from ioc.settings import Settings
from ioc.store import access as rows
from ioc.store.access import Connection, Person, SessionRow
from ioc.store.engine import Store

SEEN_EVERY_MS: Final = 60_000
LANGUAGES: Final = ("vi", "en")
_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")

_log = logs.get_logger("ioc.access")


@dataclass(frozen=True, slots=True)
class Session:
    """An open session: who it is, and what a change made with it must carry (`csrf`).

    While `must_change_password`, it is good for nothing but giving the person a password of their own.
    """

    id: str
    principal: Principal
    role: Role
    language: str
    csrf: str = field(repr=False)
    seen_at: int
    ends_at: int
    must_change_password: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """A session that has just begun. The token is nowhere else: it goes into the cookie."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)
    principal: Principal
    home: str


class SignInRefused(Refused):
    """Somebody could not show who they are. `person` is whom the login names, for the audit only."""

    def __init__(self, sentence: str, person: Person | None) -> None:
        super().__init__(sentence)
        self.person = person


def check_permission(principal: Principal, permission: Permission) -> None:
    """Refused if the principal lacks the permission."""
    if not principal.may(permission):
        raise Refused(f"{principal.name} may not {permission.value}: ask an administrator for that right.")


def check_may_send(principal: Principal, feed: str) -> None:
    """Refused unless the principal may send messages of that feed."""
    check_permission(principal, Permission.SEND)
    if not principal.everything and feed not in principal.feeds:
        raise Refused(f"{principal.name} may not send to the feed {feed}: ask for a key that may.")


# --- people ----------------------------------------------------------------------------------------------------


def add_person(
    principal: Principal,
    store: Store,
    *,
    login: str,
    name: str,
    role: Role,
    centres: Iterable[str],
    now: datetime,
    password: str | None = None,
    password_stays: bool = False,
    language: str = "vi",
) -> Person:
    """Add somebody who may sign in; without a password they use one-time links only.

    A password is changed at the first sign-in, unless it stays: that is for the shell only, where people set their own.
    """
    scope = frozenset(centres)
    check_administers(principal, scope)
    login = normal_login(login)
    if not _LOGIN.fullmatch(login):
        raise BadRequest(
            "A login has 2 to 64 small letters, digits, dots, dashes, underscores or @.", rule="login_form"
        )
    check_description(name, scope, language)
    person = Person(
        id=f"p-{new_token()[:12]}",
        login=login,
        name=name.strip(),
        role=role,
        centres=scope,
        language=language,
        created_at=as_ms(now),
        must_change_password=password is not None and _must_change(principal, stays=password_stays),
        password_hash=None if password is None else new_password_hash(password, login=login, name=name),
    )
    with changing(store, now) as (connection, trail):
        check_centres(connection, scope)
        if rows.person_by_login(connection, login) is not None:
            raise BadRequest(f"The login {login} exists already: choose another.", rule="login_taken")
        rows.insert_person(connection, person)
        trail.say(principal, Act.PERSON_ADDED, "person", person.id, centres=scope, details={"role": role.value})
    _log.info("person added", person=person.id, role=role.value, by=principal.id)
    return person


def list_people(principal: Principal, store: Store) -> tuple[Person, ...]:
    """The people whom the principal administers."""
    check_permission(principal, Permission.ADMINISTER)
    with store.reading() as connection:
        everybody = rows.all_people(connection)
    return tuple(one for one in everybody if administers(principal, one.centres))


def disable_person(principal: Principal, store: Store, *, login: str, now: datetime) -> None:
    """Nobody signs in as that person any more; open sessions and links end."""
    with changing(store, now) as (connection, trail):
        person = administered(principal, connection, login)
        check_one_remains(principal, connection, replace(person, disabled_at=as_ms(now)))
        rows.disable_person(connection, person.id, as_ms(now))
        trail.say(principal, Act.PERSON_DISABLED, "person", person.id, centres=person.centres)
    _log.info("person disabled", person=person.id, by=principal.id)


def set_password(
    principal: Principal, store: Store, *, login: str, password: str, now: datetime, password_stays: bool = False
) -> None:
    """Give a person another password; their sessions end. It stays, or is changed, as in `add_person`."""
    must_change = _must_change(principal, stays=password_stays)
    with store.reading() as connection:
        name = administered(principal, connection, login).name
    hashed = new_password_hash(password, login=normal_login(login), name=name)
    with changing(store, now) as (connection, trail):
        person = administered(principal, connection, login)
        rows.set_password(connection, person.id, hashed, must_change=must_change)
        trail.say(principal, Act.PASSWORD_CHANGED, "person", person.id, centres=person.centres)
    _log.info("password changed", person=person.id, by=principal.id)


def all_centres(principal: Principal, store: Store) -> frozenset[str]:
    """The ids of the centres to which the principal may give people and keys."""
    check_permission(principal, Permission.ADMINISTER)
    with store.reading() as connection:
        known = rows.centre_ids(connection)
    return known if principal.everything else known & principal.centres


def home_of(role: Role, centres: Iterable[str]) -> str:
    """The page where somebody of that role begins."""
    page = {Role.VIEWER: "wall", Role.LEADER: "leader"}.get(role, "centre")
    first = min(centres, default=None)
    return "/" if first is None else f"/{page}/{first}"


# --- sessions --------------------------------------------------------------------------------------------------


def sign_in(
    store: Store,
    limits: SignInLimits,
    settings: Settings,
    *,
    login: str,
    password: str,
    visit: Visit,
    now: datetime,
    ended: str | None = None,
) -> Signed:
    """Open a session for a login and password; `ended` is the session that the browser had before.

    Refused if they do not fit, TooMany after too many tries. Slow on purpose (argon2): call it in a thread.
    """
    login = normal_login(login)[:64]
    limits.take(login, visit.address, now.timestamp())
    with store.reading() as connection:
        person = rows.person_by_login(connection, login)
    usable = person if person is not None and person.disabled_at is None else None
    fits = check_password(None if usable is None else usable.password_hash, password)
    if usable is None or usable.password_hash is None or not fits:
        # What was typed is not logged: people type passwords into the wrong field.
        _log.warning("sign-in refused", address=visit.address)
        raise SignInRefused("The login or the password is wrong.", person)
    limits.give_back(login, visit.address)
    with changing(store, now) as (connection, trail):
        if needs_new_hash(usable.password_hash):
            rows.set_password_hash(connection, usable.id, hash_password(password))
        if ended is not None:
            rows.delete_session(connection, token_hash(ended))
        signed = begin_session(connection, usable, settings, visit, now)
        say_signed_in(trail, usable, visit)
    _log.info("signed in", person=usable.id, address=visit.address)
    return signed


def find_session(store: Store, token: str, settings: Settings, now: datetime) -> Session | None:
    """The open session of a token, or None: unknown, idle for too long, ended, or its person disabled."""
    with store.reading() as connection:
        row = rows.session(connection, token_hash(token))
    if row is None or row.person.disabled_at is not None or not is_open(row, settings, now):
        return None
    person = row.person
    return Session(
        row.id,
        principal_of(person),
        person.role,
        person.language,
        row.csrf,
        row.seen_at,
        row.ends_at,
        must_change_password=person.must_change_password and row.visit.way != "openid",
    )


def is_open(row: SessionRow, settings: Settings, now: datetime) -> bool:
    """Whether a session has reached neither of its two ends."""
    return as_ms(now) < min(row.ends_at, row.seen_at + settings.session_idle * 1000)


def mark_seen(store: Store, token: str, now: datetime) -> None:
    """Note that a session is in use. Worth calling once a minute (`SEEN_EVERY_MS`): it writes."""
    with store.writing() as connection:
        rows.mark_seen(connection, token_hash(token), as_ms(now))


def sign_out(store: Store, token: str, now: datetime) -> None:
    """End a session; that of an unknown token has ended already."""
    with changing(store, now) as (connection, trail):
        row = rows.session(connection, token_hash(token))
        if row is None:
            trail.nothing_changed()
            return
        rows.delete_session(connection, token_hash(token))
        trail.say(principal_of(row.person), Act.SIGN_OUT, "session", row.id, centres=row.person.centres)


def forget_ended(principal: Principal, store: Store, settings: Settings, now: datetime) -> int:
    """Delete the sessions and links that nobody can use any more; how many."""
    check_permission(principal, Permission.ADMINISTER)
    idle_since = as_ms(now) - settings.session_idle * 1000
    with store.writing() as connection:
        return rows.delete_ended(connection, now=as_ms(now), idle_since=idle_since)


def principal_of(person: Person) -> Principal:
    return Principal(Kind.PERSON, person.id, person.name, ROLE_PERMISSIONS[person.role], person.centres)


def begin_session(connection: Connection, person: Person, settings: Settings, visit: Visit, now: datetime) -> Signed:
    """Open a session for somebody who has shown who they are."""
    token, csrf, id_ = new_token(), new_token(), f"s-{new_token()[:12]}"
    ends_at = as_ms(now) + settings.session_absolute * 1000
    rows.insert_session(connection, token_hash(token), id_, person.id, csrf, visit, now=as_ms(now), ends_at=ends_at)
    return Signed(token, csrf, principal_of(person), home_of(person.role, person.centres))


def say_signed_in(trail: Trail, person: Person, visit: Visit) -> None:
    """Enter that somebody came in, and how."""
    trail.say(
        principal_of(person),
        Act.SIGN_IN,
        "person",
        person.id,
        centres=person.centres,
        address=visit.address,
        details={"way": visit.way},
    )


# --- one-time links --------------------------------------------------------------------------------------------


def one_time_link(
    principal: Principal, store: Store, settings: Settings, *, login: str, path: str, now: datetime
) -> str:
    """The token of a link that signs a person in, once, and shows them `path`."""
    if not is_local_path(path):
        raise BadRequest("The path of a sign-in link must be one of this centre, like /wall/binh-duong.")
    token = new_token()
    with changing(store, now) as (connection, trail):
        person = administered(principal, connection, login)
        if person.disabled_at is not None:
            raise Refused(f"{person.login} is disabled: add the person anew.")
        ends_at = as_ms(now) + settings.link_life * 1000
        rows.insert_link(connection, token_hash(token), person.id, path, ends_at=ends_at)
        trail.say(principal, Act.LINK_MADE, "person", person.id, centres=person.centres)
    return token


def redeem(
    store: Store, settings: Settings, *, token: str, visit: Visit, now: datetime, ended: str | None = None
) -> tuple[Signed, str]:
    """Use a one-time link: the session and the path. Refused if it was used, has ended or never was."""
    refused = Refused("This sign-in link was used already or has ended: ask for a new one.")
    with store.reading() as connection:
        # Guesses by strangers must not queue up for the lock that ingest writes under.
        if not rows.link_exists(connection, token_hash(token)):
            raise refused
    with changing(store, now) as (connection, trail):
        used = rows.use_link(connection, token_hash(token), as_ms(now))
        if used is None or used[0].disabled_at is not None:
            raise refused
        person, path = used
        if ended is not None:
            rows.delete_session(connection, token_hash(ended))
        signed = begin_session(connection, person, settings, visit, now)
        say_signed_in(trail, person, visit)
    _log.info("signed in by link", person=person.id)
    return signed, path


# --- checks ----------------------------------------------------------------------------------------------------


def administers(principal: Principal, centres: frozenset[str]) -> bool:
    """Whether people and keys of those centres are the principal's to administer."""
    return principal.everything or (bool(centres) and centres <= principal.centres)


def check_administers(principal: Principal, centres: frozenset[str]) -> None:
    check_permission(principal, Permission.ADMINISTER)
    if not administers(principal, centres):
        raise Refused("An administrator gives rights within their own centres only: ask one of the centre above.")


def administered(principal: Principal, connection: Connection, login: str) -> Person:
    """The person of that login, if the principal administers them."""
    check_permission(principal, Permission.ADMINISTER)
    person = rows.person_by_login(connection, normal_login(login))
    if person is None:
        raise NotFound(f"There is no person with the login {login}: `user list` shows those that exist.")
    check_administers(principal, person.centres)
    return person


def check_description(name: str, centres: frozenset[str], language: str) -> None:
    """BadRequest for a person without a name or a centre, or of an unknown language."""
    if not name.strip() or len(name) > 200:
        raise BadRequest("A person needs a name of at most 200 characters.", rule="person_name")
    if not centres:
        raise BadRequest("A person needs at least one centre: without one they see nothing.", rule="centres_needed")
    if language not in LANGUAGES:
        raise BadRequest(f"Language {language!r} is not known: use vi or en.")


def check_centres(connection: Connection, centres: frozenset[str]) -> None:
    known = rows.centre_ids(connection)
    if unknown := centres - known:
        choices = ", ".join(sorted(known)) or "none before `setup` has loaded the province"
        raise UnknownPlace(f"There is no centre {', '.join(sorted(unknown))}; there are: {choices}.")


def _must_change(principal: Principal, *, stays: bool) -> bool:
    if stays and not principal.everything:
        raise Refused("A password that somebody else has set must be changed at the first sign-in.")
    return not stays


def normal_login(login: str) -> str:
    return login.strip().casefold()


def as_ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
