"""Dead letters: who may see them, what is sent again and what is not, and that it counts once."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Record
from ioc.errors import BadRequest, NoRoom, NotFound, Refused
from ioc.feeds import FEEDS
from ioc.model.access import Permission, Principal, system_principal
from ioc.model.known_places import KnownIds
from ioc.model.origins import Origin
from ioc.operations import keys
from ioc.operations.dead_letters import AT_ONCE, Choices, Outcome, list_letters, replay, show_letter, waiting_letters
from ioc.operations.intake import accept
from ioc.operations.places import milliseconds
from ioc.settings import PROJECT
from ioc.store import schema, streams
from ioc.store.dead_letter_reading import LetterRow, Wanted
from ioc.store.dead_letters import forget_dead_letters
from tests.operations.rows import NOW, Rows, reader, sender
from tests.operations.test_intake import log, traffic
from tests.streams.small_centre import PARTITIONS, SETTINGS

SHELL = system_principal("shell")
ALL = Wanted()
AT = milliseconds(NOW)
LATER = NOW + timedelta(minutes=1)
NEW = "a7"
"""An asset that is not known yet: the fix is to add it."""


def write(rows: Rows, *values: bytes, at: datetime = NOW, key: bytes = b"k", **headers: str) -> None:
    """As another producer does it, past the intake."""
    rows.small.broker.append("ioc.traffic", [Record(key, value, headers) for value in values], milliseconds(at))


def ingest(rows: Rows, at: datetime = NOW) -> None:
    """A program that has just started, until the log is done."""
    rows.small.__dict__.pop("places", None)
    program = rows.small.ingest()
    while program.step(milliseconds(at)):
        pass


def add_asset(rows: Rows, asset: str = NEW) -> None:
    with rows.small.store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO assets (id, province, kind, title_vi, title_en, lat, lon)"
            f" VALUES ('{asset}', 'small', 'road_segment', '', '', 11, 106)"
        )
        connection.exec_driver_sql(
            f"INSERT INTO asset_units (asset, unit, valid_from, valid_to) VALUES ('{asset}', 'u-same', NULL, NULL)"
        )
        connection.exec_driver_sql(f"INSERT INTO places (kind, key) VALUES ('asset', '{asset}')")
        connection.exec_driver_sql(f"UPDATE provinces SET digest = 'with {asset}'")
    rows.small.__dict__.pop("registry", None)


def letters(rows: Rows, wanted: Wanted = ALL) -> list[LetterRow]:
    """The oldest first."""
    return list(reversed(list_letters(SHELL, rows.small.store, wanted, limit=1_000).letters))


def send(rows: Rows, *ids: int, now: datetime = LATER, **choices: bool) -> tuple[Outcome, ...]:
    return replay(SHELL, rows.intake, ids or [one.id for one in letters(rows)], now=now, choices=Choices(**choices))


def change(rows: Rows, **settings: object) -> None:
    rows.settings = rows.settings.model_copy(update=settings)
    for made in ("intake", "province"):
        rows.__dict__.pop(made, None)


def counted(rows: Rows, asset: str = NEW) -> int:
    """Vehicles at an asset, over all time and origins."""
    table = schema.windows[0]
    with rows.small.store.reading() as connection:
        return sum(
            connection.scalars(
                select(table.c.sum).where(
                    table.c.series == rows.series("traffic.intensity"), table.c.place == rows.place(asset)
                )
            )
        )


def set_key(rows: Rows, name: str, *, units: frozenset[str] = frozenset()) -> Principal:
    """The source system of a key that stands in the store."""
    key = keys.NewKey(name, Origin.LIVE, frozenset({Permission.SEND}), frozenset({"traffic"}), units)
    token = keys.add_key(SHELL, rows.small.store, rows.settings, key, now=NOW, replace_existing=True)
    found = keys.principal_of_key(rows.small.store, token, rows.settings)
    assert found is not None
    return found


# --- seeing them -----------------------------------------------------------------------------------------------


def test_the_list_has_the_newest_first_and_what_is_not_kept_by_hour(rows: Rows) -> None:
    write(rows, *[b"{"] * 5, source="s1")
    write(rows, traffic(NEW), at=NOW + timedelta(seconds=1), source="s2")
    ingest(rows)
    found = list_letters(SHELL, rows.small.store, ALL, limit=10)
    assert [(one.source, one.kind) for one in found.letters] == [("s2", "unknown_asset"), *[("s1", "unreadable")] * 3]
    assert [one.at for one in found.letters] == [AT + 1_000, AT, AT, AT]
    (hour,) = found.crowded
    assert (hour.source, hour.kind, hour.count, hour.kept, hour.first_offset, hour.last_offset) == (
        "s1", "unreadable", 5, 3, 0, 4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(feed="traffic"), 4),
        (Wanted(feed="dossiers"), 0),
        (Wanted(source="s2"), 1),
        (Wanted(kind="unreadable"), 3),
        (Wanted(since=AT + 1), 1),
        (Wanted("traffic", "s1", "unreadable", AT + 1), 0),
    ],
    ids=str,
)
def test_the_list_takes_filters(rows: Rows, wanted: Wanted, count: int) -> None:
    write(rows, *[b"{"] * 5, source="s1")
    write(rows, traffic(NEW), at=NOW + timedelta(seconds=1), source="s2")
    ingest(rows)
    assert len(letters(rows, wanted)) == count
    assert len(waiting_letters(SHELL, rows.small.store, wanted)) == count


def test_a_letter_is_shown_with_its_bytes_and_its_place_in_the_log(rows: Rows) -> None:
    write(rows, traffic(NEW), key=b"the key", source="s1", origin=str(int(Origin.REPLAY)))
    ingest(rows)
    (row,) = letters(rows)
    found = show_letter(SHELL, rows.small.store, row.id, now=LATER)
    assert (found.body, found.key, found.row) == (traffic(NEW), b"the key", row)
    assert (row.topic, row.offset, row.origin, row.size, row.is_whole) == (
        "ioc.traffic", 0, Origin.REPLAY, len(traffic(NEW)), True,
    )  # fmt: skip
    with pytest.raises(NotFound, match="list"):
        show_letter(SHELL, rows.small.store, row.id + 1, now=LATER)


ADMINISTRATOR = replace(reader("c-all"), permissions=frozenset(Permission) - {Permission.DEAD_LETTERS})


@pytest.mark.parametrize("who", [reader("c-all"), sender("traffic"), ADMINISTRATOR], ids=["reader", "key", "other"])
def test_bytes_and_sending_again_need_their_own_permission(rows: Rows, who: Principal) -> None:
    write(rows, traffic(NEW))
    ingest(rows)
    (row,) = letters(rows)
    for act in (
        lambda: show_letter(who, rows.small.store, row.id, now=LATER),
        lambda: waiting_letters(who, rows.small.store, ALL),
        lambda: replay(who, rows.intake, [row.id], now=LATER),
    ):
        with pytest.raises(Refused, match="may not handle dead letters"):
            act()
    assert len(log(rows)) == 1


def test_who_may_not_read_sees_no_list(rows: Rows) -> None:
    with pytest.raises(Refused):
        list_letters(sender("traffic"), rows.small.store, ALL, limit=1)


@pytest.fixture
def audit() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as written:
        yield written


def test_each_look_and_each_replay_is_written_down_without_content(
    rows: Rows, audit: list[MutableMapping[str, Any]]
) -> None:
    write(rows, traffic(NEW, secret="N. V. A."))
    ingest(rows)
    add_asset(rows)
    (row,) = letters(rows)
    audit.clear()
    show_letter(SHELL, rows.small.store, row.id, now=LATER)
    send(rows, row.id)
    assert [(one["event"], one.get("letter", one.get("letters")), one["by"]) for one in audit] == [
        ("a dead letter is looked at", row.id, "system:shell"),
        ("dead letters are sent again", [row.id], "system:shell"),
    ]
    assert "N. V. A." not in str(audit)


# --- sending them again ----------------------------------------------------------------------------------------


def test_after_the_fix_a_letter_counts_once_however_often_it_is_sent(rows: Rows) -> None:
    write(rows, traffic(NEW), key=NEW.encode(), source="s1", origin=str(int(Origin.REPLAY)), batch="b", index="7")
    ingest(rows)
    add_asset(rows)
    (row,) = letters(rows)
    assert send(rows) == (Outcome(row.id, True, "from the log"),)
    sent = max(log(rows), key=lambda record: record.time)
    assert (sent.key, sent.value, sent.time) == (NEW.encode(), traffic(NEW), milliseconds(LATER))
    assert sent.headers == {
        SOURCE: "s1", ORIGIN: str(int(Origin.REPLAY)), BATCH: f"dead-letter:{row.id}:{AT}", INDEX: "0",
    }  # fmt: skip
    ingest(rows, LATER)
    assert counted(rows) == 10
    (again,) = send(rows)
    assert (again.is_sent, again.words) == (False, "was sent again 2026-11-21 08:01:30 UTC")
    assert waiting_letters(SHELL, rows.small.store, ALL) == []
    ingest(rows, LATER)
    assert counted(rows) == 10


def test_without_a_fix_nothing_is_sent_and_nothing_new_is_bad(rows: Rows) -> None:
    write(rows, traffic(NEW), b"{")
    ingest(rows)
    first, second = send(rows)
    assert not first.is_sent
    assert first.words.startswith("would be refused again (unknown_asset): no asset")
    assert second.words.startswith("would be refused again (unreadable)")
    assert len(log(rows)) == 2
    assert len(waiting_letters(SHELL, rows.small.store, ALL)) == 2


def test_a_dry_run_says_what_would_be_sent_and_does_nothing(rows: Rows) -> None:
    write(rows, traffic(NEW), b"{")
    ingest(rows)
    add_asset(rows)
    assert [one.is_sent for one in send(rows, dry_run=True)] == [True, False]
    assert len(log(rows)) == 2
    assert all(one.replay_begun_at is None for one in letters(rows))


def test_ingest_judges_again_and_keeps_what_is_bad_after_all(rows: Rows) -> None:
    write(rows, traffic(NEW), source="s1")
    ingest(rows)
    add_asset(rows)
    old = rows.small.ingest()  # which has not heard of the asset yet
    old._numbered = replace(old._numbered, ids=KnownIds({}, frozenset()))
    send(rows)
    old.step(milliseconds(LATER))
    first, second = letters(rows)
    assert (second.kind, second.source, second.at) == ("unknown_asset", "s1", milliseconds(LATER))
    assert send(rows, first.id, second.id, now=LATER + timedelta(minutes=1))[1].is_sent
    ingest(rows, LATER)
    assert counted(rows) == 10


def killed_and_repeated(rows: Rows, step: str) -> list[Outcome]:
    """Two letters are sent by a process that dies before a step, and then once more; each step of it is ingested."""
    write(rows, traffic(NEW), traffic(NEW, intensity=20))
    ingest(rows)
    add_asset(rows)
    ids = [str(one.id) for one in letters(rows)]
    rows.small.broker.close()
    runner = [sys.executable, "-m", "tests.operations.replay_runner", str(rows.small.folder), step, *ids]
    died = subprocess.run(runner, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(log(rows)) == {"append": 2, "mark": 4}[step]
    ingest(rows, LATER)
    repeated = send(rows, now=LATER + timedelta(minutes=1))
    ingest(rows, LATER)
    return list(repeated)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["append", "mark"])
def test_killed_between_append_and_mark_it_still_counts_once(rows: Rows, step: str) -> None:
    assert [one.is_sent for one in killed_and_repeated(rows, step)] == [True, True]
    assert counted(rows) == 30
    assert not any(one.is_sent for one in send(rows, now=LATER + timedelta(minutes=2)))


@pytest.mark.slow
def test_a_batch_that_is_not_remembered_would_be_seen(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of the proof: with this bug planted, both copies count."""
    monkeypatch.setattr(streams, "remember_indexes", lambda *_: None)
    killed_and_repeated(rows, "mark")
    assert counted(rows) == 60


def test_what_was_broken_off_too_long_ago_is_sent_again_only_if_somebody_has_looked(rows: Rows) -> None:
    """Ingest knows a batch again for a time only; half of it is left for ingest to lie behind."""
    write(rows, traffic(NEW))
    ingest(rows)
    add_asset(rows)
    half = timedelta(seconds=rows.settings.idempotency_horizon / 2)
    with rows.small.store.writing() as connection:
        connection.execute(update(schema.dead_letters).values(replay_begun_at=milliseconds(LATER)))
    assert send(rows, now=LATER + half, dry_run=True)[0].is_sent
    (late,) = send(rows, now=LATER + half + timedelta(seconds=1))
    assert not late.is_sent
    assert "2026-11-21 08:01:30 UTC" in late.words
    assert "--again" in late.words
    assert send(rows, now=LATER + half + timedelta(seconds=1), again=True)[0].is_sent


def test_an_id_that_a_new_letter_has_got_is_another_batch(rows: Rows) -> None:
    """A database may count from the beginning once all letters are forgotten."""
    write(rows, traffic(NEW), key=b"k")
    ingest(rows)
    add_asset(rows)
    (old,) = letters(rows)
    send(rows)
    ingest(rows, LATER)
    with rows.small.store.writing() as connection:
        forget_dead_letters(connection, AT + 1)
    write(rows, traffic("a8"), at=LATER, key=b"k")
    ingest(rows, LATER)
    with rows.small.store.writing() as connection:
        connection.execute(update(schema.dead_letters).values(id=old.id))
    add_asset(rows, "a8")
    assert send(rows)[0].is_sent
    ingest(rows, LATER)
    assert (counted(rows), counted(rows, "a8")) == (10, 10)


def large(asset: str = NEW) -> bytes:
    return traffic(asset, note="x" * 10_000)


def test_a_cut_one_is_read_from_the_log_in_full(rows: Rows) -> None:
    write(rows, large())
    ingest(rows)
    add_asset(rows)
    (row,) = letters(rows)
    assert (row.kept, row.size) == (1_000, len(large()))
    assert send(rows)[0].words == "from the log"
    ingest(rows, LATER)
    assert counted(rows) == 10


def test_without_the_log_a_whole_one_is_sent_from_what_is_kept_and_a_cut_one_refused(rows: Rows) -> None:
    write(rows, traffic(NEW), large(), key=NEW.encode(), source="s1", origin=str(int(Origin.REPLAY)))
    ingest(rows)
    rows.small.broker.forget_before(AT + 1)
    add_asset(rows)
    whole, cut = send(rows)
    assert whole == Outcome(whole.id, True, "from what is kept")
    assert (cut.is_sent, cut.words) == (
        False, "the log no longer has it, and only its first 1000 bytes are kept: have it sent anew",
    )  # fmt: skip
    (sent,) = log(rows)
    assert (sent.key, sent.headers[SOURCE], sent.headers[ORIGIN]) == (NEW.encode(), "s1", str(int(Origin.REPLAY)))
    ingest(rows, LATER)
    assert counted(rows) == 10


def array(*messages: bytes) -> bytes:
    return b"[" + b", ".join(messages) + b"]"


def test_of_an_array_only_what_was_refused_is_sent_again(rows: Rows) -> None:
    write(rows, array(traffic("a1"), large(), traffic(NEW, intensity=20)))
    ingest(rows)
    add_asset(rows)
    assert [one.words for one in send(rows)] == ["from the log"] * 2
    ingest(rows, LATER)
    assert (counted(rows), counted(rows, "a1")) == (30, 10)


def test_cut_ones_of_an_array_that_begin_alike_are_not_taken_for_each_other(rows: Rows) -> None:
    write(rows, array(large(), large().replace(b'xxx"', b'xxy"')))
    ingest(rows)
    add_asset(rows)
    for one in send(rows):
        assert not one.is_sent
        assert "begin like" in one.words


def test_cut_ones_of_an_array_that_are_the_same_count_each(rows: Rows) -> None:
    write(rows, array(large(), large()))
    ingest(rows)
    add_asset(rows)
    assert [one.words for one in send(rows)] == ["from the log"] * 2
    ingest(rows, LATER)
    assert counted(rows) == 20


def test_an_array_that_was_too_large_is_taken_apart_after_the_fix(rows: Rows) -> None:
    write(rows, array(traffic("a1"), traffic("a1"), b"{}", large("a1")))
    limits = replace(SETTINGS.limits, message_bytes=1_024)
    rows.small.ingest(replace(SETTINGS, limits=limits)).step(AT)
    assert [one.kind for one in letters(rows)] == ["too_large"]
    assert send(rows)[0].is_sent
    ingest(rows, LATER)
    assert counted(rows, "a1") == 30
    assert [one.kind for one in letters(rows)] == ["too_large", "unreadable"]


def test_an_array_without_a_usable_message_stays(rows: Rows) -> None:
    write(rows, array(traffic(NEW), array(traffic("a1"))))
    ingest(rows)
    assert [one.kind for one in letters(rows)] == ["unknown_asset", "unreadable"]
    assert [one.is_sent for one in send(rows)] == [False, False]


def test_a_log_that_was_made_anew_is_not_taken_for_the_old_one(rows: Rows) -> None:
    write(rows, large())
    ingest(rows)
    add_asset(rows)
    rows.small.broker.close()
    for file in rows.small.folder.glob("log.db*"):
        file.unlink()
    fresh = rows.small.broker = rows.intake.broker = EmbeddedBroker(rows.small.folder / "log.db")
    assert not send(rows)[0].is_sent, "a topic that is not there"
    for feed in FEEDS.values():
        fresh.ensure_topic(feed.topic, PARTITIONS)
    write(rows, large().replace(b"xxx", b"yyy"))
    assert "only its first 1000 bytes" in send(rows)[0].words


def test_a_message_of_unknown_origin_is_never_made_live(rows: Rows) -> None:
    write(rows, traffic("a1"), origin="9")
    ingest(rows)
    assert "header origin" in send(rows)[0].words
    rows.small.broker.forget_before(AT + 1)
    assert "its key or origin is not kept" in send(rows)[0].words
    assert log(rows) == []


def test_waiting_does_not_make_a_wrong_clock_right(rows: Rows) -> None:
    ahead = traffic("a1", dateObserved="2026-11-21T08:20:00Z")
    write(rows, ahead)
    ingest(rows)
    hours_later = NOW + timedelta(hours=3)
    (left,) = send(rows, now=hours_later)
    assert not left.is_sent
    assert "(future)" in left.words
    assert send(rows, now=hours_later, clock_was_behind=True)[0].is_sent, "it was this centre's clock"
    ingest(rows, hours_later)
    assert counted(rows, "a1") == 10


def test_a_larger_tolerance_lets_through_what_was_dated_ahead(rows: Rows) -> None:
    write(rows, traffic("a1", dateObserved="2026-11-21T08:20:00Z"))
    ingest(rows)
    change(rows, future_tolerance=3_600)
    assert send(rows)[0].is_sent


def test_too_old_stays_too_old(rows: Rows) -> None:
    write(rows, traffic("a1", dateObserved="1999-12-31T00:00:00Z"))
    ingest(rows)
    assert "(too_old)" in send(rows, clock_was_behind=True)[0].words


def test_simulated_letters_are_not_sent_where_the_settings_forbid_them(rows: Rows) -> None:
    write(rows, traffic(NEW), origin=str(int(Origin.SIMULATED)))
    ingest(rows)
    add_asset(rows)
    change(rows, allow_simulated=False)
    assert "simulated" in send(rows)[0].words


def test_what_is_not_there_is_named_and_too_many_are_refused(rows: Rows) -> None:
    assert send(rows, 4711) == (Outcome(4711, False, "there is no such letter (any more)"),)
    with pytest.raises(BadRequest):
        send(rows, *range(AT_ONCE + 1))


# --- what the intake refused -----------------------------------------------------------------------------------


def test_what_the_intake_refused_goes_through_the_topic_under_the_intakes_key(rows: Rows) -> None:
    who = set_key(rows, "loops")
    accept(who, rows.intake, "traffic", [traffic(NEW), traffic("a1")], now=NOW)
    (row,) = letters(rows)
    assert (row.topic, row.size) == (None, len(traffic(NEW)))
    add_asset(rows)
    assert send(rows)[0].words == "from what is kept"
    (sent,) = [record for record in log(rows) if record.key == NEW.encode()]
    assert sent.value == traffic(NEW)
    assert sent.headers == {SOURCE: "loops", ORIGIN: "0", BATCH: f"dead-letter:{row.id}:{AT}", INDEX: "0"}
    ingest(rows, LATER)
    assert (counted(rows), counted(rows, "a1")) == (10, 10)


def test_what_the_intake_refused_must_be_what_its_sender_may_send_today(rows: Rows) -> None:
    bounded = set_key(rows, "loops", units=frozenset({"u-m2"}))
    accept(bounded, rows.intake, "traffic", [traffic("a1")], now=NOW)
    assert "in no unit of this key" in send(rows)[0].words
    set_key(rows, "loops")
    assert send(rows, dry_run=True)[0].is_sent, "the key's units were what was wrong"
    keys.revoke_key(SHELL, rows.small.store, name="loops", now=NOW)
    assert "revoked" in send(rows)[0].words
    assert log(rows) == []


def test_what_was_published_from_the_shell_can_be_sent_again(rows: Rows) -> None:
    accept(system_principal("publish"), rows.intake, "traffic", [traffic(NEW)], now=NOW, origin=Origin.MANUAL)
    add_asset(rows)
    assert send(rows)[0].is_sent
    (sent,) = log(rows)
    assert (sent.headers[SOURCE], sent.headers[ORIGIN]) == ("system:publish", str(int(Origin.MANUAL)))


def test_a_cut_one_that_the_intake_refused_is_refused_by_name(rows: Rows) -> None:
    who = set_key(rows, "loops")
    long = traffic(NEW, note="x" * rows.settings.dead_letter_bytes)
    accept(who, rows.intake, "traffic", [long], now=NOW)
    add_asset(rows)
    assert send(rows)[0].words == "only its first 4096 bytes are kept: have it sent anew"


def test_fields_that_were_declared_personal_since_do_not_go_out(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    who = set_key(rows, "loops")
    accept(who, rows.intake, "traffic", [traffic(NEW, driver="N. V. A.")], now=NOW)
    add_asset(rows)
    monkeypatch.setitem(FEEDS, "traffic", replace(FEEDS["traffic"], personal_fields=frozenset({"driver"})))
    assert send(rows)[0].is_sent
    (sent,) = log(rows)
    assert "driver" not in json.loads(sent.value)


def test_nothing_is_sent_while_the_disk_is_low(rows: Rows) -> None:
    write(rows, traffic(NEW))
    ingest(rows)
    add_asset(rows)
    change(rows, disk_reserve=10**9)  # MB: more than any disk has
    with pytest.raises(NoRoom):
        send(rows)
    assert send(rows, dry_run=True)[0].is_sent
    assert len(log(rows)) == 1
