"""The command line: what people and scripts see of it, over a real store in an empty folder."""

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import run_ioc

Ioc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def ioc(tmp_path_factory: pytest.TempPathFactory) -> Ioc:
    """Run a command of the centre to its end; the store is set up."""
    data = tmp_path_factory.mktemp("centre") / "data"

    def run(*arguments: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        return run_ioc(*arguments, environ={"IOC_DATA": str(data), **settings}, typed=typed)

    answer = run("setup")
    assert answer.returncode == 0, answer.stderr
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    return run


def test_setup_is_safe_to_repeat(ioc: Ioc) -> None:
    answer = ioc("setup")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "ioc.db is ready, with the province binh_duong" in answer.stdout


def test_setup_names_a_province_that_does_not_exist(ioc: Ioc) -> None:
    answer = ioc("setup", IOC_PROVINCE="atlantis")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "atlantis" in answer.stderr


def test_a_person_is_added_listed_given_a_link_and_disabled(ioc: Ioc) -> None:
    added = ioc("user", "add", "lan", "--name", "Lan", "--role", "operator", "--centre", "ben-cat")
    assert added.returncode == 0, added.stderr
    assert "lan  Lan  operator  ben-cat" in ioc("user", "list").stdout
    assert ioc("user", "link", "lan").stdout.startswith("http://127.0.0.1:8050/")
    assert ioc("user", "disable", "lan").returncode == 0
    assert "(disabled)" in ioc("user", "list").stdout


def test_a_password_comes_from_the_standard_input_and_is_shown_nowhere(ioc: Ioc) -> None:
    person = ("user", "add", "minh", "--name", "Minh", "--role", "leader", "--centre", "binh-duong", "--password")
    added = ioc(*person, typed="sáu con mèo đen ngủ\n")
    assert added.returncode == 0, added.stderr
    assert "mèo" not in added.stdout + added.stderr
    assert "minh  Minh  leader  binh-duong  (must change the password)\n" in ioc("user", "list").stdout
    assert ioc("user", "password", "minh", "--password-stays", typed="tám con mèo đen ngủ\n").returncode == 0
    assert "minh  Minh  leader  binh-duong\n" in ioc("user", "list").stdout
    weak = ioc("user", "password", "minh", typed="1234\n")
    assert weak.returncode == 2
    assert weak.stderr.count("\n") == 1


def test_a_key_is_printed_once_and_can_be_revoked(ioc: Ioc) -> None:
    made = ioc("key", "add", "loops", "--may", "send", "--feeds", "traffic")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    listed = ioc("key", "list").stdout
    assert "loops  live  send  traffic" in listed
    assert key not in listed
    assert ioc("key", "revoke", "loops").returncode == 0
    assert "(revoked)" in ioc("key", "list").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "add", "x1", "--may", "fly"),
        ("key", "add", "x2", "--may", "send", "--feeds", "rain"),
        ("key", "revoke", "nobody"),
        ("user", "link", "nobody"),
        ("user", "add", "x3", "--name", "X", "--role", "king", "--centre", "ben-cat"),
        ("user", "add", "x4", "--name", "X", "--role", "viewer", "--centre", "atlantis"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_2(ioc: Ioc, arguments: tuple[str, ...]) -> None:
    answer = ioc(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert not answer.stderr.startswith("{"), json.loads(answer.stderr)


def test_somebodys_sessions_are_listed_and_ended(ioc: Ioc) -> None:
    ioc("user", "add", "hoa", "--name", "Hoa", "--role", "viewer", "--centre", "ben-cat")
    assert (ioc("user", "sessions", "hoa").stdout, ioc("user", "sessions", "hoa").returncode) == ("", 0)
    ended = ioc("user", "end-sessions", "hoa")
    assert (ended.returncode, ended.stdout) == (0, "Sessions of hoa that have ended: 0.\n")
    assert ioc("user", "sessions", "nobody").returncode == 2
    unlinked = ioc("user", "unlink", "hoa")
    assert (unlinked.returncode, unlinked.stdout) == (0, "Accounts that are no longer hoa: 0.\n")


def test_a_screen_is_added_listed_renewed_and_revoked_and_its_link_is_in_a_private_file(ioc: Ioc) -> None:
    added = ioc("screen", "add", "sanh-lon", "--centre", "binh-duong")
    assert added.returncode == 0, added.stderr
    assert "http" not in added.stdout
    path = Path(added.stdout.rpartition(" is in ")[2].strip())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = path.read_text()
    assert link.startswith("http://127.0.0.1:8050/sign-in/screen/")
    assert ioc("screen", "list").stdout == "sanh-lon  wall:binh-duong  waiting\n"
    assert ioc("screen", "renew", "sanh-lon").returncode == 0
    assert path.read_text() != link
    assert ioc("screen", "revoke", "sanh-lon").returncode == 0
    assert ioc("screen", "list").stdout == "sanh-lon  wall:binh-duong  revoked\n"
    twice = ioc("screen", "add", "sanh-lon", "--centre", "binh-duong")
    assert (twice.returncode, twice.stderr.count("\n")) == (2, 1)
