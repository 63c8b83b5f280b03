"""The intake: what is accepted is durable, what is refused is answered by index and kept, nothing counts twice."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Partition, Received
from ioc.errors import BadRequest, NotFound, Refused
from ioc.feeds import FEEDS
from ioc.model.access import Principal, system_principal
from ioc.model.origins import Origin
from ioc.operations import intake as operations
from ioc.operations.intake import KeyReused, accept, split_array, split_lines
from ioc.operations.places import milliseconds
from ioc.store import schema
from ioc.streams.decode import Numbered, decode
from tests.feeds.messages import BAD as BAD_OF_ALL
from tests.feeds.messages import EVERY_FEED, GOOD
from tests.operations.rows import NOW, Rows, reader, sender

SENDER = sender("traffic", "dossiers")


def traffic(asset: str = "a1", **more: Any) -> bytes:
    message = {
        "id": f"flow:{asset}",
        "type": "TrafficFlowObserved",
        "refRoadSegment": asset,
        "dateObserved": "2026-11-21T08:00:00Z",
        "intensity": 10,
        "averageVehicleSpeed": 30.5,
        **more,
    }
    return json.dumps(message).encode()


def log(rows: Rows, topic: str = "ioc.traffic") -> list[Received]:
    broker = rows.small.broker
    return [record for partition in broker.partitions(topic) for record in broker.read(partition, 0, 10_000)]


def letters(rows: Rows) -> list[tuple[str, str, bytes]]:
    table = schema.dead_letters
    with rows.small.store.reading() as connection:
        return [tuple(row) for row in connection.execute(select(table.c.source, table.c.kind, table.c.body))]


def send(
    rows: Rows, *messages: bytes, who: Principal = SENDER, feed: str = "traffic", now: datetime = NOW, **more: Any
) -> Any:
    return accept(who, rows.intake, feed, messages, now=now, **more)


def test_what_is_accepted_stands_in_the_log_under_its_key_and_sender(rows: Rows) -> None:
    answer = send(rows, traffic("a1"), traffic("a2"), who=replace(SENDER, origin=Origin.REPLAY))
    assert (answer.accepted, answer.rejected) == (2, ())
    found = {record.key: record for record in log(rows)}
    assert found.keys() == {b"a1", b"a2"}
    assert found[b"a1"].value == traffic("a1"), "as it was sent"
    assert found[b"a1"].headers == {SOURCE: "src", ORIGIN: str(int(Origin.REPLAY))}
    assert letters(rows) == []


BAD: dict[str, tuple[bytes, str, str]] = {
    "malformed": (b'{"id": "x", ', "unreadable", "truncated"),
    "no JSON at all": (b"hello", "unreadable", "malformed"),
    "not an object": (b"[1, 2]", "unreadable", "object"),
    "wrong type": (traffic(intensity="many"), "unreadable", "intensity"),
    "missing field": (b'{"id": "x", "type": "TrafficFlowObserved"}', "unreadable", "dateObserved"),
    "not a number": (traffic().replace(b"30.5", b"NaN"), "unreadable", "malformed"),
    "infinite": (traffic().replace(b"30.5", b"1e999"), "unreadable", "out of range"),
    "outside its range": (traffic(averageVehicleSpeed=-1), "unreadable", "mean_speed"),
    "U+0000": (traffic(refRoadSegment="a1\0"), "unreadable", "U+0000"),
    "not UTF-8": (traffic().replace(b"flow", b"\xff\xfe"), "unreadable", ""),
    "too deep": (traffic().replace(b'"flow:a1"', b"[" * 100_000), "unreadable", ""),
    "five megabytes": (traffic(id="x" * 5_000_000), "too_large", "bytes"),
    "unknown asset": (traffic("a99"), "unknown_asset", "a99"),
    "a day in 1970": (traffic(dateObserved="1970-01-01T00:00:00Z"), "too_old", "2000"),
    "a day in 2100": (traffic(dateObserved="2100-01-01T00:00:00Z"), "future", "ahead"),
    "no date": (traffic(dateObserved="yesterday"), "unreadable", "ISO 8601"),
}


@pytest.mark.parametrize("what", BAD)
def test_one_bad_message_among_a_thousand_good_ones(rows: Rows, what: str) -> None:
    bad, kind, reason = BAD[what]
    good = [traffic(asset) for asset in ("a1", "a2", "a3", "a4")] * 250
    answer = send(rows, *good[:500], bad, *good[500:])
    assert answer.accepted == 1000
    assert [one.index for one in answer.rejected] == [500]
    assert reason in answer.rejected[0].reason
    assert len(log(rows)) == 1000
    settings = rows.settings
    assert letters(rows) == [("src", kind, bad[: settings.dead_letter_bytes])]
    with rows.small.store.reading() as connection:
        counts = connection.execute(select(schema.source_counts)).mappings().all()
    assert [(row["source"], row["rejected"], row["accepted"]) for row in counts] == [("src", 1, 0)], (
        "ingest counts what is accepted"
    )


@pytest.mark.parametrize("feed", EVERY_FEED)
def test_the_intake_and_ingest_judge_alike(rows: Rows, monkeypatch: pytest.MonkeyPatch, feed: str) -> None:
    """What the intake accepts, ingest applies; what it refuses, ingest would refuse for the same reason."""
    monkeypatch.setitem(FEEDS, feed, EVERY_FEED[feed])
    messages = [GOOD[feed], *(message for _, of, message, _ in BAD_OF_ALL if of == feed)]
    answer = send(rows, *messages, who=sender(feed), feed=feed)
    numbered = Numbered(rows.small.places.ids, rows.small.places.assets, rows.small.registry.series, {})
    arrived = milliseconds(NOW)
    records = [Received(at, arrived, b"", message, {}) for at, message in enumerate(messages)]
    said = decode(EVERY_FEED[feed], Partition("t", 0), records, {}, numbered, rows.intake.limits, {"src": "src"})
    assert [one.index for one in answer.rejected] == [one.offset for one in said.letters]
    table = schema.dead_letters
    with rows.small.store.reading() as connection:
        kept = connection.execute(select(table.c.kind, table.c.reason)).all()
    assert {tuple(one) for one in kept} == {(one.kind, one.reason) for one in said.letters}
    assert 0 < answer.accepted == len(messages) - len(said.letters) < len(messages)


def test_nothing_usable_is_answered_by_index_too(rows: Rows) -> None:
    answer = send(rows, b"{}", traffic("a99"))
    assert (answer.accepted, [one.index for one in answer.rejected]) == (0, [0, 1])
    assert log(rows) == []


def test_the_same_request_again_is_known_by_its_key(rows: Rows) -> None:
    messages = (traffic("a1"), b"{", traffic("a1"), traffic("a2"))
    first = send(rows, *messages, key="k1")
    again = send(rows, *messages, key="k1", now=NOW + timedelta(minutes=30))
    assert first == again
    records = log(rows)
    assert len(records) == 6, "published again: ingest drops what it has applied"
    assert {record.headers[BATCH] for record in records} == {records[0].headers[BATCH]}
    assert sorted(record.headers[INDEX] for record in records if record.key == b"a1") == ["0", "0", "2", "2"]
    assert len(letters(rows)) == 1, "what was refused is kept once"


def test_ingest_applies_a_repeated_request_once(rows: Rows) -> None:
    for _ in range(3):
        send(rows, *[traffic("a1")] * 3, key="k1")
    ingest = rows.small.ingest()
    assert ingest.step(int(NOW.timestamp() * 1000)) == 9
    with rows.small.store.reading() as connection:
        table = schema.windows[0]
        count = connection.execute(
            select(table.c.count).where(
                table.c.series == rows.series("traffic.intensity"), table.c.place == rows.place("a1")
            )
        ).scalar_one()
    assert count == 3


def test_another_body_under_the_same_key_is_refused(rows: Rows) -> None:
    send(rows, traffic("a1"), key="k1")
    with pytest.raises(KeyReused, match="k1"):
        send(rows, traffic("a2"), key="k1")
    assert len(log(rows)) == 1
    assert send(rows, traffic("a2"), key="k1", who=replace(SENDER, id="other")).accepted == 1, (
        "keys are each source's own"
    )


def test_a_key_may_be_used_again_after_the_horizon_and_is_then_another_batch(rows: Rows) -> None:
    send(rows, traffic("a1"), key="k1")
    later = NOW + timedelta(seconds=rows.settings.idempotency_horizon + 1)
    send(rows, traffic("a1"), key="k1", now=later)
    assert len({record.headers[BATCH] for record in log(rows)}) == 2


def test_a_repeated_request_is_judged_by_the_clock_of_its_first_arrival(rows: Rows) -> None:
    ahead = traffic("a1", dateObserved="2026-11-21T08:10:00Z")
    first = send(rows, ahead, traffic("a1"), key="k1")
    again = send(rows, ahead, traffic("a1"), key="k1", now=NOW + timedelta(minutes=20))
    assert first == again, "else an index would mean another message, and ingest would drop it unseen"


def test_a_territory_that_changed_between_two_tries_is_said_and_nothing_is_lost_silently(rows: Rows) -> None:
    send(rows, traffic("a1"), traffic("a7"), key="k1")
    with rows.small.store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO assets (id, province, kind, title_vi, title_en, lat, lon)"
            " VALUES ('a7', 'small', 'road_segment', '', '', 11, 106)"
        )
        connection.exec_driver_sql("UPDATE provinces SET digest = 'another'")
    with pytest.raises(KeyReused, match="new key"):
        send(rows, traffic("a1"), traffic("a7"), key="k1")
    assert send(rows, traffic("a1"), traffic("a7"), key="k2").accepted == 2


def test_only_who_may_send_to_the_feed_sends(rows: Rows) -> None:
    for who in (reader("c-all"), sender("dossiers"), sender()):
        with pytest.raises(Refused):
            send(rows, traffic(), who=who)
    with pytest.raises(NotFound):
        send(rows, traffic(), who=system_principal("test"), feed="weather", origin=Origin.LIVE)


def test_the_origin_belongs_to_the_key(rows: Rows) -> None:
    with pytest.raises(Refused, match="origin"):
        send(rows, traffic(), origin=Origin.LIVE)
    with pytest.raises(Refused, match="origin"):
        send(rows, traffic(), who=system_principal("test"))
    assert send(rows, traffic(), who=system_principal("test"), origin=Origin.MANUAL).accepted == 1


def test_simulated_data_are_refused_where_the_settings_forbid_them(rows: Rows) -> None:
    simulated = replace(SENDER, origin=Origin.SIMULATED)
    assert send(rows, traffic(), who=simulated).accepted == 1
    rows.settings = rows.settings.model_copy(update={"allow_simulated": False})
    del rows.__dict__["intake"], rows.__dict__["province"]
    with pytest.raises(Refused, match="simulated"):
        send(rows, traffic(), who=simulated)


def test_a_key_for_some_units_sends_of_their_assets_only_as_of_the_event(rows: Rows) -> None:
    bounded = sender("traffic", units=frozenset({"u-m2"}))
    old = traffic("a2", dateObserved="2025-06-30T16:00:00Z")  # before the reform a2 stood in another unit
    answer = send(rows, traffic("a1"), traffic("a2"), old, who=bounded)
    assert (answer.accepted, [one.index for one in answer.rejected]) == (1, [0, 2])
    assert "unit" in answer.rejected[0].reason


def test_personal_fields_never_reach_the_log_nor_the_dead_letters(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = replace(FEEDS["traffic"], personal_fields=frozenset({"driver"}))
    monkeypatch.setitem(FEEDS, "traffic", feed)
    named = traffic("a1", driver={"name": "N. V. A."}, nested=[{"driver": "N. V. A.", "kept": 1}])
    escaped = traffic("a2").replace(b'"intensity"', b'"\\u0064river": "N. V. A.", "intensity"')
    refused = traffic("a99", driver="N. V. A.")
    assert send(rows, named, escaped, refused, traffic("a3")).accepted == 3
    values = {record.key: record.value for record in log(rows)}
    assert b"N. V. A." not in b"".join(values.values())
    assert msgspec.json.decode(values[b"a1"])["nested"] == [{"kept": 1}]
    assert values[b"a3"] == traffic("a3"), "what names nobody is left as it is"
    assert b"N. V. A." not in letters(rows)[0][2]


def test_requests_without_messages_or_with_too_many_or_a_bad_key_are_refused(rows: Rows) -> None:
    for more in ({"messages": ()}, {"messages": (b"{}",) * 50_001}, {"messages": (b"{}",), "key": ""},
                 {"messages": (b"{}",), "key": "x" * 201}, {"messages": (b"{}",), "key": "a\nb"}):  # fmt: skip
        with pytest.raises(BadRequest):
            accept(SENDER, rows.intake, "traffic", more["messages"], now=NOW, key=more.get("key"))  # type: ignore[arg-type]
    assert log(rows) == []


# --- the body of a request -------------------------------------------------------------------------------------


def test_an_array_is_split_into_its_elements() -> None:
    assert split_array(b' [ {"a": [1, 2]} , {"b": "],["} ] ') == [b'{"a": [1, 2]}', b'{"b": "],["}']
    assert split_array(b"[]") == []
    assert split_array(b' {"alone": 1} ') == [b' {"alone": 1} ']


def test_an_element_that_is_no_json_does_not_spoil_the_others() -> None:
    assert split_array(b'[{"a": NaN}, {"b": "]\\"["}, 1e, ]') == [b'{"a": NaN}', b'{"b": "]\\"["}', b"1e", b""]
    deep = b"[" * 100_000 + b"]" * 100_000
    assert split_array(b"[" + deep + b", 1]") == [deep, b"1"]


UNSPLITTABLE = [
    b"", b"null", b"[1, 2", b'["abc]', b"[1] 2", b"x [1]", b"]", b"[{]", b'{"a"', b"\xff", b"[" * 1_000_000, b"[1}",
    b'["' + b"x" * 1_000_000,
]  # fmt: skip


@pytest.mark.parametrize("body", UNSPLITTABLE, ids=range(len(UNSPLITTABLE)))
def test_what_cannot_be_split_is_refused_with_the_reason(body: bytes) -> None:
    if body.startswith(b"{"):
        assert split_array(body) == [body]  # one message, refused by its index
        return
    with pytest.raises(BadRequest, match="JSON array"):
        split_array(body)


def test_lines_are_split_whatever_is_in_them() -> None:
    assert split_lines(b'{"a": 1}\r\n\n  \n{broken\n{"b": 2}') == [b'{"a": 1}\r', b"{broken", b'{"b": 2}']


@given(st.lists(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_the_slow_way_of_splitting_agrees_with_the_fast_one(values: list[object]) -> None:
    body = json.dumps(values).encode()
    slow = operations._split_at_commas(body)
    assert slow is not None
    assert [json.loads(part) for part in slow if values] == values
    assert [json.loads(part) for part in split_array(body)] == values
