import itertools
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from simulators.cases import LONGEST_DAYS, Case, state_at
from simulators.dossiers import cases_received, quality
from simulators.places import Territory
from simulators.working_time import DAY, DayKind, day_kind, local_date, midnight

FIRST = date(2026, 8, 24)
ORDER = ("received", "in_progress", "suspended", "in_progress", "finished", "returned", "withdrawn")


@pytest.fixture(scope="module")
def twelve_weeks(places: Territory) -> dict[date, list[Case]]:
    days = [FIRST + timedelta(days=n) for n in range(84)]
    return {day: cases_received(1, places.offices, day) for day in days}


@pytest.fixture(scope="module")
def cases(twelve_weeks: dict[date, list[Case]]) -> list[Case]:
    return [case for day in twelve_weeks.values() for case in day]


def finished_at(case: Case) -> int | None:
    return next((at for at, state in case.events if state == "finished"), None)


def on_time_share(cases: list[Case]) -> float:
    done = [(at, case.due_after_papers) for case in cases if (at := finished_at(case)) is not None]
    return sum(at <= due for at, due in done) / len(done)


def clock(at: int) -> float:
    """The local hour."""
    return (at - midnight(local_date(at))) / 3600


def test_same_seed_same_cases(places: Territory) -> None:
    assert cases_received(1, places.offices, FIRST) == cases_received(1, places.offices, FIRST)
    assert cases_received(1, places.offices, FIRST) != cases_received(2, places.offices, FIRST)


def test_an_office_has_the_same_cases_whoever_else_is_there(places: Territory) -> None:
    alone = cases_received(1, places.offices[4:5], FIRST)
    assert [case for case in cases_received(1, places.offices, FIRST) if case.office == places.offices[4].id] == alone


def test_about_six_hundred_a_working_day_and_few_on_days_off(twelve_weeks: dict[date, list[Case]]) -> None:
    working = [len(cases) for day, cases in twelve_weeks.items() if day_kind(day) is DayKind.WORKING]
    assert 560 < sum(working) / len(working) < 660
    off = [cases for day, cases in twelve_weeks.items() if day_kind(day) is not DayKind.WORKING]
    assert all(len(cases) < 110 for cases in off)
    assert {case.channel for cases in off for case in cases} == {"online"}


def test_larger_towns_have_more_and_the_communes_make_the_whole(places: Territory, cases: list[Case]) -> None:
    by_office = Counter(case.office.rpartition(":")[2] for case in cases)
    assert sum(by_office.values()) == len(cases)
    assert set(by_office) == {office.id.rpartition(":")[2] for office in places.offices}
    assert min(by_office[code] for code in ("25942", "25978", "25966", "25747")) > 3 * by_office["25780"]


def test_life_goes_forward(cases: list[Case]) -> None:
    for case in cases:
        moments = [at for at, _ in case.events]
        assert case.events[0] == (case.received, "received")
        assert all(earlier < later for earlier, later in itertools.pairwise(moments))
        ranks = [ORDER.index(state) for _, state in case.events if state != "in_progress"]
        assert ranks == sorted(ranks)
        assert case.received < case.due <= case.due_after_papers
        assert case.events[-1][1] in {"returned", "withdrawn"}
        assert moments[-1] - case.received < LONGEST_DAYS * DAY


def test_counters_receive_and_offices_finish_in_working_hours(cases: list[Case]) -> None:
    def worked(at: int) -> bool:
        hour = clock(at)
        return day_kind(local_date(at)) is DayKind.WORKING and (7.5 <= hour <= 11.51 or 13.5 <= hour <= 17.01)

    assert all(worked(case.received) for case in cases if case.channel == "counter")
    assert all(worked(case.due) for case in cases)
    assert all(worked(at) for case in cases if (at := finished_at(case)) is not None)
    evening = [case for case in cases if clock(case.received) > 17.5]
    assert evening
    assert {case.channel for case in evening} == {"online"}


def test_about_three_quarters_come_online(cases: list[Case]) -> None:
    assert 0.74 < sum(case.channel == "online" for case in cases) / len(cases) < 0.78


def test_about_95_percent_are_on_time_with_good_and_bad_offices(places: Territory, cases: list[Case]) -> None:
    assert 0.93 < on_time_share(cases) < 0.97
    qualities = {office.id: quality(1, office.id) for office in places.offices}
    best, worst = max(qualities, key=qualities.__getitem__), min(qualities, key=qualities.__getitem__)
    of = {name: on_time_share([case for case in cases if case.office == name]) for name in (best, worst)}
    assert of[worst] < 0.92 < 0.97 < of[best]


def test_longest_life_is_bounded_over_the_lunar_new_year_too(places: Territory) -> None:
    for start in (date(2026, 1, 5), date(2027, 1, 4)):
        for n in range(28):
            day = start + timedelta(days=n)
            assert all(
                case.events[-1][0] - case.received < LONGEST_DAYS * DAY
                for case in cases_received(1, places.offices, day)
            )


def test_a_message_tells_what_was_known_then(cases: list[Case]) -> None:
    case = next(case for case in cases if any(state == "suspended" for _, state in case.events))
    assert state_at(case, case.received) is None
    seen = []
    for at, state in case.events:
        message = state_at(case, at + 1)
        assert message is not None
        assert message["state"] == state
        assert message["modified"] == datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (message["due"] is None) == (state == "suspended")
        assert (message["finished"] is None) == (state not in {"finished", "returned"})
        seen.append(message["due"])
    assert seen[-1] is not None
    assert seen[0] is not None
    assert seen[-1] > seen[0]  # the wait for papers moved it


def test_no_message_speaks_of_a_person(cases: list[Case]) -> None:
    allowed = {
        "id", "type", "office", "procedure", "field", "channel", "received", "due", "finished", "returned", "state",
        "modified",
    }  # fmt: skip
    message = state_at(cases[0], cases[0].events[-1][0] + 1)
    assert message is not None
    assert set(message) == allowed
