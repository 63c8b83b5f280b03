"""Refusals are entered soon, and a flood of them costs neither a table nor the lock that others write under."""

import threading
from datetime import timedelta

import pytest

from ioc.errors import StoreError
from ioc.model.audit import Act, Entry, read_details
from ioc.operations.audit_refusals import ANYBODY, OTHERS, Refusal, Refusals
from ioc.operations.audit_verification import verify
from ioc.store import audit as rows
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL

START = NOW.timestamp()


def refusal(address: str = "203.0.113.7", who: str = ANYBODY, person: str = "") -> Refusal:
    kind = "person" if person else ""
    return Refusal(Act.SIGN_IN_REFUSED, who, address, 403, "POST", "/sign-in", kind=kind, id=person)


def entries(store: Store) -> list[Entry]:
    with store.reading() as connection:
        return list(rows.entries_in_order(connection))


def counted(store: Store) -> int:
    return sum(read_details(entry)["count"] for entry in entries(store))


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_the_first_is_entered_at_once_and_the_others_with_their_count(store: Store) -> None:
    refusals = Refusals()
    refusals.note(refusal(), START)
    assert refusals.due_in(START) == 0
    assert refusals.write(store, NOW + after(1)) == 1
    for number in range(41):
        refusals.note(refusal(), START + number)
    assert refusals.write(store, NOW + after(59)) == 0
    assert refusals.due_in(START + 50) == 10
    assert refusals.write(store, NOW + after(60)) == 1
    assert refusals.due_in(START + 60) is None
    first, second = entries(store)
    assert (first.who, first.act, first.address) == ("anonymous", "sign-in-refused", "203.0.113.7")
    assert read_details(first) == {"count": 1, "method": "POST", "path": "/sign-in", "status": 403}
    assert read_details(second)["count"] == 41


def test_a_minute_without_others_leaves_one_entry(store: Store) -> None:
    refusals = Refusals()
    refusals.note(refusal(), START)
    assert [refusals.write(store, NOW + after(second)) for second in (0, 61, 62)] == [1, 0, 0]
    refusals.note(refusal(), START + 63)
    assert refusals.write(store, NOW + after(64)) == 1


def test_addresses_people_and_targets_are_told_apart_but_not_those_of_one_network(store: Store) -> None:
    refusals = Refusals()
    for one in (refusal("2001:db8::1"), refusal("2001:db8::2"), refusal("203.0.113.8"), refusal(person="p-1")):
        refusals.note(one, START)
    assert refusals.write(store, NOW) == 3
    assert {(entry.address, entry.id): read_details(entry)["count"] for entry in entries(store)} == {
        ("2001:db8::/64", ""): 2,
        ("203.0.113.8", ""): 1,
        ("203.0.113.7", "p-1"): 1,
    }


def test_a_flood_from_one_address_leaves_two_entries_a_minute(store: Store) -> None:
    refusals = Refusals()
    for number in range(100_000):
        second = number / 1_000
        if number % 500 == 0:
            refusals.write(store, NOW + after(second))
        refusals.note(refusal(), START + second)
    refusals.write(store, NOW + after(100), is_last=True)
    assert len(entries(store)) <= 4
    assert counted(store) == 100_000


def test_a_flood_from_ever_new_addresses_is_counted_together(store: Store) -> None:
    refusals = Refusals()
    for number in range(60_000):
        second = number / 500
        if number % 500 == 0:
            refusals.write(store, NOW + after(second))
        refusals.note(refusal(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"), START + second)
    refusals.write(store, NOW + after(120), is_last=True)
    found = entries(store)
    assert len(found) <= 100 + 2 * 10 + 5
    assert counted(store) == 60_000
    others = [entry for entry in found if entry.who == OTHERS]
    assert others
    assert {entry.address for entry in others} == {""}
    assert verify(SHELL, store).broken is None


def test_memory_holds_a_bounded_number_of_them(store: Store) -> None:
    refusals = Refusals()
    for number in range(10_000):
        refusals.note(refusal(f"10.0.{number >> 8}.{number & 255}"), START)
    assert len(refusals._minutes) <= 101


def test_what_could_not_be_written_is_written_later_with_its_count(store: Store) -> None:
    refusals = Refusals()
    for _ in range(3):
        refusals.note(refusal(), START)
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_entries RENAME TO gone")
    with pytest.raises(StoreError):
        refusals.write(store, NOW)
    refusals.note(refusal(), START + 1)
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO audit_entries")
    refusals.write(store, NOW + after(2))
    assert counted(store) == 4


def test_counting_from_many_threads_loses_nothing(store: Store) -> None:
    refusals = Refusals()
    written = threading.Event()

    def note() -> None:
        for number in range(2_000):
            refusals.note(refusal(person=f"p-{number % 3}"), START)

    def write() -> None:
        while not written.is_set():
            refusals.write(store, NOW)

    writer, noting = threading.Thread(target=write), [threading.Thread(target=note) for _ in range(4)]
    for thread in (writer, *noting):
        thread.start()
    for thread in noting:
        thread.join()
    written.set()
    writer.join()
    refusals.write(store, NOW, is_last=True)
    assert counted(store) == 8_000
    assert len(entries(store)) <= 6
