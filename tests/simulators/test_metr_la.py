import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators import metr_la
from simulators.errors import SimulatorError
from simulators.metr_la import FIRST_ROW, STEP, MetrLa
from simulators.places import Territory

NOW = datetime(2026, 11, 21, 10, 3, tzinfo=UTC)


@pytest.fixture
def small() -> MetrLa:
    return MetrLa(("7", "3", "5"), np.array([[60.0, 50.0, 40.0], [61.0, 51.0, 41.0], [62.0, 52.0, 42.0]]))


def told(data: MetrLa, places: Territory, **more: Any) -> list[dict[str, Any]]:
    table = metr_la.mapping(data.sensors, places.segments)
    rows = metr_la.rows_to_send(data, table, more.pop("shifted", timedelta()), **more)
    return [json.loads(line) for row in rows for line in row.lines]


def test_sensors_stand_on_segments_in_file_order(small: MetrLa, places: Territory) -> None:
    ids = sorted(segment.id for segment in places.segments)
    assert [(name, s.id) for name, s in metr_la.mapping(small.sensors, places.segments)] == [
        ("7", ids[0]),
        ("3", ids[1]),
        ("5", ids[2]),
    ]
    assert len(metr_la.mapping(small.sensors, places.segments[:2])) == 2


def test_a_reading_is_a_speed_of_five_minutes_and_nothing_else(small: MetrLa, places: Territory) -> None:
    assert told(small, places)[4] == {
        "id": "urn:ngsi-ld:TrafficFlowObserved:metr-la:3",
        "type": "TrafficFlowObserved",
        "refRoadSegment": sorted(segment.id for segment in places.segments)[1],
        "dateObserved": "2012-03-01T08:05:00Z/2012-03-01T08:10:00Z",
        "averageVehicleSpeed": 82.077,
    }


@pytest.mark.parametrize("speed", [0, 1, 60, 100_000])
@pytest.mark.parametrize("rows", [1, 288, 864])
def test_times_move_by_whole_days_and_no_row_is_sent_before_its_time(rows: int, speed: float) -> None:
    shifted = metr_la.shift(rows, speed, NOW)
    assert shifted % timedelta(days=1) == timedelta()
    played = STEP * (rows - 1) / speed if speed else timedelta()
    last = FIRST_ROW + STEP * rows + shifted
    assert NOW + played - timedelta(days=1) < last <= NOW + played
    assert FIRST_ROW + STEP + shifted <= NOW


def test_gaps_are_repeatable_outages_of_the_share_asked(small: MetrLa, places: Territory) -> None:
    missing = metr_la.gaps((864, 207), 7, 0.05)
    assert (missing == metr_la.gaps((864, 207), 7, 0.05)).all()
    assert (missing != metr_la.gaps((864, 207), 8, 0.05)).any()
    assert missing.mean() == pytest.approx(0.05, abs=0.0005)
    starts = missing[1:] & ~missing[:-1]
    assert missing.sum() / max(1, starts.sum()) > 5  # half hours, not single readings
    assert len(told(small, places, missing=np.eye(3, dtype=np.bool_))) == 6


def test_max_and_rows_each_cut_the_requests(small: MetrLa, places: Territory) -> None:
    table = metr_la.mapping(small.sensors, places.segments)

    def counts(rows_each: int, most: int | None = None) -> list[int]:
        rows = metr_la.rows_to_send(small, table, timedelta())
        return [request.count for _, request in metr_la.batches(rows, rows_each, most)]

    assert counts(1) == [3, 3, 3]
    assert counts(2) == [6, 3]
    assert counts(1, 4) == [3, 1]
    assert counts(9, 7) == [7]


def test_a_wrong_folder_or_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="does not exist"):
        metr_la.read_metr_la(tmp_path)
    (tmp_path / metr_la.FILE_NAME).write_text("a,b\n1,x\n", encoding="utf-8")
    with pytest.raises(SimulatorError, match="no table of speeds"):
        metr_la.read_metr_la(tmp_path)


@pytest.mark.real_data
def test_the_messages_say_what_the_file_says(real_data: Path, places: Territory) -> None:
    data = metr_la.read_metr_la(real_data / "traffic", days=1)
    messages = told(data, places)
    assert len(messages) == 288 * 207
    with (real_data / "traffic" / metr_la.FILE_NAME).open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    segments = sorted(segment.id for segment in places.segments)
    found = {(m["refRoadSegment"], m["dateObserved"].split("/")[0]): m["averageVehicleSpeed"] for m in messages}
    for number in (0, 100, 287):
        begin = (FIRST_ROW + STEP * number).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for column in range(len(header)):
            assert found[segments[column], begin] == pytest.approx(float(rows[number][column]) * 1.609344, abs=0.0005)
