import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulators.errors import SimulatorError
from simulators.places import Territory
from simulators.service_requests import BOSTON, NEW_YORK, WEEK, Replayed, Times, replayed

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
HEADER = "case_enquiry_id,open_dt,target_dt,closed_dt,department,type,source,location"


@pytest.fixture
def boston_file(tmp_path: Path) -> Path:
    rows = (
        "1,2011-07-01 01:32:33,2011-07-15 01:32:32,2011-07-01 05:06:58,PWDx,Street Light Outages,Self Service,1 Main",
        "2,2011-07-01 09:00:00,,,ISD,Unsafe/Dangerous,Constituent Call,2 Main St",
        "3,2011-07-04 09:00:00,2011-07-05 09:00:00,2011-07-02 09:00:00,BTDT,Sign Repair,Twitter,",
        ",2011-07-04 09:00:00,,,PWDx,Sign Repair,Twitter,",
        "5,soon,,,PWDx,Sign Repair,Twitter,",
        "6,2011-07-04 09:00:00,,,NASA,Rocket,Twitter,",
    )
    path = tmp_path / "boston.csv"
    path.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    return path


def read(path: Path, places: Territory, times: Times = Times.KEPT) -> Replayed:
    return replayed(path, BOSTON, places.offices, NOW, times=times)


def test_a_row_becomes_a_dossier_in_utc_without_address(boston_file: Path, places: Territory) -> None:
    assert read(boston_file, places).dossiers[0] == {
        "id": "urn:ngsi-ld:Dossier:boston-311:1",
        "type": "Dossier",
        "office": places.offices[0].id,
        "procedure": "boston-311-streetlightoutages",
        "field": "environment",
        "channel": "online",
        "received": "2011-07-01T05:32:33Z",
        "due": "2011-07-15T05:32:32Z",
        "finished": "2011-07-01T09:06:58Z",
        "state": "finished",
        "modified": "2011-07-01T09:06:58Z",
        "sourceCode": "PWDx/1",
    }


def test_no_due_time_is_null_and_open_is_not_finished(boston_file: Path, places: Territory) -> None:
    case = read(boston_file, places).dossiers[1]
    assert (case["due"], case["finished"], case["state"], case["channel"]) == (None, None, "in_progress", "counter")


def test_closed_before_opened_is_sent_as_it_is(boston_file: Path, places: Territory) -> None:
    case = read(boston_file, places).dossiers[2]
    assert case["finished"] is not None
    assert case["received"] is not None
    assert case["finished"] < case["received"] == case["modified"]


def test_rows_that_cannot_be_sent_are_counted_by_reason(boston_file: Path, places: Territory) -> None:
    found = read(boston_file, places)
    assert len(found.dossiers) == 3
    assert found.left_out == {
        "no number": 1,
        "no readable opening time": 1,
        "no office stands for department 'NASA'": 1,
    }


def test_times_move_by_whole_weeks_and_nothing_happened_in_the_future(boston_file: Path, places: Territory) -> None:
    found = read(boston_file, places, Times.PAST)
    assert found.shifted % timedelta(weeks=1) == timedelta()
    happened = [datetime.fromisoformat(str(case["modified"])) for case in found.dossiers]
    assert NOW - timedelta(weeks=1) < max(happened) <= NOW
    kept = read(boston_file, places)
    for shifted, original in zip(found.dossiers, kept.dossiers, strict=True):
        begin, before = (
            datetime.fromisoformat(str(shifted["received"])),
            datetime.fromisoformat(str(original["received"])),
        )
        assert begin - before == found.shifted


@pytest.mark.real_data
def test_recent_cases_are_told_as_far_as_they_are_known(real_data: Path, places: Territory) -> None:
    path = real_data / "service" / "boston_311_2011-07_first3000.csv"
    recent, past = read(path, places, Times.RECENT), read(path, places, Times.PAST)
    assert timedelta() <= NOW - max(datetime.fromisoformat(str(case["received"])) for case in recent.dossiers) < WEEK
    happened = [str(case[name]) for case in recent.dossiers for name in ("modified", "finished") if case[name]]
    assert max(happened) <= "2026-11-21T10:00:00Z"
    still_open = [case["state"] for case in recent.dossiers].count("in_progress")
    assert still_open > [case["state"] for case in past.dossiers].count("in_progress")


def test_a_file_of_another_kind_says_what_is_missing(tmp_path: Path, places: Territory) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SimulatorError, match="lacks the columns"):
        read(tmp_path / "x.csv", places)
    with pytest.raises(SimulatorError, match="cannot be read"):
        read(tmp_path / "y.csv", places)


@pytest.mark.real_data
@pytest.mark.parametrize("times", [Times.KEPT, Times.PAST])
def test_bostons_on_time_rate_survives_the_mapping(real_data: Path, places: Territory, times: Times) -> None:
    """Of all cases whose due time has come, the share closed by it (issue: 1,796 of 2,527)."""
    path = real_data / "service" / "boston_311_2011-07_first3000.csv"
    found = read(path, places, times)
    assert (len(found.dossiers), found.left_out) == (3000, {})
    assert len({case["id"] for case in found.dossiers}) == 3000
    cohort = [case for case in found.dossiers if case["due"] and case["due"] <= "2026-11-21T10:00:00Z"]
    assert all(case["due"] is None or case in cohort for case in found.dossiers)
    on_time = [case for case in cohort if case["finished"] and str(case["finished"]) <= str(case["due"])]
    assert (len(on_time), len(cohort)) == (1796, 2527)


@pytest.mark.real_data
def test_every_department_of_the_files_has_an_office(real_data: Path, places: Territory) -> None:
    found = read(real_data / "service" / "boston_311_100.csv", places)
    assert (len(found.dossiers), found.left_out) == (100, {})
    path = real_data / "service" / "nyc_311_sample.csv"
    new_york = replayed(path, NEW_YORK, places.offices, NOW)
    assert (len(new_york.dossiers), new_york.left_out) == (999, {})
    with path.open(encoding="utf-8", newline="") as file:
        closed = sum(1 for row in csv.DictReader(file) if row["Closed Date"])
    assert sum(1 for case in new_york.dossiers if case["finished"]) == closed
