import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.places import Territory
from simulators.province import Province, Span
from simulators.working_time import DAY

NOW = 1_795_240_800  # Saturday 21 November 2026, 13:00 in Viet Nam
FROM = NOW - 20 * DAY


def span(begin: int, end: int, dossiers_from: int = FROM) -> Span:
    return Span(begin, end, traffic_from=NOW - 600, dossiers_from=dossiers_from)


def told(province: Province, spans: list[Span]) -> dict[str, list[dict[str, Any]]]:
    messages: dict[str, list[dict[str, Any]]] = {"dossiers": [], "traffic": []}
    for each in spans:
        for request in province.requests(each):
            assert request.count == len(request.body.splitlines())
            messages[request.feed] += map(json.loads, request.body.splitlines())
    return messages


def newest(dossiers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a store keeps of each dossier."""
    return {message["id"]: message for message in sorted(dossiers, key=lambda message: message["modified"])}


def test_same_span_same_bytes(places: Territory) -> None:
    asked = span(NOW - DAY, NOW)
    assert list(Province(1, 60, places).requests(asked)) == list(Province(1, 60, places).requests(asked))


@pytest.fixture(scope="module")
def part(places: Territory) -> Territory:
    """A tenth of the province: the same messages of these places as in the whole."""
    return Territory(places.segments[::10], places.offices[::6])


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 6 * DAY - 1), max_size=6))
def test_any_cut_tells_the_same_province(part: Territory, cuts: list[int]) -> None:
    province = Province(1, 60, part)
    begin = NOW - 6 * DAY
    edges = [begin, *(begin + cut for cut in sorted(cuts)), NOW]
    whole = told(province, [span(begin, NOW)])
    parts = told(province, [span(*cut) for cut in pairwise(edges)])
    assert newest(parts["dossiers"]) == newest(whole["dossiers"])
    assert parts["traffic"] == whole["traffic"]


def test_the_present_closes_what_the_past_left_open(part: Territory) -> None:
    begin = NOW - 10 * DAY
    past = newest(told(Province(1, 60, part), [span(begin, NOW, begin)])["dossiers"])
    still_open = {id for id, message in past.items() if not message["returned"]}
    assert len(still_open) > 80
    days = [span(NOW + n * DAY, NOW + (n + 5) * DAY, begin) for n in range(0, 110, 5)]
    later = Province(1, 60, Territory((), part.offices))  # as after a restart: nothing is remembered
    future = newest(told(later, days)["dossiers"])
    for id in still_open:
        before, after = past[id], future[id]
        assert after["returned"] is not None
        assert [before[name] for name in ("office", "received", "channel", "field", "procedure")] == [
            after[name] for name in ("office", "received", "channel", "field", "procedure")
        ]
    assert not [id for id, message in future.items() if id in past and past[id]["returned"]]


def test_nothing_is_told_before_it_happens_or_from_before_the_beginning(places: Territory) -> None:
    found = told(Province(1, 60, places), [span(FROM, NOW)])
    moments = [m[name] for m in found["dossiers"] for name in ("received", "finished", "returned", "modified")]
    assert max(moment for moment in moments if moment) < "2026-11-21T06:00:00Z"
    assert min(m["received"] for m in found["dossiers"]) >= "2026-11-01"
    assert max(m["dateObserved"].split("/")[1] for m in found["traffic"]) < "2026-11-21T06:00:00Z"


def test_the_announced_number_of_messages_is_right(places: Territory) -> None:
    province = Province(1, 60, places)
    asked = span(FROM, NOW)
    sent = sum(request.count for request in province.requests(asked))
    assert abs(province.messages(asked) - sent) <= len(places.segments)


def test_batches_are_no_larger_than_asked(places: Territory) -> None:
    counts = [request.count for request in Province(1, 60, places).requests(span(NOW - DAY, NOW), batch=700)]
    assert max(counts) == 700
