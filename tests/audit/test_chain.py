"""The chain: its form can be checked by others, the database guards it, and tampering is found where it was done."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from ioc.errors import Refused, StoreError
from ioc.model.audit import NO_HASH, Act, Entry, Head, Said, details_text, head_line, read_head, seal
from ioc.operations import audit
from ioc.operations.audit_verification import verify
from ioc.store import audit as rows
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, add, administrator, drop_triggers, fill, ms, numbers, said, tamper

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
DETAILS = st.dictionaries(st.sampled_from(["role", "count", "kinds", "is_again"]), TEXTS | st.integers(-9, 2**53))


def sealed_by_others(entry: Entry) -> str:
    """docs/audit.md in Python's own words."""
    array = [
        *("ioc-audit-1", entry.n, entry.at, entry.who, entry.act, entry.kind, entry.id, entry.centres),
        *(entry.unit, entry.address, entry.details, entry.before.hex()),
    ]
    return hashlib.sha256(json.dumps(array, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


@given(
    who=TEXTS,
    id_=TEXTS,
    address=TEXTS,
    details=DETAILS,
    n=st.integers(1, 2**62),
    before=st.binary(min_size=32, max_size=32),
)
def test_others_can_compute_the_hash(who: str, id_: str, address: str, details: Any, n: int, before: bytes) -> None:
    spoken = Said(who, Act.KEY_ADDED, "key", id_, frozenset({"b", "a"}), "u", address, details)
    assert seal(spoken, n, 41, before).hash.hex() == sealed_by_others(seal(spoken, n, 41, before))


def test_no_two_entries_share_their_bytes_by_moving_text_between_fields() -> None:
    one = seal(Said("p-1", Act.SIGN_IN, "per", "son"), 1, 41, NO_HASH)
    other = seal(Said("p-1", Act.SIGN_IN, "pers", "on"), 1, 41, NO_HASH)
    assert one.hash != other.hash


@pytest.mark.parametrize("details", [{"name": "x"}, {"new_login": "x"}, {"password": "x"}, {"e_mail": "x"}])
def test_details_refuse_personal_data_by_their_name(details: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no personal data"):
        details_text(details)


def test_details_are_whole_numbers_and_bounded() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        details_text({"share": 0.5})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="too long"):
        details_text({"path": "x" * 3_000})


def test_entries_are_numbered_without_gaps_and_verify(store: Store) -> None:
    add(store, *(said(number, "ben-cat", "binh-duong") for number in range(5)))
    with store.reading() as connection:
        entries = list(rows.entries_in_order(connection))
    assert [entry.n for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.before for entry in entries] == [NO_HASH, *(entry.hash for entry in entries[:-1])]
    assert all(sealed_by_others(entry) == entry.hash.hex() for entry in entries)
    assert entries[0].centres == ",ben-cat,binh-duong,"
    verdict = verify(SHELL, store)
    assert (verdict.first, verdict.last, verdict.count, verdict.broken) == (1, 5, 5, None)


def test_an_empty_trail_holds(store: Store) -> None:
    verdict = verify(SHELL, store, [audit.head(SHELL, store, now=NOW)])
    assert (verdict.count, verdict.heads, verdict.broken) == (0, 1, None)


def test_what_is_rolled_back_leaves_no_entry_and_no_gap(store: Store) -> None:
    add(store, said(1))

    def fail_after_it() -> None:
        with store.writing() as connection:
            rows.append(connection, [said(2)], ms(NOW))
            connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StoreError):
        fail_after_it()
    add(store, said(3))
    assert numbers(store) == [1, 2]
    assert verify(SHELL, store).broken is None


def test_only_who_administers_everything_verifies(store: Store) -> None:
    with pytest.raises(Refused):
        verify(administrator("ben-cat"), store)


REFUSED = {
    "change": "UPDATE audit_entries SET who = 'p-other' WHERE n = 2",
    "change of nothing": "UPDATE audit_entries SET who = who",
    "remove": "DELETE FROM audit_entries WHERE n = 3",
    "remove all": "DELETE FROM audit_entries",
    "add beside": "INSERT INTO audit_entries SELECT n + 7, at, who, act, kind, id, centres, unit, address, details,"
    " before, hash FROM audit_entries WHERE n = 3",
    "head back": "UPDATE audit_head SET n = 2",
    "head gone": "DELETE FROM audit_head",
    "second head": "INSERT INTO audit_head SELECT 1, 0, hash FROM audit_head",
    "anchor to nowhere": "UPDATE audit_anchor SET n = 2",
    "anchor gone": "DELETE FROM audit_anchor",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_the_database_refuses(store: Store, statement: str) -> None:
    fill(store, 3)
    with pytest.raises(StoreError), store.writing() as connection:
        connection.exec_driver_sql(statement)
    assert verify(SHELL, store).broken is None
    assert numbers(store) == [1, 2, 3]


def test_an_entry_cannot_be_replaced_or_the_table_emptied(store: Store) -> None:
    """SQLite's REPLACE and PostgreSQL's TRUNCATE pass by triggers of DELETE."""
    fill(store, 3)
    columns = "n, at, 'p-x', act, kind, id, centres, unit, address, details, before, hash"
    statement = (
        f"INSERT OR REPLACE INTO audit_entries SELECT {columns} FROM audit_entries WHERE n = 2"
        if store.dialect == "sqlite"
        else "TRUNCATE audit_entries"
    )
    with pytest.raises(StoreError), store.writing() as connection:
        connection.exec_driver_sql(statement)
    assert verify(SHELL, store).broken is None
    assert numbers(store) == [1, 2, 3]


# --- tampering by the owner of the tables -------------------------------------------------------------------------


def sealed_anew(store: Store, change: Callable[[Entry], Entry], first: int = 1) -> None:
    """Rewrite the chain from an entry on, head and all, as somebody with our source code could."""
    drop_triggers(store)
    with store.writing() as connection:
        entries = list(rows.entries_in_order(connection))
        before = NO_HASH if first == 1 else entries[first - 2].hash
        for entry in entries[first - 1 :]:
            spoken = change(entry)
            centres = frozenset(filter(None, spoken.centres.split(",")))
            again = seal(
                Said(spoken.who, Act(spoken.act), spoken.kind, spoken.id, centres, spoken.unit, spoken.address),
                entry.n,
                entry.at,
                before,
            )
            connection.execute(
                text("UPDATE audit_entries SET who = :who, before = :before, hash = :hash WHERE n = :n"),
                {"who": again.who, "before": before, "hash": again.hash, "n": again.n},
            )
            before = again.hash
        connection.execute(text("UPDATE audit_head SET hash = :hash"), {"hash": before})


FIELDS = {
    "at": "at + 1",
    "who": "'p-other'",
    "act": "'sign-out'",
    "kind": "'key'",
    "id": "'p-other'",
    "centres": "''",
    "unit": "'u'",
    "address": "'::1'",
    "details": "'{\"a\":1}'",
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_changed_field_is_found_at_its_entry(store: Store, field: str) -> None:
    fill(store, 5)
    tamper(store, f"UPDATE audit_entries SET {field} = {FIELDS[field]} WHERE n = 3")
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert broken.n == 3
    assert "something in it was changed" in broken.words


def test_a_removed_entry_is_found(store: Store) -> None:
    fill(store, 5)
    tamper(store, "DELETE FROM audit_entries WHERE n = 3")
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert (broken.n, broken.words) == (3, "entry 3 is missing; the next one that is there is 4")


def test_an_entry_of_which_only_the_hash_is_put_right_is_found_at_the_next(store: Store) -> None:
    fill(store, 5)
    drop_triggers(store)
    with store.writing() as connection:
        third = list(rows.entries_in_order(connection))[2]
        forged = seal(said(41), 3, third.at, third.before)
        connection.execute(text("DELETE FROM audit_entries WHERE n = 3"))
        connection.execute(
            text(
                "INSERT INTO audit_entries VALUES"
                " (:n, :at, :who, :act, :kind, :id, :centres, :unit, :address, :details, :before, :hash)"
            ),
            {name: getattr(forged, name) for name in Entry.__dataclass_fields__},
        )
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert broken.n == 4
    assert "not written after" in broken.words


def test_swapped_entries_are_found(store: Store) -> None:
    fill(store, 5)
    tamper(
        store,
        "UPDATE audit_entries SET n = 99 WHERE n = 2",
        "UPDATE audit_entries SET n = 2 WHERE n = 3",
        "UPDATE audit_entries SET n = 3 WHERE n = 99",
    )
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert broken.n == 2


def test_a_cut_tail_is_found_by_the_head_that_stays(store: Store) -> None:
    fill(store, 5)
    tamper(store, "DELETE FROM audit_entries WHERE n > 3")
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert broken.n == 4
    assert "the tail is gone" in broken.words


def test_a_tail_cut_with_its_head_is_found_by_a_head_that_was_exported(store: Store) -> None:
    fill(store, 5)
    exported = audit.head(SHELL, store, now=NOW)
    tamper(
        store,
        "DELETE FROM audit_entries WHERE n > 3",
        "UPDATE audit_head SET n = 3, hash = (SELECT hash FROM audit_entries WHERE n = 3)",
    )
    assert verify(SHELL, store).broken is None, "without a copy elsewhere nobody can know"
    broken = verify(SHELL, store, [exported]).broken
    assert broken is not None
    assert broken.n == 4
    assert "5 was exported as its end 2026-11-20 05:00:00 UTC" in broken.words


@pytest.mark.parametrize("first", [1, 3])
def test_a_chain_that_is_sealed_anew_is_found_by_a_head_that_was_exported(store: Store, first: int) -> None:
    fill(store, 5)
    exported = audit.head(SHELL, store, now=NOW)
    fill(store, 2)
    sealed_anew(
        store, lambda entry: Entry(**{**_values(entry), "who": "p-forged" if entry.n == first else entry.who}), first
    )
    assert verify(SHELL, store).broken is None, "without a copy elsewhere nobody can know"
    broken = verify(SHELL, store, [exported]).broken
    assert broken is not None
    assert broken.n == 5
    assert "written anew" in broken.words


def _values(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__dataclass_fields__}


def test_a_head_is_read_as_it_was_written_and_nothing_else_is_taken_for_one() -> None:
    head = Head(7, b"\1" * 32, 41, 3, is_restored=True)
    assert read_head(head_line(head)) == head
    for line in ("", "{", "[]", "7", '{"n":1}', '{"n":1,"hash":"00","at":1,"count":1}'):
        with pytest.raises(ValueError):
            read_head(line)


def test_of_two_broken_entries_the_first_is_named(store: Store) -> None:
    fill(store, 6)
    tamper(store, "UPDATE audit_entries SET who = 'x' WHERE n IN (5, 2)")
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert broken.n == 2


def test_verification_holds_a_page_of_entries_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across the borders of pages nothing is left out."""
    monkeypatch.setattr(rows, "PAGE", 3)
    fill(store, 10)
    assert verify(SHELL, store).count == 10
    tamper(store, "DELETE FROM audit_entries WHERE n = 4")
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert broken.n == 4
