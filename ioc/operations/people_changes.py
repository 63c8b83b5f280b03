"""What administrators change of people: who they are called, what they may, and a password that must be set anew.

An administrator acts within their own centres, before the change and after it, and never takes the last administrator
of all centres away. Adding and disabling people stand in access.py.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ioc import logs
from ioc.errors import NotFound, Refused
from ioc.model.access import Principal, Role
from ioc.model.audit import Act
from ioc.operations.access import (
    administered,
    as_ms,
    check_administers,
    check_centres,
    check_description,
    home_of,
    list_people,
)
from ioc.operations.administrators import check_one_remains
from ioc.operations.gatekeeping import new_token, token_hash
from ioc.operations.trail import changing
from ioc.settings import Settings
from ioc.store import access as rows
from ioc.store import people_changes as changes
from ioc.store.access import Person
from ioc.store.engine import Store

_log = logs.get_logger("ioc.access")


def find_people(principal: Principal, store: Store, text: str = "") -> tuple[Person, ...]:
    """The people whom the principal administers and whose name or login holds every word of the text.

    Accents and case do not count: `nguyen lan` finds Nguyễn Thị Lan.
    """
    words = _plain(text).split()
    everybody = list_people(principal, store)
    return tuple(one for one in everybody if all(word in _plain(f"{one.name} {one.login}") for word in words))


def administered_person(principal: Principal, store: Store, id_: str) -> Person:
    """The person of that id; NotFound also for one whom the principal does not administer."""
    found = next((one for one in list_people(principal, store) if one.id == id_), None)
    if found is None:
        raise NotFound("There is no such person, or they are not yours to administer: look at the list of people.")
    return found


def change_person(
    principal: Principal,
    store: Store,
    *,
    login: str,
    name: str,
    role: Role,
    centres: Iterable[str],
    language: str,
    now: datetime,
) -> Person:
    """Give a person another name, role, language or other centres; what is open of them follows within seconds."""
    scope = frozenset(centres)
    check_description(name, scope, language)
    check_administers(principal, scope)
    with changing(store, now) as (connection, trail):
        person = administered(principal, connection, login)
        check_centres(connection, scope)
        after = replace(person, name=name.strip(), role=role, centres=scope, language=language)
        check_one_remains(principal, connection, after)
        changes.update_person(connection, after)
        trail.say(
            principal,
            Act.PERSON_CHANGED,
            "person",
            person.id,
            centres=person.centres | scope,
            details={
                "role": role.value,
                "role_before": person.role.value,
                "centres": sorted(scope),
                "centres_before": sorted(person.centres),
            },
        )
    _log.info("person changed", person=person.id, role=role.value, centres=sorted(scope), by=principal.id)
    return after


def reset_password(principal: Principal, store: Store, settings: Settings, *, login: str, now: datetime) -> str:
    """Take a person's password back, end their sessions, and give the token of the one link that lets them in.

    Whoever signs in by it must set a new password first.
    """
    token = new_token()
    with changing(store, now) as (connection, trail):
        person = administered(principal, connection, login)
        if person.disabled_at is not None:
            raise Refused(f"{person.login} is disabled: add the person anew.")
        changes.take_password_back(connection, person.id)
        ends_at = as_ms(now) + settings.link_life * 1000
        rows.insert_link(
            connection, token_hash(token), person.id, home_of(person.role, person.centres), ends_at=ends_at
        )
        trail.say(
            principal,
            Act.PASSWORD_CHANGED,
            "person",
            person.id,
            centres=person.centres,
            details={"is_taken_back": True},
        )
    _log.info("password taken back", person=person.id, by=principal.id)
    return token


def _plain(text: str) -> str:
    """Small letters without accents."""
    letters = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
