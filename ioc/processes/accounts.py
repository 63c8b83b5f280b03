"""People, wall screens and API keys from the shell: what `user`, `screen`, `key` and the first start of a centre do.

Every function acts as the administrator's shell, over the store that the settings name, and returns values; the
command line prints them. A token or a link is returned once and is kept nowhere.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeVar

from ioc.errors import BadRequest, NotFound
from ioc.model.access import Permission, Role, system_principal
from ioc.model.origins import Origin
from ioc.operations import access, external_people, keys, screens, sessions
from ioc.operations.sessions import OpenSession
from ioc.settings import Settings
from ioc.store.access import KeyRow, Person
from ioc.store.engine import Store
from ioc.store.screens import ScreenRow
from ioc.web.plain_pages import SCREEN
from ioc.web.sign_in import ONCE

_SHELL: Final = system_principal("shell")
_T = TypeVar("_T")

# The three faces of the first start: login, name, role, centre, page, title of the link.
FACES: Final = (
    ("wall", "Màn hình lớn", Role.VIEWER, "binh-duong", "wall", "Màn hình lớn của tỉnh / Province wall"),
    ("operator", "Trực ban Bến Cát", Role.OPERATOR, "ben-cat", "centre", "Trung tâm Bến Cát / Bến Cát centre"),
    ("leader", "Lãnh đạo", Role.LEADER, "binh-duong", "leader", "Bảng của lãnh đạo / Leader's tablet"),
)


def make_first_links(settings: Settings) -> list[tuple[str, str]]:
    """(title, URL) of a new one-time link for each of the three faces; their people are made when missing.

    A province without those centres gets its top-most and its second centre instead.
    """
    now = _now()

    def make(store: Store) -> list[tuple[str, str]]:
        known = sorted(access.all_centres(_SHELL, store))
        if not known:
            raise NotFound("There is no centre to sign in to: run `python -m ioc setup` first.")
        logins = {person.login: person for person in access.list_people(_SHELL, store)}
        links = []
        for login, name, role, wanted, page, title in FACES:
            centre = wanted if wanted in known else known[0]
            person = logins.get(login)
            if person is not None and person.disabled_at is not None:
                continue  # an administrator closed that door, and it stays closed
            if person is None:
                access.add_person(_SHELL, store, login=login, name=name, role=role, centres=[centre], now=now)
            elif wanted not in person.centres:
                centre = min(person.centres, default=centre)
            links.append((title, _link(store, settings, login, f"/{page}/{centre}", now)))
        return links

    return _with_store(settings, make)


def user_add(
    settings: Settings,
    login: str,
    *,
    name: str,
    role: str,
    centres: Iterable[str],
    password: str | None = None,
    password_stays: bool = False,
    language: str | None = None,
) -> Person:
    """Add somebody who may sign in; without a password by links only (`user_link`)."""
    try:
        known_role = Role(role)
    except ValueError:
        raise BadRequest(f"There is no role {role}: use one of {', '.join(Role)}.") from None

    return _with_store(
        settings,
        lambda store: access.add_person(
            _SHELL,
            store,
            login=login,
            name=name,
            role=known_role,
            centres=centres,
            now=_now(),
            password=password,
            password_stays=password_stays,
            language=language or settings.default_language,
        ),
    )


def user_list(settings: Settings) -> tuple[Person, ...]:
    return _with_store(settings, lambda store: access.list_people(_SHELL, store))


def user_disable(settings: Settings, login: str) -> None:
    _with_store(settings, lambda store: access.disable_person(_SHELL, store, login=login, now=_now()))


def user_password(settings: Settings, login: str, password: str, *, password_stays: bool = False) -> None:
    _with_store(
        settings,
        lambda store: access.set_password(
            _SHELL, store, login=login, password=password, password_stays=password_stays, now=_now()
        ),
    )


def user_sessions(settings: Settings, login: str) -> tuple[OpenSession, ...]:
    return _with_store(settings, lambda store: sessions.sessions_of(_SHELL, store, settings, login=login, now=_now()))


def user_end_sessions(settings: Settings, login: str) -> int:
    """How many sessions of the person were ended."""
    return _with_store(settings, lambda store: sessions.end_sessions_of(_SHELL, store, login=login, now=_now()))


def user_unlink(settings: Settings, login: str) -> int:
    """How many accounts of OpenID providers are no longer the person's."""
    return _with_store(settings, lambda store: external_people.unlink(_SHELL, store, login=login, now=_now()))


def user_link(settings: Settings, login: str, path: str | None = None) -> str:
    """The URL of a new one-time link; without a path it leads to the page of the person's role."""

    def make(store: Store) -> str:
        wanted = path
        if wanted is None:
            person = next((one for one in access.list_people(_SHELL, store) if one.login == login), None)
            wanted = "/" if person is None else access.home_of(person.role, person.centres)
        return _link(store, settings, login, wanted, _now())

    return _with_store(settings, make)


def screen_add(settings: Settings, name: str, *, centre: str, page: str) -> str:
    """The URL that pairs the browser of a new wall screen, once."""

    def make(store: Store) -> str:
        return screens.add_screen(_SHELL, store, settings, name=name, centre=centre, page=page, now=_now())

    return f"{settings.public_url}{SCREEN}/{_with_store(settings, make)}"


def screen_renew(settings: Settings, name: str) -> str:
    """The URL that pairs another browser with a screen, once."""
    token = _with_store(settings, lambda store: screens.renew_screen(_SHELL, store, settings, name=name, now=_now()))
    return f"{settings.public_url}{SCREEN}/{token}"


def screen_list(settings: Settings) -> tuple[tuple[ScreenRow, str], ...]:
    """Each screen, and how it stands."""
    now = _now()
    found = _with_store(settings, lambda store: screens.list_screens(_SHELL, store))
    return tuple((one, screens.state_of(one, now)) for one in found)


def screen_revoke(settings: Settings, name: str) -> None:
    _with_store(settings, lambda store: screens.revoke_screen(_SHELL, store, name=name, now=_now()))


def key_add(
    settings: Settings,
    name: str,
    *,
    may: Iterable[str],
    feeds: Iterable[str] = (),
    units: Iterable[str] = (),
    centres: Iterable[str] = (),
    origin: str = "live",
    replace_existing: bool = False,
) -> str:
    """A new API key: its text, which can be read this one time."""
    try:
        permissions = frozenset(Permission(one) for one in may)
        known_origin = Origin.from_slug(origin)
    except ValueError as error:
        raise BadRequest(f"{error}.") from None
    new = keys.NewKey(name, known_origin, permissions, frozenset(feeds), frozenset(units), frozenset(centres))
    return _with_store(
        settings,
        lambda store: keys.add_key(_SHELL, store, settings, new, now=_now(), replace_existing=replace_existing),
    )


def key_list(settings: Settings) -> tuple[KeyRow, ...]:
    return _with_store(settings, lambda store: keys.list_keys(_SHELL, store))


def key_revoke(settings: Settings, name: str) -> None:
    _with_store(settings, lambda store: keys.revoke_key(_SHELL, store, name=name, now=_now()))


def _link(store: Store, settings: Settings, login: str, path: str, now: datetime) -> str:
    token = access.one_time_link(_SHELL, store, settings, login=login, path=path, now=now)
    return f"{settings.public_url}{ONCE}/{token}"


def _with_store(settings: Settings, act: Callable[[Store], _T]) -> _T:
    store = Store.open(settings.store)
    try:
        return act(store)
    finally:
        store.close()


def _now() -> datetime:
    return datetime.now(UTC)
