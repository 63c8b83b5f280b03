"""Whoever may change something says so in the audit: a rule for operations that do not exist yet, too.

Two halves. The code of `ioc/operations` is walked: a transaction that writes is opened by `changing`, or stands below
with its reason. And `changing` itself refuses, on every path and at run time, to commit a change of which nothing was
said. Both are shown mistakes, so that the rule is known to see them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ioc.model.audit import Act
from ioc.operations.trail import Unsaid, changing
from ioc.settings import PROJECT
from ioc.store import audit as rows
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, numbers

OPERATIONS = PROJECT / "ioc" / "operations"
OPENING = {"writing", "changing_tables", "begin"}

# Writing transactions without an entry, and why nobody did anything that the audit is for.
WITHOUT_AN_ENTRY = {
    "trail.changing": "the one way in",
    "audit_refusals.Refusals.write": "writes nothing but entries",
    "access.mark_seen": "that a session is in use, once a minute; its beginning and its end are entered",
    "screens.mark_screen_seen": "that a screen is in use, once a minute",
    "access.forget_ended": "drops what has ended by itself and opens nothing any more",
    "dead_letters._Replay.send": "marks as sent what was entered when it began",
    "intake._write_down": "takes data in; who sent it stands in the data and in the counts of its source",
}


def openings(source: str, module: str) -> Iterator[str]:
    """The functions that open a writing transaction by themselves, with their classes."""

    def walk(node: ast.AST, path: tuple[str, ...]) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from walk(child, (*path, child.name))
                continue
            if isinstance(child, ast.Attribute) and child.attr in OPENING:
                yield ".".join(path)
            yield from walk(child, path)

    yield from walk(ast.parse(source), (module,))


def unentered(folder: Path) -> set[str]:
    found = {name for path in folder.glob("*.py") for name in openings(path.read_text(encoding="utf-8"), path.stem)}
    return found - WITHOUT_AN_ENTRY.keys()


def test_every_operation_that_writes_enters_it() -> None:
    assert unentered(OPERATIONS) == set()


def test_the_exceptions_are_those_that_there_are() -> None:
    found = {name for path in OPERATIONS.glob("*.py") for name in openings(path.read_text("utf-8"), path.stem)}
    assert set(WITHOUT_AN_ENTRY) <= found


def test_the_walk_sees_operations_that_enter_what_they_do() -> None:
    using = [path.stem for path in OPERATIONS.glob("*.py") if "with changing(" in path.read_text("utf-8")]
    assert {"access", "audit", "dead_letters", "keys", "people_changes", "sessions"} <= set(using)


PLANTED = {
    "plain": "def act(principal, store):\n    with store.writing() as connection:\n        rows.change(connection)\n",
    "through a province": "def act(principal, province):\n    with province.store.writing() as c:\n        pass\n",
    "kept first": "def act(principal, store):\n    opening = store.writing\n    with opening() as c:\n        pass\n",
    "in a method": "class Acting:\n    def act(self):\n        with self._store.writing() as c:\n            pass\n",
    "past the store": "def act(principal, store):\n    with store.engine.begin() as connection:\n        pass\n",
    "tables": "def act(principal, store):\n    with store.changing_tables() as connection:\n        pass\n",
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED)
def test_a_planted_operation_without_entry_is_found(tmp_path: Path, source: str) -> None:
    (tmp_path / "planted.py").write_text(source)
    assert {name.partition(".")[0] for name in unentered(tmp_path)} == {"planted"}


def _change(store: Store, *, nothing: bool = False, act: Act | None = None) -> None:
    with changing(store, NOW) as (connection, trail):
        connection.exec_driver_sql("INSERT INTO writers VALUES ('w', 41)")
        if nothing:
            trail.nothing_changed()
        if act is not None:
            trail.say(SHELL, act)


def test_a_change_of_which_nothing_was_said_is_undone(store: Store) -> None:
    with pytest.raises(Unsaid):
        _change(store)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM writers").scalar_one() == 0


def test_a_change_and_its_entry_are_one_transaction(store: Store) -> None:
    _change(store, act=Act.KEY_REVOKED)
    with pytest.raises(Exception, match=r"(?i)unique"):
        _change(store, act=Act.KEY_ADDED)
    with store.reading() as connection:
        (entry,) = rows.entries_in_order(connection)
    assert (entry.act, entry.who, entry.n) == ("key-revoked", "system:shell", 1)
    assert entry.address.startswith("uid:")


def test_who_found_nothing_to_change_says_so(store: Store) -> None:
    _change(store, nothing=True)
    assert numbers(store) == []
