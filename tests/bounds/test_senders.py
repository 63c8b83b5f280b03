"""What a sender may choose (ids of assets, names, batches, keys) is bounded: rows and memory stay as they are."""

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Record
from ioc.feeds import FEEDS
from ioc.jobs.forgetting import COUNTS_KEPT, LETTER_COUNTS_KEPT, KeepingRules, forget
from ioc.model.access import Permission, system_principal
from ioc.model.origins import Origin
from ioc.model.windows import DAY, HOUR, Keeping
from ioc.operations.keys import NewKey, add_key
from ioc.settings import Settings
from ioc.store import dead_letters, streams
from ioc.store import senders as rows
from ioc.streams import senders
from ioc.streams.senders import LONGEST_NAME, MOST_OTHER_BATCHES, MOST_OTHERS, Senders, is_name, known_as
from tests.feeds.messages import GOOD, NOW, TRAFFIC, body
from tests.operations.rows import NOW as MOMENT
from tests.streams.small_centre import CAP, SETTINGS, SmallCentre
from tests.streams.stored import count, stored

PROVES = bool(os.environ.get("IOC_PROVE"))
RANDOM_IDS = 1_000_000 if PROVES else 20_000
ALL = replace(SETTINGS, batch=5_000)
names = st.text(st.sampled_from("abc"), min_size=1, max_size=3)


# --- names -----------------------------------------------------------------------------------------------------


@given(st.lists(names, max_size=300), st.frozensets(names, max_size=30), st.frozensets(names, max_size=90))
def test_every_sender_has_a_name_and_the_others_are_few(
    stated: list[str], own: frozenset[str], others: frozenset[str]
) -> None:
    named = known_as(stated, own, others, "t")
    assert set(named) == set(stated)
    assert all(named[one] == one for one in set(stated) & (own | others))
    assert set(named.values()) <= set(stated) | {"others:t"}
    assert len((set(named.values()) - own | others) - {"others:t"} - own) <= max(MOST_OTHERS, len(others - own))


def test_those_who_come_first_keep_their_names() -> None:
    stated = [f"s{number}" for number in range(MOST_OTHERS + 5)]
    named = known_as([*stated, "key"], frozenset({"key"}), frozenset(), "t")
    assert [one for one, name in named.items() if name == "others:t"] == stated[MOST_OTHERS:]
    assert named["key"] == "key"


@pytest.mark.parametrize("text", ["", "a" * (LONGEST_NAME + 1), "a\x00b", "a\nb", "\ud800", "\x1b[31m"])
def test_what_cannot_be_kept_is_no_name(text: str) -> None:
    assert not is_name(text)
    assert not known_as([text], frozenset(), frozenset(), "t")


def make_key(centre: SmallCentre, name: str) -> None:
    key = NewKey(name, Origin.LIVE, frozenset({Permission.SEND}), feeds=frozenset(FEEDS))
    add_key(system_principal("test"), centre.store, Settings(), key, now=MOMENT)


def test_a_key_that_was_made_while_ingest_runs_has_its_own_name_however_many_others_there_are(
    centre: SmallCentre,
) -> None:
    ingest = centre.ingest(ALL)
    for first in (0, 500):
        crowd = [f"s{number}" for number in range(first, first + 500)]
        if first:
            make_key(centre, "late-key")
            crowd.append("late-key")
        centre.broker.append("ioc.traffic", [Record(b"k", GOOD["traffic"], {SOURCE: one}) for one in crowd], NOW)
        ingest.step(NOW)
    assert count(centre.store, "sources") == MOST_OTHERS + 2
    assert count(centre.store, "sources WHERE source IN ('late-key', 'others:ioc.traffic')") == 2
    with centre.store.reading() as connection:
        accepted = connection.exec_driver_sql("SELECT sum(accepted) FROM source_counts").scalar_one()
    assert accepted == 1_001, "nobody is refused for being one too many"


def test_those_who_share_a_name_share_no_batch(centre: SmallCentre) -> None:
    crowd = [f"s{number}" for number in range(2 * MOST_OTHERS)]
    records = [Record(b"k", GOOD["traffic"], {SOURCE: one, BATCH: "b", INDEX: "0"}) for one in crowd]
    ingest = centre.ingest(ALL)
    for _ in range(2):
        centre.broker.append("ioc.traffic", records, NOW)
        ingest.step(NOW)
    with centre.store.reading() as connection:
        sums = connection.exec_driver_sql("SELECT sum(accepted), sum(duplicate) FROM source_counts").one()
    assert tuple(sums) == (len(crowd), len(crowd))


@pytest.mark.parametrize("name", [SOURCE, BATCH])
@pytest.mark.parametrize("text", ["a\x00b", "x" * 300, "two\nlines"], ids=["U+0000", "long", "lines"])
def test_a_header_that_no_database_keeps_costs_one_letter(centre: SmallCentre, name: str, text: str) -> None:
    headers = [{SOURCE: "s", BATCH: "b", INDEX: str(index)} for index in range(3)]
    headers[1] |= {name: text}
    centre.broker.append("ioc.traffic", [Record(b"k", GOOD["traffic"], one) for one in headers], NOW)
    assert centre.ingest(ALL).step(NOW) == 3
    held = stored(centre.store)
    assert {row[2] for key, row in held.windows["10s"].items() if key[:2] == ("traffic.intensity", "a1")} == {84}
    source = "topic:ioc.traffic" if name == SOURCE else "s"
    assert {key[1]: value for key, value in held.letters.items()} == {source: (1, 1)}


def test_a_key_of_a_record_is_kept_with_its_letter_only_where_it_is_short(centre: SmallCentre) -> None:
    centre.broker.append("ioc.traffic", [Record(b"k" * length, b"{", {}) for length in (1_024, 100_000)], NOW)
    ingest = centre.ingest(ALL)
    while ingest.step(NOW):
        pass
    with centre.store.reading() as connection:
        lengths = connection.exec_driver_sql("SELECT length(key) FROM dead_letters").scalars().all()
    assert sorted(lengths, key=str) == [1_024, None]


# --- batches ---------------------------------------------------------------------------------------------------


def send_batches(centre: SmallCentre, source: str, wanted: Sequence[int]) -> None:
    records = [Record(b"k", GOOD["traffic"], {SOURCE: source, BATCH: f"b{number}", INDEX: "0"}) for number in wanted]
    centre.broker.append("ioc.traffic", records, NOW)


@pytest.mark.slow
def test_the_oldest_batches_of_others_are_forgotten_and_none_of_our_own_keys(centre: SmallCentre) -> None:
    make_key(centre, "own-key")
    ingest = centre.ingest(replace(SETTINGS, batch=50_000))
    send_batches(centre, "own-key", range(10))
    ingest.step(NOW)
    later = NOW
    for first in range(0, MOST_OTHER_BATCHES + 10_000, 5_000):
        later += 1
        send_batches(centre, "other", range(first, first + 5_000))
        ingest.step(later)
    assert count(centre.store, "batches WHERE source = 'own-key'") == 10
    assert MOST_OTHER_BATCHES <= count(centre.store, "batches WHERE source = 'other'") <= 1.1 * MOST_OTHER_BATCHES
    before = count(centre.store, "batches")
    send_batches(centre, "other", [MOST_OTHER_BATCHES + 9_999])
    send_batches(centre, "own-key", [0])
    ingest.step(later + 1)
    assert count(centre.store, "batches") == before, "what is remembered is known again"


@pytest.mark.slow
def test_whoever_writes_under_the_name_of_our_key_is_bounded_too(
    centre: SmallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "MOST_OWN_BATCHES", 1_000)
    make_key(centre, "own-key")
    ingest = centre.ingest(ALL)
    send_batches(centre, "other", range(10))
    ingest.step(NOW)
    for step in range(1, 21):
        send_batches(centre, "own-key", range(step * 200, step * 200 + 200))
        ingest.step(NOW + step)
    assert 1_000 <= count(centre.store, "batches WHERE source = 'own-key'") <= 1_100
    assert count(centre.store, "batches WHERE source = 'other'") == 10
    assert count(centre.store, "batches WHERE batch = 'b4199'") == 1, "the newest are there"


@pytest.mark.slow
def test_an_ingest_that_starts_anew_counts_what_is_there(centre: SmallCentre) -> None:
    (partition, *_) = centre.broker.partitions("ioc.traffic")
    one = (partition.topic, partition.number)
    held = [("s", f"b{number}", *one) for number in range(MOST_OTHER_BATCHES + 3_000)]
    with centre.store.writing() as connection:
        for at in range(0, len(held), 1_000):
            streams.remember_indexes(connection, dict.fromkeys(held[at : at + 1_000], 0), NOW + at)
    with centre.store.writing() as connection:
        streams.remember_indexes(connection, {("s", "new", *one): 0}, NOW + len(held))
        Senders(centre.store).bound_batches(connection, partition, [("s", "new", *one)])
    with centre.store.reading() as connection:
        assert rows.count_batches(connection, *one, own=False) in range(MOST_OTHER_BATCHES, MOST_OTHER_BATCHES + 1_000)


# --- dead letters ----------------------------------------------------------------------------------------------


def letter(source: str, kind: str = "unreadable", at: int = NOW) -> dead_letters.DeadLetter:
    return dead_letters.DeadLetter("traffic", source, 0, at, kind, "why", b"{")


def test_however_many_senders_flood_one_hour_keeps_a_bounded_number_of_letters(centre: SmallCentre) -> None:
    for _ in range(2):
        flood = [letter(f"s{number}") for number in range(500) for _ in range(CAP + 1)]
        with centre.store.writing() as connection:
            dead_letters.add_dead_letters(connection, flood, CAP, 100)
    most = dead_letters.MOST_FULL * CAP
    firsts = 500 - dead_letters.MOST_FULL
    assert count(centre.store, "dead_letters") == most + firsts
    assert count(centre.store, "dead_letter_counts WHERE kept = 0") == 0, "of each the first is there"
    with centre.store.writing() as connection:
        dead_letters.add_dead_letters(connection, [letter("s1", at=NOW + HOUR)] * 9, CAP, 100)
    assert count(centre.store, "dead_letters") == most + firsts + CAP, "the next hour begins anew"


def test_counts_and_names_of_others_are_forgotten_and_those_of_our_keys_stay(centre: SmallCentre) -> None:
    make_key(centre, "own-key")
    for at in (NOW, NOW + COUNTS_KEPT):
        for source in ("own-key", "other", "later") if at == NOW else ("later",):
            centre.broker.append("ioc.traffic", [Record(b"k", b"{", {SOURCE: source})], at)
        centre.ingest(ALL).step(at)
    rules = KeepingRules(Keeping((2 * DAY, 14 * DAY, 90 * DAY, 730 * DAY)), HOUR, 7 * DAY, 48 * HOUR, 0)
    assert forget(centre.store, centre.broker, rules, NOW + COUNTS_KEPT + HOUR)["sources"] == 1
    with centre.store.reading() as connection:
        left = connection.exec_driver_sql("SELECT source FROM sources ORDER BY source").scalars().all()
    assert left == ["later", "own-key"]
    dropped = forget(centre.store, centre.broker, rules, NOW + LETTER_COUNTS_KEPT + 2 * HOUR)
    assert (dropped["sources"], dropped["dead_letter_counts"]) == (1, 3)
    with centre.store.reading() as connection:
        counts = connection.exec_driver_sql("SELECT source, hour FROM dead_letter_counts").fetchall()
    assert [tuple(row) for row in counts] == [("later", (NOW + COUNTS_KEPT) // HOUR * HOUR)]


# --- all at once -----------------------------------------------------------------------------------------------


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def random_records(dice: random.Random, many: int) -> list[Record]:
    """Unknown assets in unknown words: everything that a sender chooses is new each time."""
    return [
        Record(
            dice.randbytes(8),
            body(TRAFFIC, refRoadSegment=f"urn:{dice.getrandbits(64):x}"),
            {
                SOURCE: f"source {dice.randrange(1_000)}" if dice.random() < 0.5 else f"{dice.getrandbits(64):x}",
                ORIGIN: str(dice.randrange(5)),
                BATCH: f"{dice.getrandbits(64):x}",
                INDEX: str(dice.randrange(1_000)),
            },
        )
        for _ in range(many)
    ]


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not say what memory we use")
def test_random_ids_leave_rows_and_memory_as_they_are(centre: SmallCentre) -> None:
    dice = random.Random(6)
    ingest = centre.ingest(ALL)
    memory: list[int] = []
    sent = 0
    while sent < RANDOM_IDS:
        now = NOW + sent // 1_000 * 1_000  # a thousand a second
        centre.broker.append("ioc.traffic", random_records(dice, 5_000), now)
        sent += 5_000
        while ingest.step(now):
            pass
        centre.broker.forget_before(now + 1)
        memory.append(resident_bytes())
    minutes, hours, origins = RANDOM_IDS // 60_000 + 1, RANDOM_IDS // 3_600_000 + 2, 5
    sources = MOST_OTHERS + 1
    most = {
        "sources": sources * origins,
        "source_counts": sources * origins * (minutes + 1),
        "dead_letter_counts": sources * hours,
        "dead_letters": (dead_letters.MOST_FULL * CAP + sources) * hours,
        "batches": 2 * (MOST_OTHER_BATCHES + MOST_OTHER_BATCHES // 10 + ALL.batch),
        "windows_10s": 0,
        "cases": 0,
        "latest": 0,
    }
    found = {table: count(centre.store, table) for table in most}
    assert {table: rows_ for table, rows_ in found.items() if rows_ > most[table]} == {}
    with centre.store.reading() as connection:
        counted = connection.exec_driver_sql("SELECT sum(count) FROM dead_letter_counts").scalar_one()
        rejected = connection.exec_driver_sql("SELECT sum(rejected) FROM source_counts").scalar_one()
    assert counted == rejected == RANDOM_IDS, "all are counted"
    half = memory[len(memory) // 2 :]
    print(f"{RANDOM_IDS:,} ids: rows {found}, resident {memory[0] >> 20} to {half[-1] >> 20} MiB")
    assert half[-1] <= 1.1 * half[0] + 8 * 1024 * 1024
