import itertools
import json
import math
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.accidents import Accident, accident_on
from simulators.places import Territory, find_segment
from simulators.traffic import Traffic
from simulators.working_time import DAY, midnight

FRIDAY, SUNDAY, LUNAR_NEW_YEAR = date(2026, 11, 20), date(2026, 11, 22), date(2027, 2, 6)
NOON = midnight(FRIDAY) + 12 * 3600
HOUR = 3600


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def interval(message: dict[str, Any]) -> tuple[int, int]:
    begin, end = message["dateObserved"].split("/")
    return seconds(begin), seconds(end)


def messages(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_same_seed_same_bytes_another_seed_another_day(places: Territory) -> None:
    first, again = Traffic(1, 60, places.segments), Traffic(1, 60, places.segments)
    again.lines(NOON + 3 * DAY, NOON + 3 * DAY + 60)  # what was asked before does not matter
    assert first.lines(NOON, NOON + 120) == again.lines(NOON, NOON + 120)
    assert first.lines(NOON, NOON + 120) != Traffic(2, 60, places.segments).lines(NOON, NOON + 120)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 1800), max_size=8), around=st.sampled_from([NOON, midnight(FRIDAY) - 900]))
def test_any_cut_gives_the_same_messages(places: Territory, cuts: list[int], around: int) -> None:
    traffic = Traffic(1, 60, places.segments[::25])
    crash = accident_on(places.segments[25], [places.segments[0], places.segments[25]], around + 300, 10)
    edges = [around, *(around + cut for cut in sorted(cuts)), around + 1800]
    whole = traffic.lines(around, around + 1800, [crash])
    parts = [line for low, high in itertools.pairwise(edges) for line in traffic.lines(low, high, [crash])]
    assert parts == whole


def test_each_segment_tells_every_minute_once_and_the_stream_is_steady(places: Territory) -> None:
    begin = midnight(FRIDAY) - HOUR  # over midnight
    told = messages(Traffic(1, 60, places.segments).lines(begin, begin + 2 * HOUR))
    assert Counter(message["refRoadSegment"] for message in told) == {s.id: 120 for s in places.segments}
    last: dict[str, int] = {}
    for message in told:
        started, ended = interval(message)
        assert ended - started == 60
        assert last.get(message["refRoadSegment"], started) == started
        last[message["refRoadSegment"]] = ended
    per_second = Counter(interval(message)[1] for message in told)
    assert max(per_second.values()) <= 15  # of 250, where a burst would be 250


def test_rush_hours_are_busier_and_slower_than_noon_and_night(places: Territory) -> None:
    day = Traffic(1, 60, places.segments).day(FRIDAY)

    def hour(values: Any, at: float) -> float:
        return float(values[:, int(at * 60) : int(at * 60) + 60].mean())

    for rush in (7, 17):
        assert hour(day.vehicles, rush) > 1.5 * hour(day.vehicles, 12.25) > 3 * hour(day.vehicles, 2)
        assert hour(day.speed_kmh, rush) < hour(day.speed_kmh, 12.25) - 5 < hour(day.speed_kmh, 2)
        assert hour(day.occupancy, rush) > 1.5 * hour(day.occupancy, 12.25)


def test_rush_hours_are_seen_in_the_province_and_on_its_main_roads(places: Territory) -> None:
    def mean_speed(traffic: Traffic, day: date, at: float) -> float:
        span = slice(int(at * 60), int(at * 60) + 30)
        vehicles, speed = traffic.day(day).vehicles[:, span], traffic.day(day).speed_kmh[:, span]
        return float((vehicles * speed).sum() / vehicles.sum())

    traffic = Traffic(1, 60, places.segments)
    for rush in (7, 7.5, 16.5, 17, 17.5):
        assert 38 <= mean_speed(traffic, FRIDAY, rush) <= 42
        assert mean_speed(traffic, SUNDAY, rush) > 48
    assert mean_speed(traffic, FRIDAY, 12.25) > 51
    speed = traffic.day(FRIDAY).speed_kmh[:, 7 * 60 : 7 * 60 + 30].mean(axis=1)
    jammed = {one.road for one, now in zip(places.segments, speed, strict=True) if now < one.kind.free_speed_kmh / 2}
    assert {"QL13", "ĐT743"} <= jammed
    slow = sum(now < 0.7 * one.kind.free_speed_kmh for one, now in zip(places.segments, speed, strict=True))
    assert 30 <= slow <= 90  # of 250: seen, but not everywhere


def test_days_off_are_quieter(places: Territory) -> None:
    traffic = Traffic(1, 60, places.segments)
    friday, sunday, new_year = (int(traffic.day(day).vehicles.sum()) for day in (FRIDAY, SUNDAY, LUNAR_NEW_YEAR))
    assert friday > 1.2 * sunday > 1.5 * new_year


def test_main_roads_and_towns_carry_most(places: Territory) -> None:
    carried = Traffic(1, 60, places.segments).day(FRIDAY).vehicles.mean(axis=1)
    by_road: dict[str, list[float]] = {}
    for segment, vehicles in zip(places.segments, carried, strict=True):
        by_road.setdefault(segment.road, []).append(float(vehicles))
    busiest = sorted(by_road, key=lambda road: -max(by_road[road]))[:2]
    assert set(busiest) == {"QL13", "Mỹ Phước – Tân Vạn"}
    urban = np.array([segment.urbanity for segment in places.segments])
    assert carried[urban > 0.8].mean() > 2 * carried[urban < 0.3].mean()


def test_numbers_of_a_message_agree(places: Territory) -> None:
    kinds = {segment.id: segment.kind for segment in places.segments}
    for message in messages(Traffic(1, 60, places.segments).lines(NOON + 5 * HOUR, NOON + 5 * HOUR + 600)):
        kind = kinds[message["refRoadSegment"]]
        assert 0 <= message["occupancy"] < 1
        if message["intensity"] == 0:
            assert "averageVehicleSpeed" not in message
            continue
        speed = message["averageVehicleSpeed"]
        assert 3 <= speed <= 1.1 * kind.free_speed_kmh
        assert abs(speed - kind.free_speed_kmh / 2) < 0.1 or message["congested"] == (speed < kind.free_speed_kmh / 2)
        assert message["averageHeadwayTime"] == pytest.approx(kind.lanes * 60 / message["intensity"], abs=0.01)
        density = message["intensity"] * 60 / kind.lanes / speed
        assert message["occupancy"] == pytest.approx(1 - math.exp(-density * 0.0039), abs=0.002)


def test_a_message_without_vehicles_has_no_speed(places: Territory) -> None:
    night = messages(Traffic(1, 60, places.segments).lines(midnight(FRIDAY) + 3 * HOUR, midnight(FRIDAY) + 4 * HOUR))
    empty = [message for message in night if message["intensity"] == 0]
    assert empty
    assert all("averageVehicleSpeed" not in message and "averageHeadwayTime" not in message for message in empty)


def test_other_rates_tell_the_same_day(places: Territory) -> None:
    often, usual = Traffic(1, 20, places.segments), Traffic(1, 60, places.segments)
    assert len(often.lines(NOON, NOON + 600)) == 3 * len(usual.lines(NOON, NOON + 600))
    assert often.day(FRIDAY).vehicles.sum() == pytest.approx(usual.day(FRIDAY).vehicles.sum(), rel=0.01)


class TestAccident:
    @pytest.fixture
    def crash(self, places: Territory) -> Accident:
        segment = find_segment(places, None, "QL13")
        return accident_on(segment, places.road_of(segment), NOON, 20)

    def test_traffic_collapses_there_and_upstream_only(self, places: Territory, crash: Accident) -> None:
        traffic = Traffic(1, 60, places.segments)
        usual = {m["refRoadSegment"]: m for m in messages(traffic.lines(NOON + 240, NOON + 300))}
        bent: dict[str, list[dict[str, Any]]] = {}
        for message in messages(traffic.lines(NOON + 240, NOON + 300, [crash])):
            bent.setdefault(message["refRoadSegment"], []).append(message)
        here = bent[crash.asset]
        assert len(here) == 6
        assert all(m["averageVehicleSpeed"] < 12 and m["congested"] for m in here)
        assert all(m["occupancy"] > 1.5 * usual[crash.asset]["occupancy"] for m in here)
        upstream = next(effect.asset for effect in crash.effects if effect.segments_upstream == 1)
        assert max(m["averageVehicleSpeed"] for m in bent[upstream]) < 20
        untouched = set(usual) - {effect.asset for effect in crash.effects}
        assert all(bent[asset] == [usual[asset]] for asset in untouched)

    def test_no_second_is_told_twice(self, places: Territory, crash: Accident) -> None:
        road = [s for s in places.segments if crash.effect_on(s.id)]
        traffic = Traffic(1, 60, road)
        lines = traffic.lines(NOON - 300, NOON) + traffic.first_lines(crash)
        lines += traffic.lines(NOON, NOON + 1500, [crash])
        for segment in road:
            told = sorted(interval(m) for m in messages(lines) if m["refRoadSegment"] == segment.id)
            overlaps = [b[0] - a[1] for a, b in itertools.pairwise(told) if b[0] < a[1]]
            assert all(overlap >= -10 for overlap in overlaps)
            assert len(overlaps) <= 1  # only where a minute had just ended when the accident happened

    def test_it_is_over_after_its_time(self, places: Territory, crash: Accident) -> None:
        traffic = Traffic(1, 60, places.segments)
        later = NOON + 20 * 60 + 60
        assert traffic.lines(later, later + 300, [crash]) == traffic.lines(later, later + 300)

    def test_of_two_accidents_the_later_counts(self, places: Territory, crash: Accident) -> None:
        segment = find_segment(places, crash.asset, None)
        second = accident_on(segment, places.road_of(segment), NOON + 63, 5)
        told = messages(Traffic(1, 60, [segment]).lines(NOON, NOON + 1500, [crash, second]))
        spans = sorted(interval(message) for message in told)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


@pytest.mark.real_data
def test_messages_hold_the_official_schema(places: Territory, real_data: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    folder = real_data / "messages"
    common = json.loads((folder / "_common" / "common-schema.json").read_text(encoding="utf-8"))
    registry = referencing.Registry().with_resource(common["$id"], referencing.Resource.from_contents(common))
    schema = json.loads((folder / "TrafficFlowObserved" / "schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    crash = accident_on(places.segments[0], places.segments[:3], NOON, 20)
    traffic = Traffic(1, 60, places.segments)
    night = midnight(FRIDAY) + 3 * HOUR
    for message in messages(traffic.lines(NOON, NOON + 60, [crash]) + traffic.lines(night, night + 60)):
        validator.validate(message)


def test_the_longer_past_is_told_in_longer_intervals_and_each_minute_once(places: Territory) -> None:
    some = places.segments[::25]
    traffic = Traffic(1, 60, some)
    fine_from = NOON - HOUR
    coarse = messages(traffic.coarse_lines(NOON - 3 * HOUR, fine_from))
    fine = messages(traffic.lines(fine_from - 300, NOON, fine_from=fine_from))
    whole = messages(traffic.lines(NOON - 4 * HOUR, NOON))
    assert {end - begin for begin, end in map(interval, coarse)} == {300}
    for segment in some:
        told = sorted((interval(one), one["intensity"]) for one in coarse + fine if one["refRoadSegment"] == segment.id)
        spans = [span for span, _ in told]
        assert [begin for begin, _ in spans[1:]] == [end for _, end in spans[:-1]]  # no gap, no overlap
        minutes = [one for one in whole if one["refRoadSegment"] == segment.id and interval(one)[0] >= spans[0][0]]
        assert sum(count for _, count in told) == sum(one["intensity"] for one in minutes)
