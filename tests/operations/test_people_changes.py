"""What administrators change of people and keys, on both databases: in their centres, and never the last of them."""

import threading
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from ioc.errors import BadRequest, IocError, NotFound, Refused, UnknownPlace
from ioc.model.access import Permission, Principal, Role, Visit, system_principal
from ioc.model.origins import Origin
from ioc.operations import access, coverage, people_changes
from ioc.operations.keys import NewKey, add_key, list_keys
from ioc.store import schema
from ioc.store.access import Person
from ioc.store.engine import Store
from tests.operations.rows import NOW, Rows

ROOT = system_principal("test")
ALL = ("c-all", "c-d1", "c-d2")


@dataclass
class Staff:
    """People of the small centre; `boss` administers everything, `head` c-d1."""

    rows: Rows

    @property
    def store(self) -> Store:
        return self.rows.small.store

    def add(self, login: str, role: Role, *centres: str) -> Principal:
        person = access.add_person(ROOT, self.store, login=login, name=login, role=role, centres=centres, now=NOW)
        return access.principal_of(person)

    def person(self, login: str) -> Person:
        return next(one for one in access.list_people(ROOT, self.store) if one.login == login)

    def change(self, who: Principal, login: str, **changed: Any) -> Person:
        person = self.person(login)
        stated = {
            "name": person.name,
            "role": person.role,
            "centres": person.centres,
            "language": person.language,
            **changed,
        }
        return people_changes.change_person(who, self.store, login=login, now=NOW, **stated)


@pytest.fixture
def staff(rows: Rows) -> Staff:
    return Staff(rows)


@pytest.fixture
def boss(staff: Staff) -> Principal:
    return staff.add("boss", Role.ADMINISTRATOR, *ALL)


@pytest.fixture
def head(staff: Staff) -> Principal:
    return staff.add("head", Role.ADMINISTRATOR, "c-d1")


def test_a_change_is_stored_whole_and_entered_in_the_audit(staff: Staff, boss: Principal) -> None:
    staff.add("lan", Role.VIEWER, "c-d1", "c-d2")
    after = staff.change(boss, "lan", name=" Lan ", role=Role.OPERATOR, centres=["c-all"], language="en")
    assert staff.person("lan") == after
    assert (after.name, after.role, after.centres, after.language) == (
        "Lan", Role.OPERATOR, frozenset({"c-all"}), "en"
    )  # fmt: skip
    with staff.store.reading() as connection:
        entries = connection.execute(
            select(schema.audit_entries).where(schema.audit_entries.c.act == "person-changed")
        ).all()
    assert [(entry.who, entry.id, entry.centres) for entry in entries] == [(boss.id, after.id, ",c-all,c-d1,c-d2,")]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"name": " "}, BadRequest),
        ({"name": "x" * 201}, BadRequest),
        ({"centres": []}, BadRequest),
        ({"centres": ["nowhere"]}, UnknownPlace),
        ({"language": "fr"}, BadRequest),
    ],
)
def test_what_makes_no_sense_changes_nothing(staff: Staff, changed: dict[str, Any], kind: type[IocError]) -> None:
    staff.add("lan", Role.VIEWER, "c-d1")
    before = staff.person("lan")
    with pytest.raises(kind):
        staff.change(ROOT, "lan", **changed)
    assert staff.person("lan") == before


def test_an_administrator_touches_nobody_of_other_centres(staff: Staff, boss: Principal, head: Principal) -> None:
    settings = staff.rows.settings
    for login, *centres in (("other", "c-d2"), ("both", "c-d1", "c-d2"), ("boss", *ALL)):
        if login != "boss":
            staff.add(login, Role.VIEWER, *centres)
        before = staff.person(login)
        with pytest.raises(Refused):
            staff.change(head, login, centres=["c-d1"])
        with pytest.raises(Refused):
            people_changes.reset_password(head, staff.store, settings, login=login, now=NOW)
        with pytest.raises(NotFound):
            people_changes.administered_person(head, staff.store, before.id)
        assert staff.person(login) == before
    assert [one.login for one in people_changes.find_people(head, staff.store)] == ["head"]


def test_nobody_gives_rights_above_their_own(staff: Staff, head: Principal) -> None:
    staff.add("lan", Role.VIEWER, "c-d1")
    for centres in (["c-d2"], ["c-d1", "c-d2"], ["c-all"]):
        with pytest.raises(Refused):
            staff.change(head, "lan", centres=centres)
        with pytest.raises(Refused):
            staff.change(head, "head", centres=centres)
    assert staff.person("lan").centres == {"c-d1"}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_nobody_else_changes_anybody(staff: Staff, role: Role) -> None:
    who = staff.add("lan", role, *ALL)
    with pytest.raises(Refused):
        staff.change(who, "lan", role=Role.ADMINISTRATOR)
    with pytest.raises(Refused):
        people_changes.reset_password(who, staff.store, staff.rows.settings, login="lan", now=NOW)
    with pytest.raises(Refused):
        people_changes.find_people(who, staff.store)
    with pytest.raises(Refused):
        coverage.list_coverage(who, staff.rows.province, now=NOW)
    with pytest.raises(Refused):
        coverage.administered_centres(who, staff.rows.province, now=NOW)
    assert staff.person("lan").role is role


def test_whoever_has_no_centre_is_the_shells_to_administer(staff: Staff, boss: Principal) -> None:
    staff.add("lan", Role.VIEWER, "c-d1")
    with staff.store.writing() as connection:
        connection.execute(schema.people_centres.delete().where(schema.people_centres.c.centre == "c-d1"))
    assert "lan" not in [one.login for one in access.list_people(boss, staff.store)]
    assert staff.change(ROOT, "lan", centres=["c-d2"]).centres == {"c-d2"}


# --- the last administrator --------------------------------------------------------------------------------------


def test_the_last_administrator_of_everything_is_not_taken_away(staff: Staff, boss: Principal) -> None:
    for changed in ({"role": Role.SUPERVISOR}, {"centres": ["c-all", "c-d1"]}):
        with pytest.raises(BadRequest) as error:
            staff.change(boss, "boss", **changed)
        assert error.value.rule == "last_administrator"
    with pytest.raises(BadRequest):
        access.disable_person(boss, staff.store, login="boss", now=NOW)
    assert staff.change(boss, "boss", name="Another name").name == "Another name"
    staff.add("second", Role.ADMINISTRATOR, *ALL)
    assert staff.change(boss, "boss", role=Role.VIEWER).role is Role.VIEWER


def test_a_disabled_administrator_does_not_count(staff: Staff, boss: Principal) -> None:
    staff.add("second", Role.ADMINISTRATOR, *ALL)
    access.disable_person(boss, staff.store, login="second", now=NOW)
    with pytest.raises(BadRequest):
        access.disable_person(boss, staff.store, login="boss", now=NOW)


def test_the_shell_may_take_the_last_one_away(staff: Staff, boss: Principal) -> None:
    access.disable_person(ROOT, staff.store, login="boss", now=NOW)
    assert staff.person("boss").disabled_at is not None


def test_two_who_take_each_other_away_at_the_same_time_leave_one(staff: Staff, boss: Principal) -> None:
    second = staff.add("second", Role.ADMINISTRATOR, *ALL)
    together = threading.Barrier(2)
    refused: list[str] = []

    def take_away(who: Principal, login: str) -> None:
        together.wait()
        try:
            access.disable_person(who, staff.store, login=login, now=NOW)
        except BadRequest as error:
            refused.append(error.rule)

    threads = [
        threading.Thread(target=take_away, args=pair) for pair in ((boss, "second"), (second, "boss"))
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["last_administrator"]
    assert [staff.person(login).disabled_at is None for login in ("boss", "second")].count(True) == 1


# --- passwords -------------------------------------------------------------------------------------------------


def test_a_password_that_is_taken_back_ends_what_was_open(staff: Staff, boss: Principal) -> None:
    store, settings = staff.store, staff.rows.settings
    staff.add("lan", Role.VIEWER, "c-d1")
    access.set_password(ROOT, store, login="lan", password="bốn từ rời nhau", now=NOW)
    before = access.one_time_link(ROOT, store, settings, login="lan", path="/", now=NOW)
    used = access.one_time_link(ROOT, store, settings, login="lan", path="/", now=NOW)
    here = Visit("link", "::1", "test")
    signed, _ = access.redeem(store, settings, token=used, visit=here, now=NOW)
    token = people_changes.reset_password(boss, store, settings, login="lan", now=NOW)
    assert access.find_session(store, signed.token, settings, NOW) is None
    with pytest.raises(Refused):
        access.redeem(store, settings, token=before, visit=here, now=NOW)
    assert staff.person("lan").password_hash is None
    again, path = access.redeem(store, settings, token=token, visit=here, now=NOW)
    assert path == "/wall/c-d1"
    session = access.find_session(store, again.token, settings, NOW)
    assert session is not None
    assert session.must_change_password
    with pytest.raises(Refused):
        access.redeem(store, settings, token=token, visit=here, now=NOW)


def test_people_are_found_by_words_without_accents(staff: Staff) -> None:
    staff.add("lan.tran", Role.VIEWER, "c-d1")
    staff.change(ROOT, "lan.tran", name="Đặng Thị Ngọc Lân")
    for text in ("", "dang", "LÂN thi", "lan.tran", "ngoc dang"):
        assert [one.login for one in people_changes.find_people(ROOT, staff.store, text)] == ["lan.tran"], text
    for text in ("minh", "dang minh", "%", "_"):
        assert people_changes.find_people(ROOT, staff.store, text) == (), text


# --- keys ------------------------------------------------------------------------------------------------------


def _sends(name: str, *units: str, centres: tuple[str, ...] = ("c-d1",)) -> NewKey:
    send = frozenset({Permission.SEND})
    feeds = frozenset({"traffic"})
    return NewKey(name, Origin.LIVE, send, feeds=feeds, units=frozenset(units), centres=frozenset(centres))


def test_a_key_of_an_administrator_sends_only_about_what_its_centres_cover(staff: Staff, head: Principal) -> None:
    def make(new: NewKey, who: Principal = head) -> frozenset[str]:
        add_key(who, staff.store, staff.rows.settings, new, now=NOW)
        return next(key.units for key in list_keys(ROOT, staff.store) if key.name == new.name)

    assert make(_sends("open")) == {"u-d1", "u-m1"}
    assert make(_sends("below", "u-l1")) == {"u-l1"}
    for units in (("u-m2",), ("u-m1", "u-top"), ("nowhere",)):
        with pytest.raises(BadRequest) as error:
            make(_sends("wide", *units))
        assert error.value.rule == "key_units"
    assert make(_sends("shell"), ROOT) == frozenset(), "the shell decides for itself"
    reads = NewKey("reads", Origin.LIVE, frozenset({Permission.READ}), centres=frozenset({"c-d1"}))
    assert make(reads) == frozenset()


# --- coverage --------------------------------------------------------------------------------------------------


def test_coverage_is_told_by_period(staff: Staff, boss: Principal, head: Principal) -> None:
    province = staff.rows.province
    told = {one.id: one for one in coverage.list_coverage(boss, province, now=NOW)}
    assert told.keys() == set(ALL)
    shown = [
        (str(period.valid_from), str(period.valid_to), [unit.id for unit in period.units])
        for period in told["c-d1"].periods
    ]
    assert shown == [("2025-07-01", "None", ["u-m1"]), ("None", "2025-07-01", ["u-d1"])]
    assert told["c-d1"].periods[1].units[0].below == 2
    assert told["c-d2"].periods[0].units == ()
    assert [one.id for one in coverage.list_coverage(head, province, now=NOW)] == ["c-d1"]
    assert told["c-d1"].parent is not None
    assert coverage.centre_coverage(head, province, "c-d1", now=NOW).parent is None, "it is not theirs to see"
    with pytest.raises(NotFound):
        coverage.centre_coverage(head, province, "c-all", now=NOW)
    assert [one.id for one in coverage.administered_centres(head, province, now=NOW)] == ["c-d1"]


def test_centres_below_are_seen_and_not_administered(staff: Staff) -> None:
    top = staff.add("top", Role.ADMINISTRATOR, "c-all")
    province = staff.rows.province
    assert [one.id for one in coverage.list_coverage(top, province, now=NOW)] == ["c-all", "c-d1"]
    assert [one.id for one in coverage.administered_centres(top, province, now=NOW)] == ["c-all"]
