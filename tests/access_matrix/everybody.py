"""Who asks: people of every role, without a centre and of two, source systems, nobody; and what each may see."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ioc.model.access import Permission, Role
from ioc.model.origins import Origin
from ioc.operations.access import one_time_link
from ioc.operations.keys import NewKey, add_key
from ioc.operations.screens import add_screen, renew_screen
from ioc.operations.views import Page
from ioc.settings import Settings
from ioc.store import access as rows
from ioc.store.access import Person
from ioc.store.engine import Store
from ioc.web.app import WebApp
from ioc.web.plain_pages import SCREEN
from tests.access_matrix.canaries import (
    FOREIGN,
    FRESH,
    GROUPS,
    LETTER,
    MARKS,
    MOVED,
    MOVED_BEFORE,
    NUMBERS,
    OWN,
    PARENT,
    ROOT,
    SECOND,
)
from tests.access_matrix.wire import FORM, Asked, Headers, as_browser, as_source, ask, cookies


@dataclass(frozen=True, slots=True)
class Somebody:
    """One who asks. `sees` are the marks whose contents are theirs; `login` is empty for whoever is no person."""

    name: str
    sees: frozenset[str] = frozenset()
    login: str = ""
    screen: str = ""
    key: str = field(default="", repr=False)

    @property
    def forbidden(self) -> tuple[bytes, ...]:
        """What must not stand in any byte that they get."""
        texts = [MARKS[LETTER]]
        for group in GROUPS:
            if group not in self.sees:
                texts += [MARKS[group]] if group != MOVED or not self.sees & {OWN, FOREIGN} else []
                texts += [str(NUMBERS[group]), str(NUMBERS[group] + FRESH)]
        if OWN not in self.sees:
            texts.append(str(MOVED_BEFORE))
        return tuple(text.encode() for text in texts)

    @property
    def shown_by_name(self) -> tuple[bytes, ...]:
        """The ids of what stands above them: a unit says in which it lies, a centre whom it reports to."""
        if not self.sees:
            return ()
        return tuple(f"{kind}-{MARKS[PARENT]}".encode() for kind in "uc")


SCREEN_NAME: Final = "wall-1"
ROLES: Final = tuple(Role)
NOBODY: Final = Somebody("anonymous")


def make_everybody(store: Store, settings: Settings, now: datetime) -> tuple[Somebody, ...]:
    """Everybody who may be somebody; nobody comes beside them."""
    made = [_person(store, f"{role.value} of own", role, {OWN}, now) for role in ROLES]
    made.append(_person(store, "person of two centres", Role.OPERATOR, {OWN, SECOND}, now))
    made.append(_person(store, "person without a centre", Role.ADMINISTRATOR, set(), now))
    made.append(_person(store, "leader of the parent", Role.LEADER, {PARENT}, now))
    made.append(_person(store, "leader of foreign", Role.LEADER, {FOREIGN}, now))
    read, send = frozenset({Permission.READ}), frozenset({Permission.SEND})
    own = frozenset({f"c-{MARKS[OWN]}"})
    for name, key in {
        "reading key": NewKey("reads", Origin.LIVE, read, centres=own),
        "reading key of one unit": NewKey("reads-one", Origin.LIVE, read, centres=own, units=_units(OWN)),
        "sending key": NewKey("sends", Origin.LIVE, send, feeds=frozenset({"traffic"}), units=_units(OWN)),
    }.items():
        token = add_key(ROOT, store, settings, key, now=now)
        made.append(Somebody(name, frozenset({OWN}), key=token))
    add_screen(ROOT, store, settings, name=SCREEN_NAME, centre=f"c-{MARKS[OWN]}", page=Page.WALL, now=now)
    made.append(Somebody("wall screen of own", frozenset({OWN}), screen=SCREEN_NAME))
    return tuple(made)


def _units(group: str) -> frozenset[str]:
    return frozenset({f"u-{MARKS[group]}"})


def _person(store: Store, name: str, role: Role, centres: set[str], now: datetime) -> Somebody:
    login = name.replace(" ", ".")
    centre_ids = frozenset(f"c-{MARKS[one]}" for one in centres)
    at = int(now.timestamp() * 1000)
    person = Person(
        id=f"p-{login}", login=login, name=f"Bà {login}", role=role, centres=centre_ids, language="vi", created_at=at
    )
    with store.writing() as connection:
        rows.insert_person(connection, person)
    sees = set(centres)
    if PARENT in sees:  # all units lie below the parent's, and two centres report to it
        sees |= {OWN, FOREIGN, SECOND, MOVED}
    if FOREIGN in sees:
        sees |= {MOVED}
    return Somebody(name, frozenset(sees), login)


async def sign_in(
    web: WebApp, store: Store, settings: Settings, people: Iterable[Somebody], now: datetime
) -> Mapping[str, Headers]:
    """What each of them sends with a request, by name."""
    held: dict[str, Headers] = {}
    for one in people:
        if one.screen:
            pairing = renew_screen(ROOT, store, settings, name=one.screen, now=now)
            answer = await ask(web.app, Asked("POST", SCREEN, "", f"token={pairing}".encode(), FORM), as_browser({}))
            assert answer.status == 303, (one.name, answer)
            held[one.name] = as_browser(cookies(answer))
        elif one.login:
            link = one_time_link(ROOT, store, settings, login=one.login, path="/", now=now)
            body = f"token={link}".encode()
            answer = await ask(web.app, Asked("POST", "/sign-in/once", "", body, FORM), as_browser({}))
            assert answer.status == 303, (one.name, answer)
            held[one.name] = as_browser(cookies(answer))
        else:
            held[one.name] = as_source(one.key) if one.key else ()
    return held
