"""`python -m ioc audit …` as an administrator types it; every command of docs/audit.md is run."""

import io
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol

import pytest

from ioc.errors import BadRequest
from ioc.jobs.audit import HEADS, append_head
from ioc.model.audit import Act, Said
from ioc.operations import audit as operations
from ioc.processes import audit as program
from ioc.processes.audit import Filter
from ioc.settings import PROJECT, Settings
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, add, fill, said, tamper
from tests.commands import run_ioc


class Typed(Protocol):
    def __call__(self, *arguments: str) -> CompletedProcess[str]: ...


@pytest.fixture
def typed(settings: Settings) -> Typed:
    def run(*arguments: str) -> CompletedProcess[str]:
        return run_ioc(*arguments, environ={"IOC_DATA": str(settings.data), "IOC_STORE": settings.store})

    return run


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    with io.StringIO() as stream:
        yield stream


def test_the_newest_entries_are_listed_with_who_and_on_what(settings: Settings, store: Store, out: io.StringIO) -> None:
    add(store, said(1, "ben-cat"), said(2, "ben-cat", act=Act.SIGN_OUT))
    add(store, Said("p-3", Act.KEY_ADDED, "key", "s1", frozenset({"ben-cat"}), "", "::1", {"feeds": ["traffic"]}))
    assert program.list_entries(settings, Filter(), 50, out) == 0
    lines = [re.split(r" {2,}", line) for line in out.getvalue().splitlines()]
    assert lines[1] == [
        "3",
        "2026-11-20 05:00:00",
        "p-3",
        "key-added",
        "key s1",
        "ben-cat",
        "::1",
        '{"feeds":["traffic"]}',
    ]
    assert [line[0] for line in lines] == ["n", "3", "2", "1"]


def test_a_filter_finds_what_it_names(settings: Settings, store: Store, out: io.StringIO) -> None:
    add(store, said(1), said(2, act=Act.SIGN_OUT), said(3))
    program.list_entries(settings, Filter(act="sign-in", on="p-3"), 50, out)
    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["n", "3"]
    with pytest.raises(BadRequest, match="no act 'sing-in'"):
        program.list_entries(settings, Filter(act="sing-in"), 50, out)


def test_what_came_from_outside_cannot_act_upon_the_terminal(
    settings: Settings, store: Store, out: io.StringIO
) -> None:
    add(store, Said("p-1", Act.REQUEST_REFUSED, "path", "\x1b[2J\u202e", address="\x07"))
    program.list_entries(settings, Filter(), 50, out)
    assert not set("\x1b\u202e\x07") & set(out.getvalue())


def test_a_trail_that_holds_says_so_and_against_what(settings: Settings, store: Store, out: io.StringIO) -> None:
    fill(store, 3)
    assert program.verify_trail(settings, [], out) == 0
    append_head(settings.data, operations.head(SHELL, store, now=NOW))
    assert program.verify_trail(settings, [], out) == 0
    assert out.getvalue().splitlines() == [
        "The trail holds: 3 entries (1 to 3), 0 exported heads fit.",
        "Nothing was exported yet: a tail that was cut off together with the head would not be seen.",
        "The trail holds: 3 entries (1 to 3), 1 exported heads fit.",
    ]


def test_a_copy_from_elsewhere_finds_what_the_file_here_was_made_to_hide(
    settings: Settings, store: Store, tmp_path: Path, out: io.StringIO
) -> None:
    fill(store, 5)
    append_head(settings.data, operations.head(SHELL, store, now=NOW))
    (settings.data / HEADS).rename(tmp_path / "copy.jsonl")
    tamper(
        store,
        "DELETE FROM audit_entries WHERE n > 3",
        "UPDATE audit_head SET n = 3, hash = (SELECT hash FROM audit_entries WHERE n = 3)",
    )
    assert program.verify_trail(settings, [], out) == 0
    assert program.verify_trail(settings, [tmp_path / "copy.jsonl"], out) == 1
    assert out.getvalue().splitlines()[-1] == (
        "The trail does not hold at entry 4: the trail ends at 3, but 5 was exported as its end"
        " 2026-11-20 05:00:00 UTC: the tail is gone."
    )
    with pytest.raises(BadRequest, match="no file"):
        program.verify_trail(settings, [tmp_path / "missing.jsonl"], out)


def test_a_hold_is_set_listed_and_released(settings: Settings, store: Store, out: io.StringIO) -> None:
    assert program.list_holds(settings, out) == 0
    program.hold(settings, "case-7", "a complaint", "2026-01-02T07:00+07:00", out)
    program.hold(settings, "all", "an inspection", None, out)
    program.list_holds(settings, out)
    program.release(settings, "all", out)
    said_ = out.getvalue()
    assert "There are no legal holds." in said_
    assert "The hold case-7 keeps what is from 2026-01-02 00:00:00 UTC on" in said_
    assert "The hold all keeps everything" in said_
    assert re.search(r"^case-7 +2026-01-02 00:00:00 .* a complaint$", said_, re.MULTILINE)


DOCUMENTED = re.findall(
    r"^    (?:\S+/)?python -m ioc (audit .+?)(?: *#.*)?$", (PROJECT / "docs" / "audit.md").read_text(), re.MULTILINE
)


@pytest.mark.slow
def test_every_documented_command_runs(
    typed: Typed, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {command.split()[1] for command in DOCUMENTED} == {"list", "verify", "hold", "release"}
    add(store, said(1), at=datetime.now(UTC) - timedelta(minutes=1))
    append_head(settings.data, operations.head(SHELL, store, now=NOW))
    for command in DOCUMENTED:
        arguments = [one.replace("/mnt/elsewhere", str(settings.data)) for one in shlex.split(command)]
        ran = typed(*arguments)
        assert (ran.returncode, ran.stderr) == (0, ""), (command, ran.stdout, ran.stderr)


@pytest.mark.slow
def test_a_broken_trail_ends_the_command_with_one(typed: Typed, store: Store) -> None:
    fill(store, 3)
    tamper(store, "UPDATE audit_entries SET who = 'p-x' WHERE n = 2")
    ran = typed("audit", "verify")
    assert ran.returncode == 1
    assert ran.stdout.startswith("The trail does not hold at entry 2:")
