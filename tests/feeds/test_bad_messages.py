"""What cannot be used is refused with the right kind and a sentence; nothing else ever comes out of a feed."""

import json
from pathlib import Path

import msgspec
import pytest

from ioc.errors import InvalidMessage
from ioc.feeds.judging import Unusable, judged
from ioc.model.facts import CaseReport, Measurement
from tests.feeds.messages import BAD, DOSSIER, EVERY_FEED, GOOD, KNOWN, LIMITS, NOW, TRAFFIC, body


@pytest.mark.parametrize(("feed", "message", "kind"), [one[1:] for one in BAD], ids=[f"{n}-{f}" for n, f, _, _ in BAD])
def test_bad_messages_are_refused(feed: str, message: bytes, kind: str) -> None:
    with pytest.raises(Unusable) as refused:
        judged(EVERY_FEED[feed], message, NOW, KNOWN, LIMITS)
    assert refused.value.kind == kind
    sentence = str(refused.value)
    assert 0 < len(sentence) <= 400
    assert "\0" not in sentence
    sentence.encode()
    if kind == "unreadable":
        with pytest.raises(InvalidMessage):
            EVERY_FEED[feed].decode(message)


@pytest.mark.parametrize("feed", GOOD)
def test_good_messages_are_taken(feed: str) -> None:
    judged(EVERY_FEED[feed], GOOD[feed], NOW, KNOWN, LIMITS)


def test_of_two_fields_of_one_name_the_last_one_counts() -> None:
    """JSON allows the sender to be unclear; what we make of it is at least always the same."""
    twice = GOOD["traffic"].replace(b'"intensity": 42', b'"intensity": 1, "intensity": 42')
    assert EVERY_FEED["traffic"].decode(twice) == EVERY_FEED["traffic"].decode(GOOD["traffic"])


def test_fields_that_are_not_ours_may_hold_anything() -> None:
    more = {"address": {"streetAddress": "đường\0"}, "location": [[106.6, 11.0]], "name": "\ud800"[:0]}
    assert EVERY_FEED["traffic"].decode(body(TRAFFIC, **more)) == EVERY_FEED["traffic"].decode(GOOD["traffic"])


def test_a_message_says_at_most_what_it_holds() -> None:
    fact = EVERY_FEED["traffic"].decode(body({"id": "a1", "type": "TrafficFlowObserved", "dateObserved": "2026-11-20"}))
    assert isinstance(fact, Measurement)
    assert [(series.id, value, weight) for series, value, weight in fact.readings] == [("traffic.congested", 0, 1)]
    assert fact.asset == "a1"
    assert fact.at == fact.as_of


def test_five_minutes_ahead_is_still_taken() -> None:
    ahead = body(TRAFFIC, dateObserved="2026-11-20T10:05:00+07:00")
    judged(EVERY_FEED["traffic"], ahead, NOW, KNOWN, LIMITS)
    with pytest.raises(Unusable):
        judged(EVERY_FEED["traffic"], ahead, NOW - 1, KNOWN, LIMITS)


def test_an_asset_of_another_kind_is_told_from_one_that_there_is_not() -> None:
    with pytest.raises(
        Unusable, match="'a1' is an asset of the kind road_segment: this feed speaks of the kind office"
    ):
        judged(EVERY_FEED["dossiers"], body(DOSSIER, office="a1"), NOW, KNOWN, LIMITS)
    with pytest.raises(Unusable, match="no asset has the id 'o9'"):
        judged(EVERY_FEED["dossiers"], body(DOSSIER, office="o9"), NOW, KNOWN, LIMITS)


def test_a_dossier_tells_only_of_the_fields_it_names() -> None:
    few = {name: DOSSIER[name] for name in ("id", "type", "office", "received", "modified")}
    fact = EVERY_FEED["dossiers"].decode(body(few, due=None))
    assert isinstance(fact, CaseReport)
    assert fact.fields.keys() == {"office", "received", "due"}
    assert fact.fields["due"] is None


@pytest.mark.real_data
def test_the_official_example_is_understood(real_data: Path) -> None:
    message = (real_data / "messages/TrafficFlowObserved/example.json").read_bytes()
    fact = EVERY_FEED["traffic"].decode(message)
    assert isinstance(fact, Measurement)
    assert fact.asset == json.loads(message)["id"]
    assert fact.as_of - fact.at == 300_000
    assert {series.id: (value / series.scale, weight) for series, value, weight in fact.readings} == {
        "traffic.intensity": (197, 1),
        "traffic.mean_speed": (52.6, 197),
        "traffic.occupancy": (76, 1),
        "traffic.headway": (0.5, 197),
        "traffic.congested": (0, 1),
    }


SECRET = "Nguyễn Văn A 0912345678"
HIDDEN = (SECRET, {SECRET: SECRET}, [SECRET], 912345678.5, -912345678, f"x' - at `$.{SECRET}", f"2026-11-20T{SECRET}")


def _rule(feed: str, message: bytes) -> str:
    try:
        judged(EVERY_FEED[feed], message, NOW, KNOWN, LIMITS)
    except Unusable as refused:
        return refused.rule
    return ""


@pytest.mark.parametrize("feed", GOOD)
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_the_rule_that_others_see_quotes_nothing_of_a_message(feed: str, hidden: object) -> None:
    """Whatever a feed may still declare: each field holds what must not be seen, in place of what it should hold."""
    declared = msgspec.structs.fields(EVERY_FEED[feed].message)
    rules = {_rule(feed, body(json.loads(GOOD[feed]), **{one.encode_name: hidden})) for one in declared}
    assert any(rules), "nothing of it was refused"
    for rule in rules:
        assert not [part for part in ("Nguy", "0912", "912345678") if part in rule], rule


def test_the_sender_is_told_what_was_wrong_with_what() -> None:
    with pytest.raises(Unusable, match="'a99'") as refused:
        judged(EVERY_FEED["traffic"], body(TRAFFIC, refRoadSegment="a99"), NOW, KNOWN, LIMITS)
    assert refused.value.rule == "no asset has the id that is stated: ask for the list of assets"
    with pytest.raises(Unusable, match="'boat'") as refused:
        judged(EVERY_FEED["dossiers"], body(DOSSIER, channel="boat"), NOW, KNOWN, LIMITS)
    assert refused.value.rule == "Invalid enum value - at `$.channel`"
