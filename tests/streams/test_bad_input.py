"""Bad records in the log: one dead letter each, the good ones stored, no partition ever blocked."""

from collections import Counter
from dataclasses import replace
from operator import itemgetter

import pytest

from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Record
from ioc.streams.ingest import IngestSettings
from tests.feeds.messages import BAD, DOSSIER, LIMITS, NOW, STATEMENT, TRAFFIC, body
from tests.streams.history import HOUR, MINUTE, Sent, bad
from tests.streams.small_centre import ALL_FEEDS, CAP, SETTINGS, SmallCentre
from tests.streams.stored import count, stored

GOOD = {"traffic": body(TRAFFIC), "dossiers": body(DOSSIER), "statements": body(STATEMENT)}
ALL: IngestSettings = replace(SETTINGS, limits=LIMITS, dead_letter_cap=1_000_000)
TOPICS = {feed.id: feed.topic for feed in ALL_FEEDS.values()}


def _letters(centre: SmallCentre) -> list[tuple[str, str, str, int | None]]:
    with centre.store.reading() as connection:
        rows = connection.exec_driver_sql('SELECT feed, kind, reason, "offset" FROM dead_letters ORDER BY id')
        return [tuple(row) for row in rows]


@pytest.mark.parametrize("feed", GOOD)
@pytest.mark.parametrize("batch", [1, 3, 1_000])
def test_each_bad_one_costs_one_letter_and_the_good_ones_around_it_are_stored(
    centre: SmallCentre, feed: str, batch: int
) -> None:
    wrong = [(message, kind) for _, of, message, kind in BAD if of == feed and len(message) < 1_000_000]
    records = [Record(b"k", one, {SOURCE: "s"}) for message, _ in wrong for one in (GOOD[feed], message)]
    records.append(Record(b"k", GOOD[feed], {SOURCE: "s"}))
    centre.broker.append(TOPICS[feed], records, NOW)
    ingest = centre.ingest(replace(ALL, batch=batch))
    while ingest.step(NOW):
        pass
    found = sorted(((of, why, at) for of, why, _, at in _letters(centre)), key=itemgetter(2))
    assert found == [(feed, kind, 2 * number + 1) for number, (_, kind) in enumerate(wrong)]
    held = stored(centre.store)
    assert {"traffic": held.windows["10s"], "dossiers": held.cases, "statements": held.figures}[feed]
    with centre.store.reading() as connection:
        counted = connection.exec_driver_sql("SELECT accepted, rejected, duplicate FROM source_counts").fetchall()
    assert [tuple(row) for row in counted] == [(len(wrong) + 1, len(wrong), 0)]
    if feed == "traffic":
        total = sum(row[2] for key, row in held.windows["10s"].items() if key[:2] == ("traffic.intensity", "a1"))
        assert total == 42 * (len(wrong) + 1)


def test_a_record_may_hold_several_messages_each_judged_by_itself(centre: SmallCentre) -> None:
    good = [body(TRAFFIC, intensity=number, refRoadSegment=f"a{1 + number % 6}") for number in range(1, 8)]
    several = [*good[:3], b"7", body(TRAFFIC, refRoadSegment="a99"), good[3], b'{"id":', *good[4:]]
    headers = {SOURCE: "s", BATCH: "b", INDEX: "0"}
    broken = b" [" + b", ".join(several[:6]) + b"] "
    whole = b"[" + b",".join(several[7:]) + b"]"
    unclosed = b"[" + b",".join(several) + b"]"
    records = [Record(b"k", broken, headers), Record(b"k", whole, headers | {INDEX: "1"}), Record(b"k", whole, headers)]
    centre.broker.append("ioc.traffic", [*records, Record(b"k", unclosed, {SOURCE: "s"})], NOW)
    ingest = centre.ingest(ALL)
    assert ingest.step(NOW) == 4
    windows = stored(centre.store).windows["10s"].items()
    assert sum(row[2] for key, row in windows if key[0] == "traffic.intensity" and key[1].startswith("a")) == 28
    letters = sorted((offset, kind) for _, kind, _, offset in _letters(centre))
    assert letters == [(0, "unknown_asset"), (0, "unreadable"), (3, "unreadable")]
    with centre.store.reading() as connection:
        found = connection.exec_driver_sql("SELECT body, element FROM dead_letters").fetchall()
        counted = connection.exec_driver_sql("SELECT accepted, rejected, duplicate FROM source_counts").fetchall()
    assert {bytes(said): element for said, element in found} == {
        b"7": several.index(b"7"),
        several[4]: 4,
        unclosed[: ALL.dead_letter_bytes]: None,
    }, "of an array, only the message itself, and its place"
    assert [tuple(row) for row in counted] == [(7, 3, 1)]


@pytest.mark.parametrize(("messages", "letters"), [(1_000, []), (1_001, ["too_large"]), (0, ["unreadable"])])
def test_a_record_holds_no_more_messages_than_can_be_judged(
    centre: SmallCentre, messages: int, letters: list[str]
) -> None:
    record = Record(b"k", b"[" + b",".join([body(TRAFFIC)] * messages) + b"]", {})
    centre.broker.append("ioc.traffic", [record], NOW)
    assert centre.ingest(ALL).step(NOW) == 1
    assert [kind for _, kind, _, _ in _letters(centre)] == letters


def test_one_bad_among_a_thousand_good(centre: SmallCentre) -> None:
    messages = [body(TRAFFIC, intensity=1, refRoadSegment=f"a{1 + number % 6}") for number in range(1_000)]
    messages.insert(500, b'{"id": NaN}')
    centre.broker.append("ioc.traffic", [Record(f"{at % 6}".encode(), one, {}) for at, one in enumerate(messages)], NOW)
    ingest = centre.ingest(ALL)
    while ingest.step(NOW):
        pass
    windows = stored(centre.store).windows["10s"].items()
    assert sum(row[2] for key, row in windows if key[0] == "traffic.intensity" and key[1].startswith("a")) == 1_000
    assert [kind for _, kind, _, _ in _letters(centre)] == ["unreadable"]


def test_nothing_but_bad_ones_does_not_stand_in_the_way(centre: SmallCentre) -> None:
    for name, feed, message, _ in BAD:
        centre.broker.append(TOPICS[feed], [Record(name.encode(), message, {})], NOW)
    for feed, message in GOOD.items():
        centre.broker.append(TOPICS[feed], [Record(str(key).encode(), message, {}) for key in range(9)], NOW)
    ingest = centre.ingest(replace(ALL, batch=5))
    while ingest.step(NOW):
        pass
    kinds = Counter(kind for _, kind, _, _ in _letters(centre))
    assert kinds == Counter(kind for _, _, _, kind in BAD)
    found = stored(centre.store)
    assert found.windows["10s"]
    assert found.cases
    assert found.figures


def test_of_each_kind_and_hour_the_first_are_kept_and_all_are_counted(centre: SmallCentre) -> None:
    hours = [NOW - NOW % HOUR, NOW - NOW % HOUR + HOUR]
    ingest = centre.ingest()
    for hour in hours:
        for _ in range(4):
            group = [bad("traffic", "a1", b"{", "unreadable", source="s1", time=hour) for _ in range(5)]
            group.append(bad("traffic", "a1", b"{", "unreadable", source="s2", time=hour))
            centre.broker.append("ioc.traffic", [one.record for one in group], hour + MINUTE)
            ingest.step(hour)
    with centre.store.reading() as connection:
        counts = connection.exec_driver_sql(
            "SELECT source, hour, count, kept, first_offset, last_offset FROM dead_letter_counts ORDER BY hour, source"
        ).fetchall()
        kept = connection.exec_driver_sql("SELECT source, count(*) FROM dead_letters GROUP BY 1 ORDER BY 1").fetchall()
    assert [tuple(row) for row in counts] == [
        ("s1", hours[0], 20, CAP, 0, 22),
        ("s2", hours[0], 4, CAP, 5, 23),
        ("s1", hours[1], 20, CAP, 24, 46),
        ("s2", hours[1], 4, CAP, 29, 47),
    ]
    assert [tuple(row) for row in kept] == [("s1", 2 * CAP), ("s2", 2 * CAP)]


def test_of_a_large_message_only_the_beginning_is_kept(centre: SmallCentre) -> None:
    centre.broker.append("ioc.traffic", [Record(b"k", b"x" * 5_000_000, {})], NOW)
    centre.ingest().step(NOW)
    with centre.store.reading() as connection:
        length = connection.exec_driver_sql("SELECT length(body) FROM dead_letters").scalar_one()
    assert length == SETTINGS.dead_letter_bytes


@pytest.mark.parametrize(
    "headers",
    [
        *({ORIGIN: origin} for origin in ("live", "9", "")),
        *({BATCH: "b", INDEX: index} for index in ("first", "-1", "9" * 30, "")),
    ],
    ids=str,
)
def test_headers_that_say_nothing_cost_one_letter(centre: SmallCentre, headers: dict[str, str]) -> None:
    """Other producers may write to the topics too."""
    records = [Record(b"k", GOOD["traffic"], said) for said in ({SOURCE: "s"}, headers, {SOURCE: "s"})]
    centre.broker.append("ioc.traffic", records, NOW)
    assert centre.ingest(ALL).step(NOW) == 3
    ((_, kind, reason, offset),) = _letters(centre)
    assert (kind, offset) == ("unreadable", 1)
    assert "header" in reason
    latest = stored(centre.store).windows["10s"].items()
    assert {row[2] for key, row in latest if key[:2] == ("traffic.intensity", "a1")} == {84}


def test_a_batch_without_a_source_is_known_again_too(centre: SmallCentre) -> None:
    record = Record(b"k", GOOD["traffic"], {BATCH: "b", INDEX: "0"})
    ingest = centre.ingest(ALL)
    for _ in range(3):
        centre.broker.append("ioc.traffic", [record], NOW)
        ingest.step(NOW)
    with centre.store.reading() as connection:
        counted = connection.exec_driver_sql("SELECT source, accepted, duplicate FROM source_counts").fetchall()
    assert [tuple(row) for row in counted] == [("topic:ioc.traffic", 1, 2)]


def test_one_batch_id_of_two_sources_is_two_batches(centre: SmallCentre) -> None:
    ingest = centre.ingest(ALL)
    for source in ("s1", "s2", "s1"):
        centre.broker.append(
            "ioc.traffic", [Record(b"k", GOOD["traffic"], {SOURCE: source, BATCH: "b", INDEX: "0"})], NOW
        )
        ingest.step(NOW)
    windows = stored(centre.store).windows["10s"].items()
    assert [row[2] for key, row in windows if key[:2] == ("traffic.intensity", "a1")] == [84]


def test_what_was_bad_the_first_time_is_not_counted_again(centre: SmallCentre) -> None:
    sent: Sent = bad("traffic", "a1", b"{", "unreadable", batch="b", index=0, time=NOW)
    ingest = centre.ingest(ALL)
    for _ in range(2):
        centre.broker.append("ioc.traffic", [sent.record], NOW)
        ingest.step(NOW)
    assert count(centre.store, "dead_letters") == 1
