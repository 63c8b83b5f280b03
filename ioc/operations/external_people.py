"""Who somebody is here whom an OpenID provider knows: the pair of issuer and subject, linked to a person.

The provider has shown who they are; whether they may come in, as whom and to see what, is decided here. The first link
is made by login, for a person whom an administrator added and who has no link yet; then the login counts no more.

Refused: making people, roles or centres of what a provider says; disabled people; a log of anything but our own ids.
"""

from dataclasses import dataclass, field
from datetime import datetime

from ioc import logs
from ioc.model.access import Principal, Visit
from ioc.model.audit import Act
from ioc.operations.access import (
    Signed,
    SignInRefused,
    administered,
    as_ms,
    begin_session,
    normal_login,
    say_signed_in,
)
from ioc.operations.gatekeeping import token_hash
from ioc.operations.trail import changing
from ioc.settings import Settings
from ioc.store import access as people
from ioc.store import external_people as rows
from ioc.store.access import Connection, Person
from ioc.store.engine import Store

_log = logs.get_logger("ioc.access")


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Who signed in at a provider. `login` is what it says that they are called, where it may be believed."""

    issuer: str
    subject: str = field(repr=False)
    login: str | None = field(default=None, repr=False)


class NotKnownHere(SignInRefused):
    """The provider knows somebody whom this centre does not let in."""


def is_linked(store: Store, identity: ExternalIdentity) -> bool:
    """Whether the subject is somebody here already, so that no login is needed to find them."""
    with store.reading() as connection:
        return rows.linked_login(connection, identity.issuer, identity.subject) is not None


def sign_in_external(
    store: Store,
    settings: Settings,
    identity: ExternalIdentity,
    *,
    visit: Visit,
    now: datetime,
    ended: str | None = None,
) -> Signed:
    """Open a session for somebody whom the provider has shown to be that subject; link them if it is the first time.

    `ended` is the session that the browser had before. NotKnownHere for a subject who is nobody here, or is disabled.
    """
    with store.reading() as connection:
        # Strangers must not queue up for the lock that ingest writes under.
        _person_of(connection, identity, visit)
    with changing(store, now) as (connection, trail):
        rows.lock_login(connection, normal_login(identity.login or ""))
        person, is_new = _person_of(connection, identity, visit)
        if is_new:
            rows.link(connection, identity.issuer, identity.subject, person.id, at=as_ms(now))
        if ended is not None:
            people.delete_session(connection, token_hash(ended))
        signed = begin_session(connection, person, settings, visit, now)
        if is_new:
            trail.say(signed.principal, Act.IDENTITY_LINKED, "person", person.id, centres=person.centres)
        say_signed_in(trail, person, visit)
    if is_new:
        _log.info("person linked to an account of the OpenID provider", person=person.id)
    _log.info("signed in through OpenID", person=person.id, address=visit.address)
    return signed


def unlink(principal: Principal, store: Store, *, login: str, now: datetime) -> int:
    """Forget which account of a provider is the person, and end their sessions; how many links there were.

    The next account that says this login is linked anew: for somebody who got another account, or the wrong link.
    """
    with changing(store, now) as (connection, trail):
        person = administered(principal, connection, login)
        count = rows.unlink(connection, person.id)
        if count == 0:
            trail.nothing_changed()
            return 0
        people.delete_sessions_of(connection, person.id)
        details = {"unlinked": count}
        trail.say(principal, Act.PERSON_CHANGED, "person", person.id, centres=person.centres, details=details)
    _log.info("person unlinked from the OpenID provider", person=person.id, by=principal.id)
    return count


def _person_of(connection: Connection, identity: ExternalIdentity, visit: Visit) -> tuple[Person, bool]:
    """The person of a subject, and whether they have yet to be linked."""
    linked = rows.linked_login(connection, identity.issuer, identity.subject)
    login = linked if linked is not None else normal_login(identity.login or "")
    person = people.person_by_login(connection, login) if login else None
    if person is None:
        raise _refused("nobody has this login", visit)
    if person.disabled_at is not None:
        raise _refused("the person is disabled", visit, person)
    if linked is None and rows.has_link(connection, person.id):
        raise _refused("the person is linked to another account", visit, person)
    return person, linked is None


def _refused(reason: str, visit: Visit, person: Person | None = None) -> NotKnownHere:
    """One sentence for all of them: who asks learns nothing about people here."""
    _log.warning(
        "sign-in through OpenID refused", reason=reason, person=person.id if person else None, address=visit.address
    )
    return NotKnownHere(
        "This centre does not know that account: ask an administrator of your centre to add you.", person
    )
