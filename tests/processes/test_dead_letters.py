"""`dead-letters` at the terminal: no content in lists, nothing that a terminal acts upon, every documented command."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from ioc.broker.open import open_broker
from ioc.broker.port import Partition
from ioc.errors import BadRequest, NotFound, StoreVersionError
from ioc.operations.dead_letters import PLAIN, Choices
from ioc.processes import dead_letters as program
from ioc.processes.clock import milliseconds_now
from ioc.processes.dead_letters import Filter
from ioc.processes.jobs import jobs_of
from ioc.processes.terminal import harmless, harmless_lines
from ioc.settings import PROJECT, Settings
from ioc.store import schema
from ioc.store.engine import Store
from tests.feeds.messages import NOW
from tests.streams.small_centre import STORE_URL, SmallCentre

ALL = Filter()
HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202ered\u2028\x00\x7f\ud800\U000e0041"
WRITTEN_OUT = r"\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202ered\u2028\x00\x7f\ud800\U000e0041"


@pytest.fixture
def settings(centre: SmallCentre, tmp_path: Path) -> Settings:
    url = (centre.folder / STORE_URL).read_text()
    return Settings.load({"IOC_DATA": str(centre.folder), "IOC_STORE": url}, folder=tmp_path)


def keep(centre: SmallCentre, **values: Any) -> int:
    """A letter as it might stand in the store, also one from before this version."""
    row = {
        "feed": "traffic",
        "source": "s",
        "origin": 0,
        "at": NOW,
        "kind": "unreadable",
        "reason": "why",
        "body": b"{",
    }
    with centre.store.writing() as connection:
        statement = insert(schema.dead_letters).values(row | values).returning(schema.dead_letters.c.id)
        return int(connection.execute(statement).scalar_one())


def listed(settings: Settings, chosen: Filter = ALL, limit: int = 50) -> list[str]:
    out = io.StringIO()
    assert program.list_letters(settings, chosen, limit, out) == 0
    return out.getvalue().splitlines()


def shown(settings: Settings, letter: int) -> str:
    out = io.StringIO()
    assert program.show_letter(settings, letter, out) == 0
    return out.getvalue()


def assert_harmless(text: str) -> None:
    assert [char for char in text if unicodedata.category(char)[0] == "C" and char != "\n"] == []
    assert len(text.splitlines()) == len(text.removesuffix("\n").split("\n"))


def test_what_a_terminal_would_act_upon_is_written_out() -> None:
    assert harmless(HOSTILE) == WRITTEN_OUT
    assert harmless("Tốc độ 40 km/h, “đường” 日本 🚦") == "Tốc độ 40 km/h, “đường” 日本 🚦"


@pytest.mark.slow
def test_every_character_there_is_comes_out_harmless() -> None:
    assert_harmless(harmless("".join(map(chr, range(sys.maxunicode + 1)))))


def test_lines_of_a_message_cannot_pass_for_ours() -> None:
    assert harmless_lines(b'{"a":\n  1}\r\nDead letter 2\xff') == ['  | {"a":', r"  |   1}\r", r"  | Dead letter 2\xff"]


def test_the_list_is_a_table_of_the_newest_without_content(centre: SmallCentre, settings: Settings) -> None:
    old = keep(centre, size=1, source="loops")
    new = keep(
        centre, at=NOW + 61_000, kind="unknown_asset", topic="ioc.traffic", partition=1, offset=7, origin=2,
        body=b"SECRET", size=4_321, key=b"SECRET", replayed_at=NOW + 3_600_000, reason="x" * 300,
    )  # fmt: skip
    lines = listed(settings)
    assert [line.split()[0] for line in lines] == ["id", str(new), str(old)]
    assert re.split(r"  +", lines[1])[1:-1] == [
        "2026-11-20 03:01:01", "traffic", "s", "simulated", "unknown_asset", "4,321", "ioc.traffic[1] 7",
        "2026-11-20 04:00:00",
    ]  # fmt: skip
    assert lines[1].endswith("x…")
    assert re.split(r"  +", lines[2])[3:] == ["loops", "live", "unreadable", "1", "no: intake", "no", "why"]
    assert "SECRET" not in "".join(lines)
    assert len(listed(settings, limit=1)) == 2
    assert listed(settings, Filter(source="nobody")) == ["There are no such dead letters."]


def test_hours_of_which_not_all_are_kept_are_listed(centre: SmallCentre, settings: Settings) -> None:
    hour = {"feed": "traffic", "source": "s", "kind": "future", "hour": NOW, "count": 4_500, "kept": 100}
    with centre.store.writing() as connection:
        connection.execute(
            insert(schema.dead_letter_counts),
            [
                hour | {"first_offset": 3, "last_offset": 9_000},
                hour | {"source": "t", "count": 100, "first_offset": None, "last_offset": None},
            ],
        )
    *_, title, _, line = listed(settings)
    assert title == "Hours of which more came than are kept:"
    assert re.split(r"  +", line) == ["2026-11-20 03:00:00", "traffic", "s", "future", "4,500", "100", "3 to 9000"]


def test_all_about_one_and_its_bytes(centre: SmallCentre, settings: Settings) -> None:
    letter = keep(centre, topic="ioc.traffic", partition=1, offset=7, body=b'{"a":\n1', size=99, key=b"a1")
    assert shown(settings, letter).splitlines() == [
        f"Dead letter {letter}",
        "  feed        traffic",
        "  source      s",
        "  origin      live",
        "  kind        unreadable",
        "  reason      why",
        "  arrived     2026-11-20 03:00:00 UTC",
        "  in the log  ioc.traffic[1] 7",
        "  key         a1",
        "  sent again  no",
        "  message     cut: the first 7 bytes are kept, of 99",
        '  | {"a":',
        "  | 1",
    ]
    with pytest.raises(NotFound):
        shown(settings, letter + 1)


def test_nothing_hostile_reaches_the_terminal(centre: SmallCentre, settings: Settings) -> None:
    hostile = HOSTILE.replace("\x00", "").replace("\ud800", "")  # what PostgreSQL does not keep
    letter = keep(
        centre, source=hostile, reason=f"{hostile}\nDead letter 9", topic=hostile, partition=0, offset=0,
        key=HOSTILE.encode(errors="surrogatepass"), body=HOSTILE.encode(errors="surrogatepass") * 9,
    )  # fmt: skip
    lines = listed(settings)
    assert len(lines) == 2
    for text in (*lines, shown(settings, letter)):
        assert_harmless(text)
        assert r"\x1b[2J" in text or text == lines[0]
    assert r"why" not in lines[1]


@pytest.mark.parametrize(
    ("since", "count"), [("2026-11-20T03:00Z", 2), ("2026-11-20T10:00:01+07:00", 1), ("2026-11-20 03:01", 0)]
)
def test_since_is_a_time(centre: SmallCentre, settings: Settings, since: str, count: int) -> None:
    keep(centre)
    keep(centre, at=NOW + 1_000)
    assert len(listed(settings, Filter(since=since))) == 1 + count


def test_since_may_be_a_span(centre: SmallCentre, settings: Settings) -> None:
    at = int(datetime.now(UTC).timestamp() * 1000)
    for hours in (1, 5, 100):
        keep(centre, at=at - hours * 3_600_000)
    assert [len(listed(settings, Filter(since=one))) - 1 for one in ("90m", "24h", "7d")] == [1, 2, 3]
    for wrong in ("yesterday", "7w", "99999d", "-1h"):
        with pytest.raises(BadRequest, match="--since"):
            listed(settings, Filter(since=wrong))


def test_a_replay_needs_ids_or_all_but_not_both(settings: Settings) -> None:
    for letters, chosen in (([], None), ([1], ALL)):
        with pytest.raises(BadRequest, match="--all"):
            program.replay(settings, letters, chosen, PLAIN)


def test_a_replay_says_what_came_of_each(centre: SmallCentre, settings: Settings) -> None:
    good = {"id": "x", "type": "TrafficFlowObserved", "refRoadSegment": "a1", "dateObserved": "2026-11-20T02:00:00Z"}
    usable = keep(centre, source="system:publish", body=json.dumps(good).encode(), size=len(json.dumps(good)))
    bad = keep(centre, source="system:publish", size=1)

    def said(letters: list[int], chosen: Filter | None, choices: Choices = PLAIN) -> tuple[int, list[str]]:
        out = io.StringIO()
        return program.replay(settings, letters, chosen, choices, out), out.getvalue().splitlines()

    left = f"{bad}: left: would be refused again (unreadable): Input data was truncated"
    assert said([], ALL, Choices(dry_run=True)) == (
        1,
        [
            f"{usable}: would be sent: from what is kept",
            left.replace(": left", ": would be left"),
            "Would be sent: 1, would be left: 1.",
        ],
    )
    assert said([], Filter(source="nobody")) == (0, ["Sent: 0, left: 0."])
    assert said([usable], None) == (0, [f"{usable}: sent: from what is kept", "Sent: 1, left: 0."])
    assert said([], ALL) == (1, [left, "Sent: 0, left: 1."])
    with centre.store.reading() as connection:
        sent = connection.scalars(select(schema.dead_letters.c.id).where(schema.dead_letters.c.replayed_at > 0))
        assert list(sent) == [usable]


def test_a_store_of_another_version_is_said(centre: SmallCentre, settings: Settings) -> None:
    with centre.store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    for act in (
        lambda: listed(settings),
        lambda: shown(settings, 1),
        lambda: program.replay(settings, [1], None, PLAIN),
    ):
        with pytest.raises(StoreVersionError, match="setup"):
            act()


DOCUMENTED = re.findall(
    r"^    python -m ioc (dead-letters .+)$", (PROJECT / "docs" / "dead-letters.md").read_text(encoding="utf-8"), re.M
)


@pytest.mark.slow
def test_every_documented_command_does_what_is_said(tmp_path: Path) -> None:
    """In a centre of its own: a message of an unknown asset, the commands of the document, in their order."""
    outside = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")}

    def ioc(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ioc", *arguments],
            cwd=PROJECT, env={**outside, "IOC_DATA": str(tmp_path / "data")}, input=typed,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert ioc("setup").returncode == 0
    message = {
        "id": "x",
        "type": "TrafficFlowObserved",
        "dateObserved": f"{datetime.now(UTC):%FT%TZ}",
        "note": "N. V. A.",
    }
    for number in (1, 2):
        assert ioc("publish", "traffic", "-", typed=json.dumps(message | {"id": f"nowhere-{number}"})).returncode == 1
    seen = {command: ioc(*shlex.split(command)) for command in DOCUMENTED}
    assert len(seen) == 6
    for command, answer in seen.items():
        assert answer.returncode == ("replay" in command), command  # nothing was repaired
        assert ("N. V. A." in answer.stdout) == ("show" in command), command
        assert "N. V. A." not in answer.stderr
        assert ("a dead letter is looked at" in answer.stderr) == ("show" in command)
    assert "nowhere-1" not in seen["dead-letters list"].stdout
    assert "sent: 0, would be left: 2" in seen["dead-letters replay --all --kind unknown_asset --dry-run"].stdout
    settings = Settings.load({"IOC_DATA": str(tmp_path / "data")}, folder=tmp_path)
    store, broker = Store.open(settings.store), open_broker(settings)
    with store.reading() as connection:
        assert connection.scalars(select(schema.dead_letters.c.replayed_at)).all() == [None, None]
    (telling,) = [job for job in jobs_of(settings, store, broker, milliseconds_now) if job.id == "dead-letters"]
    telling.run()
    told = [record.value for record in broker.read(Partition("ioc.traffic.dlq", 0), 0, 9)]
    assert [json.loads(one)["fields"] for one in told] == [list(message)] * 2
    assert b"N. V. A." not in b"".join(told)
    broker.close()
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["replay"], ["replay", "1", "--all"], ["replay", "1", "--feed", "traffic"]])
def test_what_is_not_clear_is_refused_in_one_sentence(arguments: list[str], tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "ioc", "dead-letters", *arguments],
        cwd=PROJECT, env={**os.environ, "IOC_DATA": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1
    assert "--all" in answer.stderr
