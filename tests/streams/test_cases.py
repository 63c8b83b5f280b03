"""Cases: states merge in any order, what they count for follows, and the on-time rate is that of the definition."""

import csv
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from ioc.jobs.rollups import roll_up
from tests.streams.history import ARRIVAL, DAY, HOUR, Offsets, Sent, dossier
from tests.streams.oracle import transitions
from tests.streams.small_centre import MIDNIGHT, SETTINGS, SmallCentre
from tests.streams.stored import stored

KNOWN: Final[dict[str, str | int | None]] = {"office": "o1", "received": MIDNIGHT - DAY, "due": MIDNIGHT + DAY}


def _fields(centre: SmallCentre, case: str = "c1") -> dict[str, str | int | None]:
    return stored(centre.store).cases[case, 0]


def _counted(centre: SmallCentre, place: str) -> dict[str, int]:
    """What the days of a place count, by the last word of the series."""
    counts: Counter[str] = Counter()
    roll_up(centre.store, centre.rules)
    for (series, of, _, _), row in stored(centre.store).windows["1d"].items():
        if of == place:
            assert row[0] == row[2]
            counts[series.removeprefix("dossiers.")] += row[2]
    return dict(counts)


def _apply(centre: SmallCentre, *sent: Sent) -> None:
    centre.ingest().apply(Offsets().batch(*sent), ARRIVAL)


def _both_ways(centre: SmallCentre, one: Sent, other: Sent) -> list[dict[str, str | int | None]]:
    """The fields of two cases that were told the same in both orders."""
    moved = [replace(sent, key="c2", body=sent.body.replace(b'"c1"', b'"c2"')) for sent in (other, one)]
    _apply(centre, one, other, *moved)
    return [_fields(centre, "c1"), _fields(centre, "c2")]


def test_the_newest_word_on_each_field_stands(centre: SmallCentre) -> None:
    first = dossier("c1", MIDNIGHT, KNOWN | {"state": "received", "channel": "online"})
    second = dossier("c1", MIDNIGHT + 1, KNOWN | {"state": "in_progress"})
    wanted = KNOWN | {"state": "in_progress", "channel": "online"}
    assert _both_ways(centre, first, second) == [wanted, wanted]


def test_null_clears_and_absence_does_not(centre: SmallCentre) -> None:
    first = dossier("c1", MIDNIGHT, KNOWN | {"finished": MIDNIGHT, "field": "land"})
    second = dossier("c1", MIDNIGHT + 1, KNOWN | {"finished": None})
    wanted = KNOWN | {"finished": None, "field": "land"}
    assert _both_ways(centre, first, second) == [wanted, wanted]


def test_of_two_words_at_one_time_the_larger_stands(centre: SmallCentre) -> None:
    first = dossier("c1", MIDNIGHT, KNOWN | {"finished": None, "field": "land", "state": "received"})
    second = dossier("c1", MIDNIGHT, KNOWN | {"finished": MIDNIGHT, "field": "health", "state": None})
    wanted = KNOWN | {"finished": MIDNIGHT, "field": "land", "state": "received"}
    assert _both_ways(centre, first, second) == [wanted, wanted]


def test_returned_closes_where_nothing_was_finished(centre: SmallCentre) -> None:
    _apply(centre, dossier("c1", MIDNIGHT, KNOWN | {"finished": None, "returned": MIDNIGHT + 2 * DAY}))
    assert _counted(centre, "o1") == {"opened": 1, "due": 1, "closed": 1}
    _apply_next(centre, dossier("c1", MIDNIGHT + 1, KNOWN | {"finished": MIDNIGHT}))
    assert _counted(centre, "o1") == {"opened": 1, "due": 1, "closed": 1, "closed_on_time": 1, "due_on_time": 1}


def _apply_next(centre: SmallCentre, sent: Sent) -> None:
    """One more record, after those that were applied by offset 0."""
    ingest = centre.ingest()
    (records,) = Offsets().batch(sent).records.values()
    position = ingest._positions[sent.partition].next_offset
    batch = Offsets().batch(sent)
    batch.records[sent.partition] = [structs.replace(records[0], offset=position)]
    ingest.apply(batch, ARRIVAL)


def test_a_transfer_to_another_office_moves_all_that_was_counted(centre: SmallCentre) -> None:
    closed = KNOWN | {"finished": MIDNIGHT, "channel": "online"}
    _apply(centre, dossier("c1", MIDNIGHT, closed))
    before = _counted(centre, "o1")
    assert before == dict.fromkeys(("opened", "opened_online", "due", "due_on_time", "closed", "closed_on_time"), 1)
    assert _counted(centre, "u-top") == before
    _apply_next(centre, dossier("c1", MIDNIGHT + 1, closed | {"office": "o3"}))
    assert _counted(centre, "o1") == _counted(centre, "u-l1") == _counted(centre, "u-m1") == {}
    assert _counted(centre, "o3") == _counted(centre, "u-same") == _counted(centre, "u-top") == before


def test_a_transition_counts_for_the_unit_of_its_own_time(centre: SmallCentre) -> None:
    """Opened under the old commune, due under the new one; the centre covers both."""
    _apply(centre, dossier("c1", MIDNIGHT, KNOWN))
    assert _counted(centre, "u-l1") == _counted(centre, "u-d1") == {"opened": 1}
    assert _counted(centre, "u-m1") == {"due": 1}
    assert _counted(centre, "c-d1") == _counted(centre, "u-top") == {"opened": 1, "due": 1}


def test_a_case_without_a_due_time_is_in_no_cohort(centre: SmallCentre) -> None:
    _apply(centre, dossier("c1", MIDNIGHT, KNOWN | {"due": None, "finished": MIDNIGHT}))
    assert _counted(centre, "o1") == {"opened": 1, "closed": 1}


@pytest.mark.parametrize(("late_by", "on_time"), [(-1, 1), (0, 1), (1, 0)])
def test_closed_at_the_due_time_is_on_time(centre: SmallCentre, late_by: int, on_time: int) -> None:
    _apply(centre, dossier("c1", MIDNIGHT + DAY + HOUR, KNOWN | {"finished": MIDNIGHT + DAY + late_by}))
    counted = _counted(centre, "u-top")
    assert counted["due"] == 1
    assert counted.get("due_on_time", 0) == counted.get("closed_on_time", 0) == on_time


def test_the_same_case_of_two_origins_is_two_cases(centre: SmallCentre) -> None:
    simulated = dossier("c1", MIDNIGHT, KNOWN | {"office": "o3"}, origin=2)
    _apply(centre, dossier("c1", MIDNIGHT, KNOWN), simulated)
    assert stored(centre.store).cases.keys() == {("c1", 0), ("c1", 2)}


def test_a_case_counts_on_where_its_office_has_left_the_territory(centre: SmallCentre) -> None:
    """What was counted for an office must be taken back though nobody may report for it any more."""
    _apply(centre, dossier("c1", MIDNIGHT, KNOWN))
    centre.places.assets.pop("o1")
    _apply_next(centre, dossier("c1", MIDNIGHT + 1, KNOWN | {"office": "o3"}))
    assert _counted(centre, "o1") == {}
    assert _counted(centre, "u-top") == {"opened": 1, "due": 1}


@pytest.mark.slow
@pytest.mark.real_data
def test_the_boston_cases_give_the_on_time_rate_of_the_file(centre: SmallCentre, real_data: Path) -> None:
    """Due and closed times of a real city: 1,796 of 2,527 on time (71.1 %), those without a due time left out."""
    with (real_data / "service/boston_311_2011-07_first3000.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    history = [_boston(number, row) for number, row in enumerate(rows)]
    assert len(history) == 3_000
    ingest = centre.ingest(replace(SETTINGS, batch=500))
    centre.broker.append("ioc.dossiers", [one.record for one in history], ARRIVAL)
    while ingest.step(ARRIVAL):
        pass
    counted = _counted(centre, "c-all")
    assert (counted["due_on_time"], counted["due"]) == (1_796, 2_527)
    assert counted["opened"] == 3_000
    # The city's own flag counts cases without a due time as on time; of the others it says the same.
    with_due = [row for row in rows if row["target_dt"]]
    flagged = sum(row["ontime"] == "ONTIME" for row in with_due)
    open_on_time = sum(row["ontime"] == "ONTIME" and not row["closed_dt"] for row in with_due)
    assert counted["due_on_time"] == flagged - open_on_time


def _boston(number: int, row: dict[str, str]) -> Sent:
    def _at(column: str) -> int | None:
        text = row[column]
        if not text:
            return None
        return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York")).timestamp() * 1000)

    received = _at("open_dt")
    assert received is not None
    fields: dict[str, str | int | None] = {
        "office": f"o{1 + number % 3}",
        "received": received,
        "due": _at("target_dt"),
        "finished": _at("closed_dt"),
    }
    assert transitions(fields)
    return dossier(row["case_enquiry_id"], MIDNIGHT, fields)
