"""Searching the trail: each administrator within their own centres, a page at a time, and each search is entered."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ioc.errors import BadRequest, Refused
from ioc.model.access import ROLE_PERMISSIONS, Kind, Principal, Role
from ioc.model.audit import Act, Said, read_details
from ioc.operations import audit
from ioc.operations.places import Province
from ioc.processes import setup
from ioc.settings import PROJECT, Settings
from ioc.store import audit as rows
from ioc.store.audit import Wanted
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, add, administrator, ms, said
from tests.databases import copy_database, drop_database, new_database


def found(principal: Principal, store: Store, settings: Settings, /, **wanted: object) -> list[int]:
    asked = Wanted(**wanted)  # type: ignore[arg-type]
    return [entry.n for entry in audit.search(principal, Province(store, settings), asked, now=NOW).entries]


@pytest.fixture(scope="session")
def loaded_url(tmp_path_factory: pytest.TempPathFactory, database: str | None) -> str:
    """A store with a province, for searches of who has a scope."""
    folder = tmp_path_factory.mktemp("province")
    url = new_database(folder, database)
    setup.main(Settings(data=folder, store=url, province_dir=PROJECT / "provinces", province="binh_duong"))
    return url


@pytest.fixture
def loaded(loaded_url: str, tmp_path: Path) -> Iterator[Store]:
    url = copy_database(loaded_url, tmp_path, "loaded.db")
    made = Store.open(url)
    yield made
    made.close()
    drop_database(url)


def test_loading_a_territory_is_entered_for_all_its_centres(loaded: Store) -> None:
    with loaded.reading() as connection:
        (entry,) = rows.entries_in_order(connection)
    assert (entry.act, entry.who, entry.kind, entry.id) == (
        *("territory-loaded", "system:setup"),
        *("province", "binh-duong"),
    )
    assert ",ben-cat," in entry.centres


def test_an_administrator_finds_entries_whose_centres_are_all_theirs(loaded: Store, settings: Settings) -> None:
    add(
        loaded,
        said(2, "ben-cat"),
        said(3, "ben-cat", "thu-dau-mot"),
        said(4),
        said(5, "thu-dau-mot"),
        said(6, "no-longer-there"),
        said(7, "ben-cat", "no-longer-there"),
    )
    assert found(administrator("ben-cat"), loaded, settings) == [2]
    assert found(administrator("ben-cat", "thu-dau-mot"), loaded, settings, who="p-3") == [3]
    assert found(administrator(), loaded, settings) == []
    assert set(range(1, 8)) <= set(found(SHELL, loaded, settings))


def test_a_centre_whose_id_begins_like_another_is_another(loaded: Store, settings: Settings) -> None:
    add(loaded, said(2, "ben"), said(3, "cat"), said(4, "ben-cat-2"), said(5, "a", "ben-cat", "b"))
    assert found(administrator("ben-cat"), loaded, settings) == []
    assert found(administrator("ben-cat", "a", "b", "ben"), loaded, settings, act="sign-in") == [5, 2]


def test_entries_of_a_unit_are_found_by_whose_centres_cover_it(loaded: Store, settings: Settings) -> None:
    with Province(loaded, settings).reading(SHELL) as (_connection, atlas):
        day = atlas.day(ms(NOW))
        mine = administrator("ben-cat")
        own = atlas.scope(mine, day).units
        foreign = {unit.id for unit in atlas.territory.units_at(day)} - own
    add(
        loaded,
        Said("p-1", Act.FIGURE_ENTERED, "figure", "f", unit=min(own)),
        Said("p-1", Act.FIGURE_ENTERED, "figure", "f", unit=min(foreign)),
    )
    assert found(mine, loaded, settings, act="figure-entered") == [2]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.LEADER, Role.OPERATOR, Role.SUPERVISOR])
def test_only_administrators_search(store: Store, settings: Settings, role: Role) -> None:
    who = Principal(Kind.PERSON, "p-9", "x", ROLE_PERMISSIONS[role], frozenset({"ben-cat"}))
    with pytest.raises(Refused):
        found(who, store, settings)


def test_each_search_is_entered_and_is_not_among_what_it_finds(store: Store, settings: Settings) -> None:
    add(store, said(1))
    assert found(SHELL, store, settings, who="p-1", act="sign-in") == [1]
    assert found(SHELL, store, settings) == [2, 1]
    with store.reading() as connection:
        searched = list(rows.entries_in_order(connection))[1]
    assert (searched.act, searched.who) == ("audit-searched", "system:shell")
    assert read_details(searched) == {"act": "sign-in", "who": "p-1"}


def test_every_filter_narrows(store: Store, settings: Settings) -> None:
    add(store, said(1), at=NOW - timedelta(hours=2))
    add(store, Said("p-2", Act.KEY_ADDED, "key", "s1", address="::1"), at=NOW - timedelta(hours=1))
    for wanted in (
        {"who": "p-2"},
        {"act": "key-added"},
        {"kind": "key"},
        {"id": "s1"},
        {"address": "::1"},
        {"since": ms(NOW - timedelta(hours=1)), "until": ms(NOW)},
    ):
        assert found(SHELL, store, settings, **wanted) == [2], wanted
    assert found(SHELL, store, settings, until=ms(NOW - timedelta(hours=1))) == [1]
    assert found(SHELL, store, settings, who="p-2", act="sign-in") == []


def test_pages_follow_each_other_without_a_gap(store: Store, settings: Settings) -> None:
    add(store, *(said(number) for number in range(1, 8)))
    before, numbers_ = None, []
    while True:
        page = audit.search(SHELL, Province(store, settings), Wanted(act="sign-in"), now=NOW, before=before, limit=3)
        numbers_.append([entry.n for entry in page.entries])
        before = page.next_before
        if before is None:
            break
    assert numbers_ == [[7, 6, 5], [4, 3, 2], [1]]


def test_what_cannot_be_meant_is_refused(store: Store, settings: Settings) -> None:
    with pytest.raises(BadRequest, match="no act"):
        found(SHELL, store, settings, act="no-such-act")
    with pytest.raises(BadRequest, match="at most"):
        found(SHELL, store, settings, who="x" * 300)
    for limit in (0, 501):
        with pytest.raises(BadRequest, match="entries at once"):
            audit.search(SHELL, Province(store, settings), Wanted(), now=NOW, limit=limit)
