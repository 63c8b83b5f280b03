"""What is told of dead letters to others: each one, each hour that is over, never what a message holds."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from ioc.broker.port import Received, Record
from ioc.errors import BrokerError
from ioc.feeds import FEEDS
from ioc.jobs import dead_letters as job
from ioc.jobs.dead_letters import publish_dead_letters
from ioc.jobs.forgetting import KeepingRules, forget
from ioc.store import dead_letter_reading, schema
from ioc.store.dead_letters import DeadLetter, add_dead_letters
from tests.feeds.messages import DOSSIER, NOW, TRAFFIC, body
from tests.jobs.test_retention import AGES
from tests.streams.history import DAY, HOUR
from tests.streams.small_centre import CAP, DAY_OFFSET, SETTINGS, SmallCentre

SECRET = "Nguyễn Văn A"
KEEP = 7 * DAY
Told = Callable[[str], list[dict[str, Any]]]
DLQ = {feed.id: feed.dead_letter_topic for feed in FEEDS.values()}


@pytest.fixture
def told(centre: SmallCentre) -> Told:
    """What stands in the topic of a feed's dead letters, which `setup` would have made."""
    for topic in DLQ.values():
        centre.broker.ensure_topic(topic, 1, KEEP)

    def _read(feed: str) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in records(centre, feed)]

    return _read


def records(centre: SmallCentre, feed: str) -> list[Received]:
    (partition,) = centre.broker.partitions(DLQ[feed])
    return centre.broker.read(partition, 0, 10_000)


def ingest(centre: SmallCentre, *values: bytes, feed: str = "traffic", at: int = NOW, **headers: str) -> None:
    centre.broker.append(FEEDS[feed].topic, [Record(b"k", value, headers) for value in values], at)
    program = centre.ingest()
    while program.step(at):
        pass


def publish(centre: SmallCentre, now: int = NOW) -> int:
    return publish_dead_letters(centre.store, centre.broker, KEEP, now)


def test_each_letter_is_told_once_with_the_names_of_its_fields(centre: SmallCentre, told: Told) -> None:
    message = body(TRAFFIC, refRoadSegment="a9", driver={"name": SECRET}, **{SECRET: 1, "x" * 65: 2, "0912345678": 3})
    ingest(centre, message, source="s1", origin="3")
    assert [publish(centre), publish(centre)] == [1, 0]
    (one,) = told("traffic")
    assert one == {
        "letter": 1,
        "feed": "traffic",
        "source": "s1",
        "origin": "replay",
        "kind": "unknown_asset",
        "reason": "no asset has the id that is stated: ask for the list of assets",
        "topic": "ioc.traffic",
        "partition": one["partition"],
        "offset": 0,
        "at": "2026-11-20T03:00:00+00:00",
        "size": len(message),
        "fields": [*TRAFFIC, "driver"],
        "other_fields": 3,
    }
    assert told("dossiers") == []


@pytest.mark.parametrize(
    ("message", "fields", "others"),
    [
        (b"{", None, None),
        (b'["a"]', None, None),
        (b"\xff", None, None),
        (b"[" * 100_000, None, None),
        (body({f"f{n}": n for n in range(60)}), [f"f{n}" for n in range(job.MOST_FIELDS)], 10),
        (body({"id": "x" * 2_000}), None, None),
    ],
    ids=["cut off", "an array", "no text", "too deep", "many", "not kept whole"],
)
def test_names_are_told_where_there_are_some(
    centre: SmallCentre,
    told: Told,
    message: bytes,
    fields: list[str] | None,
    others: int | None,
) -> None:
    ingest(centre, message)
    publish(centre)
    (one,) = told("traffic")
    assert (one["fields"], one["other_fields"]) == (fields, others)


def test_no_value_of_a_message_is_ever_told(centre: SmallCentre, told: Told) -> None:
    """A secret in each field of each feed in turn, and in places where no field should be."""
    for feed, good in (("traffic", TRAFFIC), ("dossiers", DOSSIER)):
        planted = [body(good, **{name: SECRET}) for name in good]
        planted += [body(good, **{name: {SECRET: [SECRET]}}) for name in good]
        planted += [SECRET.encode(), json.dumps([SECRET]).encode(), b'{"' + SECRET.encode() + b'": 1}']
        centre.broker.append(FEEDS[feed].topic, [Record(SECRET.encode(), one, {}) for one in planted], NOW)
    program = centre.ingest(replace(SETTINGS, dead_letter_cap=1_000))
    while program.step(NOW):
        pass
    assert publish(centre) > 30
    publish(centre, NOW + 2 * HOUR)
    for feed in ("traffic", "dossiers"):
        assert told(feed)
        for record in records(centre, feed):
            said = f"{record.value.decode()} {record.key.decode()} {record.headers}"
            assert "Nguy" not in said


def test_an_hour_is_told_when_it_is_over_and_again_when_it_has_grown(centre: SmallCentre, told: Told) -> None:
    ingest(centre, *[b"{"] * (CAP + 2), source="s1")
    assert publish(centre, NOW + HOUR - 1) == CAP, "the hour is not over"
    assert publish(centre, NOW + HOUR) == 1
    hour = {
        "hour": "2026-11-20T03:00:00+00:00",
        "feed": "traffic",
        "source": "s1",
        "kind": "unreadable",
        "count": CAP + 2,
        "kept": CAP,
        "first_offset": 0,
        "last_offset": CAP + 1,
    }
    assert told("traffic")[-1] == hour
    ingest(centre, b"{", source="s1")  # ingest lay behind
    assert [publish(centre, NOW + HOUR), publish(centre, NOW + HOUR)] == [1, 0]
    assert told("traffic")[-1] == hour | {"count": CAP + 3, "last_offset": CAP + 2}


def test_what_is_older_than_letters_are_kept_is_not_told(centre: SmallCentre, told: Told) -> None:
    with centre.store.writing() as connection:
        add_dead_letters(connection, [DeadLetter("traffic", "s", 0, NOW - KEEP - HOUR, "future", "", b"")], CAP, 0)
        connection.execute(update(schema.dead_letters).values(published_at=0))
    assert publish(centre) == 0


def test_a_broker_that_is_away_loses_nothing(centre: SmallCentre, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(centre, b"{")
    with monkeypatch.context() as away:
        away.setitem(FEEDS, "traffic", replace(FEEDS["traffic"], topic="nowhere"))
        with pytest.raises(BrokerError, match=r"nowhere\.dlq does not exist: run `python -m ioc setup`"):
            publish(centre)
    assert publish(centre) == 1
    assert len(told("traffic")) == 1


def test_broken_off_between_append_and_mark_it_is_told_again(
    centre: SmallCentre, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(centre, b"{", b"[")

    def _broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(dead_letter_reading, "mark_published", _broken_off)
        with pytest.raises(KeyboardInterrupt):
            publish(centre)
    assert [publish(centre), publish(centre)] == [2, 0]
    assert [one["letter"] for one in told("traffic")] == [1, 2, 1, 2]


def test_a_letter_that_becomes_visible_late_is_told_although_its_id_is_lower(centre: SmallCentre, told: Told) -> None:
    """Two writers of PostgreSQL commit in any order; a cursor over ids would miss the slower one."""
    row = {"feed": "traffic", "source": "s", "origin": 0, "at": NOW, "kind": "future", "reason": "", "size": 0}
    for letter in (7, 5):
        with centre.store.writing() as connection:
            connection.execute(insert(schema.dead_letters).values(id=letter, body=b"", **row))
        publish(centre)
    assert [one["letter"] for one in told("traffic")] == [7, 5]


def test_letters_are_told_in_order_a_portion_at_a_time(
    centre: SmallCentre, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "AT_ONCE", 2)
    ingest(centre, b"{", b"[", b"x")
    assert [publish(centre), publish(centre), publish(centre)] == [2, 1, 0]
    assert [one["letter"] for one in told("traffic")] == [1, 2, 3]


def test_what_was_told_is_kept_as_long_as_letters_are(centre: SmallCentre, told: Told) -> None:
    ingest(centre, b"{")
    publish(centre)
    rules = KeepingRules(AGES, batches=HOUR, dead_letters=KEEP, log=2 * DAY, day_offset=DAY_OFFSET)
    forget(centre.store, centre.broker, rules, NOW + 3 * DAY)
    assert not [one for part in centre.broker.partitions("ioc.traffic") for one in centre.broker.read(part, 0, 1)]
    assert len(told("traffic")) == 1
    forget(centre.store, centre.broker, rules, NOW + KEEP + 1)
    assert told("traffic") == []
