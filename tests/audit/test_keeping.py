"""How long entries are kept, what a legal hold keeps longer, and that the chain verifies from where it begins."""

from datetime import timedelta

import pytest

from ioc.errors import BadRequest, NotFound, Refused, StoreError
from ioc.jobs.audit import forget_old
from ioc.operations import audit
from ioc.operations.audit_verification import verify
from ioc.settings import Settings
from ioc.store import audit as rows
from ioc.store.audit import Point
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, add, administrator, fill, numbers, said, tamper

LATER = NOW + timedelta(days=731)


def test_what_is_older_than_the_keeping_time_goes_and_the_rest_verifies(store: Store, settings: Settings) -> None:
    fill(store, 5)
    add(store, said(6), said(7), at=NOW + timedelta(days=10))
    heads = [audit.head(SHELL, store, now=NOW)]
    assert forget_old(store, settings, NOW + timedelta(days=729)) == 0
    assert forget_old(store, settings, LATER) == 5
    assert numbers(store) == [6, 7, 8]
    verdict = verify(SHELL, store, heads)
    assert (verdict.first, verdict.last, verdict.heads, verdict.broken) == (6, 8, 1, None)
    with store.reading() as connection:
        last = list(rows.entries_in_order(connection))[-1]
    assert (last.act, last.who, last.id) == ("audit-forgotten", "system:jobs", "5")


def test_where_all_are_old_the_trail_begins_with_the_entry_that_says_so(store: Store, settings: Settings) -> None:
    fill(store, 3)
    assert forget_old(store, settings, LATER) == 3
    assert forget_old(store, settings, LATER) == 0
    assert numbers(store) == [4]
    assert verify(SHELL, store).broken is None


def test_much_is_forgotten_in_portions(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "DROPPED_AT_ONCE", 4)
    fill(store, 10)
    add(store, said(11), at=LATER)
    assert forget_old(store, settings, LATER) == 10
    assert numbers(store) == [11, 12, 13, 14]
    assert verify(SHELL, store).broken is None


def test_an_entry_that_is_younger_than_those_after_it_keeps_them(store: Store, settings: Settings) -> None:
    """Clocks of two machines differ; entries go in the order of their numbers only."""
    add(store, said(1))
    add(store, said(2), at=LATER)
    add(store, said(3))
    add(store, said(4), at=LATER)
    assert forget_old(store, settings, LATER) == 1
    assert numbers(store) == [2, 3, 4, 5]


def test_a_hold_keeps_what_is_from_its_time_on(store: Store, settings: Settings) -> None:
    add(store, said(1))
    add(store, said(2), at=NOW + timedelta(hours=1))
    add(store, said(3), at=LATER)
    audit.set_hold(SHELL, store, name="case-7", reason="a complaint", since=NOW + timedelta(hours=1), now=LATER)
    assert forget_old(store, settings, LATER) == 1
    assert numbers(store)[0] == 2
    audit.release_hold(SHELL, store, name="case-7", now=LATER)
    assert forget_old(store, settings, LATER) == 1
    assert numbers(store)[0] == 3
    assert verify(SHELL, store).broken is None


def test_a_hold_of_everything_keeps_everything(store: Store, settings: Settings) -> None:
    fill(store, 3)
    audit.set_hold(SHELL, store, name="all", reason="an inspection", since=None, now=LATER)
    assert forget_old(store, settings, LATER) == 0
    assert numbers(store) == [1, 2, 3, 4]


def test_the_database_itself_refuses_to_pass_a_hold(store: Store) -> None:
    fill(store, 3)
    audit.set_hold(SHELL, store, name="all", reason="an inspection", since=None, now=LATER)
    with store.reading() as connection:
        second = list(rows.entries_in_order(connection))[1]
    with pytest.raises(StoreError, match="no legal hold covers"), store.writing() as connection:
        rows.drop_up_to(connection, Point(second.n, second.hash))


def test_a_hold_cannot_be_changed_or_taken_away_behind_its_back(store: Store) -> None:
    audit.set_hold(SHELL, store, name="all", reason="an inspection", since=None, now=NOW)
    for statement in ("DELETE FROM audit_holds", "UPDATE audit_holds SET since = 5"):
        with pytest.raises(StoreError), store.writing() as connection:
            connection.exec_driver_sql(statement)


def test_holds_are_named_once_with_a_reason_and_are_for_the_shell(store: Store) -> None:
    audit.set_hold(SHELL, store, name="all", reason="an inspection", since=None, now=NOW)
    audit.release_hold(SHELL, store, name="all", now=NOW)
    (hold,) = audit.list_holds(SHELL, store)
    assert (hold.name, hold.reason, hold.set_by, hold.released_by) == (
        *("all", "an inspection"),
        *("system:shell", "system:shell"),
    )
    for name, reason, since in (("all", "x", None), ("A b", "x", None), ("new", " ", None), ("new", "x", LATER)):
        with pytest.raises(BadRequest):
            audit.set_hold(SHELL, store, name=name, reason=reason, since=since, now=NOW)
    for name in ("all", "never-set"):
        with pytest.raises(NotFound):
            audit.release_hold(SHELL, store, name=name, now=NOW)
    with pytest.raises(Refused):
        audit.set_hold(administrator("ben-cat"), store, name="mine", reason="x", since=None, now=NOW)
    with pytest.raises(Refused):
        audit.release_hold(administrator("ben-cat"), store, name="all", now=NOW)


# --- tampering with what keeping goes by -------------------------------------------------------------------------


def test_an_anchor_that_was_moved_by_hand_is_found(store: Store, settings: Settings) -> None:
    fill(store, 5)
    tamper(
        store,
        "UPDATE audit_anchor SET n = 2, hash = (SELECT hash FROM audit_entries WHERE n = 2)",
        "DELETE FROM audit_entries WHERE n <= 2",
    )
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert (broken.n, broken.words) == (3, "entries up to 2 are gone, and no entry of the keeping job says so")


def test_an_anchor_that_was_moved_back_is_found(store: Store, settings: Settings) -> None:
    fill(store, 5)
    add(store, said(6), at=LATER)
    assert forget_old(store, settings, LATER) == 5
    tamper(store, "UPDATE audit_anchor SET n = 3")
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert (broken.n, broken.words) == (4, "entry 4 is missing; the next one that is there is 6")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_holds SET released_at = 7, released_by = 'system:shell'",
        "UPDATE audit_holds SET since = 7",
        "DELETE FROM audit_holds",
    ],
)
def test_a_hold_that_was_released_without_its_entry_is_found(store: Store, statement: str) -> None:
    audit.set_hold(SHELL, store, name="all", reason="an inspection", since=None, now=NOW)
    assert verify(SHELL, store).broken is None
    tamper(store, statement)
    broken = verify(SHELL, store).broken
    assert broken is not None
    assert "the hold all was set, changed or released without its entry" in broken.words
