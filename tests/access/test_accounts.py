"""People and keys from the shell, and who may administer whom."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete

from ioc.errors import BadRequest, NotFound, Refused, UnknownPlace
from ioc.model.access import Kind, Principal, Role
from ioc.operations import access
from ioc.processes import accounts
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.store.schema import centres
from tests.access.conftest import HERE, NOON, PASSWORD, ROOT, Centre

Make = Callable[..., Settings]


def token_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


def test_the_first_links_lead_to_the_three_faces(make_settings: Make, store: Store) -> None:
    settings = make_settings()
    links = accounts.make_first_links(settings)
    assert [urlsplit(url).netloc for _, url in links] == ["127.0.0.1:8050"] * 3
    reached = [access.redeem(store, settings, token=token_of(url), visit=HERE, now=accounts._now()) for _, url in links]
    assert [path for _, path in reached] == ["/wall/binh-duong", "/centre/ben-cat", "/leader/binh-duong"]
    scopes = [signed.principal.centres for signed, _ in reached]
    assert scopes == [frozenset({"binh-duong"}), frozenset({"ben-cat"}), frozenset({"binh-duong"})]


def test_later_links_are_for_the_same_people(make_settings: Make, store: Store) -> None:
    settings = make_settings()
    first = accounts.make_first_links(settings)
    people = accounts.user_list(settings)
    second = accounts.make_first_links(settings)
    assert accounts.user_list(settings) == people
    assert {url for _, url in first}.isdisjoint(url for _, url in second)


def test_a_face_that_was_disabled_gets_no_link(make_settings: Make, store: Store) -> None:
    settings = make_settings()
    accounts.make_first_links(settings)
    accounts.user_disable(settings, "wall")
    assert len(accounts.make_first_links(settings)) == 2


def test_another_province_gets_links_to_its_own_centres(make_settings: Make, store: Store) -> None:
    with store.writing() as connection:
        connection.execute(delete(centres).where(centres.c.id == "ben-cat"))
    links = accounts.make_first_links(make_settings())
    assert len(links) == 3
    with store.writing() as connection:
        connection.execute(delete(centres))
    with pytest.raises(NotFound, match="setup"):
        accounts.make_first_links(make_settings())


def test_people_are_added_listed_given_passwords_and_disabled(make_settings: Make, store: Store) -> None:
    settings = make_settings()
    accounts.user_add(settings, "Minh", name="Minh", role="leader", centres=["ben-cat"])
    assert [person.login for person in accounts.user_list(settings)] == ["lan", "minh", "quan.tri"]
    accounts.user_password(settings, "minh", "a long enough password")
    url = accounts.user_link(settings, "minh")
    _, path = access.redeem(store, settings, token=token_of(url), visit=HERE, now=accounts._now())
    assert path == "/leader/ben-cat"
    accounts.user_disable(settings, "minh")
    with pytest.raises(Refused, match="disabled"):
        accounts.user_link(settings, "minh")
    with pytest.raises(NotFound):
        accounts.user_link(settings, "nobody")


@pytest.mark.parametrize(
    ("stated", "kind", "says"),
    [
        ({"login": "lan"}, BadRequest, "exists already"),
        ({"login": "đào"}, BadRequest, "login"),
        ({"login": "x"}, BadRequest, "login"),
        ({"role": "king"}, BadRequest, "viewer, leader"),
        ({"centres": []}, BadRequest, "centre"),
        ({"centres": ["ha-noi"]}, UnknownPlace, "ben-cat, binh-duong"),
        ({"name": " "}, BadRequest, "name"),
        ({"password": "short"}, BadRequest, "12"),
        ({"language": "fr"}, BadRequest, "vi or en"),
    ],
)
def test_a_person_who_would_make_no_sense_is_not_added(
    make_settings: Make, store: Store, stated: dict[str, object], kind: type[Exception], says: str
) -> None:
    whole = {"login": "minh", "name": "Minh", "role": "viewer", "centres": ["ben-cat"], **stated}
    login = whole.pop("login")
    with pytest.raises(kind, match=says):
        accounts.user_add(make_settings(), str(login), **whole)  # type: ignore[arg-type]
    assert len(accounts.user_list(make_settings())) == 2


def test_keys_are_added_listed_and_revoked(make_settings: Make, store: Store) -> None:
    settings = make_settings()
    token = accounts.key_add(settings, "sgtvt", may=["send"], feeds=["traffic"], origin="live")
    assert token.startswith("ioc_")
    assert [(key.name, key.may_send, key.may_read) for key in accounts.key_list(settings)] == [("sgtvt", True, False)]
    accounts.key_revoke(settings, "sgtvt")
    assert accounts.key_list(settings)[0].revoked_at is not None
    with pytest.raises(BadRequest, match="live"):
        accounts.key_add(settings, "other", may=["send"], feeds=["traffic"], origin="real")
    with pytest.raises(BadRequest, match="fly"):
        accounts.key_add(settings, "other", may=["fly"])


# --- who administers whom --------------------------------------------------------------------------------------


def test_an_administrator_acts_within_their_own_centres(centre: Centre) -> None:
    people = {person.login: person for person in access.list_people(ROOT, centre.store)}
    boss = access.principal_of(people["quan.tri"])
    assert [person.login for person in access.list_people(boss, centre.store)] == ["quan.tri"]
    assert access.all_centres(boss, centre.store) == {"ben-cat"}

    def add(centres: list[str]) -> None:
        access.add_person(boss, centre.store, login="moi", name="x", role=Role.VIEWER, centres=centres, now=NOON)

    for elsewhere in (["binh-duong"], ["ben-cat", "binh-duong"], []):
        with pytest.raises(Refused):
            add(elsewhere)
    add(["ben-cat"])
    with pytest.raises(Refused):
        access.set_password(boss, centre.store, login="lan", password=PASSWORD, now=NOON)
    with pytest.raises(Refused):
        access.disable_person(boss, centre.store, login="lan", now=NOON)
    with pytest.raises(Refused):
        access.one_time_link(boss, centre.store, centre.settings, login="lan", path="/", now=NOON)
    with pytest.raises(BadRequest):
        access.one_time_link(boss, centre.store, centre.settings, login="moi", path="//evil", now=NOON)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_nobody_else_administers(centre: Centre, role: Role) -> None:
    who = access.principal_of(
        access.add_person(ROOT, centre.store, login="moi", name="x", role=role, centres=["ben-cat"], now=NOON)
    )
    with pytest.raises(Refused):
        access.list_people(who, centre.store)
    with pytest.raises(Refused):
        access.set_password(who, centre.store, login="moi", password=PASSWORD, now=NOON)
    with pytest.raises(Refused):
        access.forget_ended(who, centre.store, centre.settings, NOON)
    with pytest.raises(Refused):
        access.all_centres(Principal(Kind.PERSON, "p", "p"), centre.store)


def test_what_has_ended_is_forgotten_and_the_rest_is_kept(centre: Centre) -> None:
    settings, store, clock = centre.settings, centre.store, centre.clock
    used = access.redeem(store, settings, token=centre.link(), visit=HERE, now=clock.now)[0]
    kept = centre.link()
    assert access.forget_ended(ROOT, store, settings, clock.now) == 0
    clock.turn(settings.session_idle)
    assert access.forget_ended(ROOT, store, settings, clock.now) == 1
    assert access.find_session(store, used.token, settings, clock.now) is None
    assert access.redeem(store, settings, token=kept, visit=HERE, now=clock.now)[1] == "/wall/binh-duong"
    clock.turn(settings.session_absolute + settings.link_life)
    assert access.forget_ended(ROOT, store, settings, clock.now) == 3
