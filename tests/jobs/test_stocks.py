"""Stocks of cases: now, at the ends of days, and restated when a late report changes the past."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ioc.jobs.rollups import roll_up
from ioc.jobs.stocks import StockWatch
from ioc.model.columns import Integers
from tests.streams.history import DAY, HOUR, MINUTE, Offsets, Sent, dossier, shuffled
from tests.streams.oracle import above, expected
from tests.streams.small_centre import DAY_OFFSET, MIDNIGHT, SmallCentre, copy_centre
from tests.streams.stored import stored

OPEN, OVERDUE = "dossiers.open", "dossiers.overdue"
NOW = MIDNIGHT + 4 * DAY + 5 * HOUR


def _now(centre: SmallCentre, series: str = OPEN) -> dict[str, int]:
    """The newest stock of each place, of live dossiers, without zeros."""
    latest = stored(centre.store).latest.items()
    return {place: value for (one, place, origin), (_, _, value) in latest if one == series and origin == 0 and value}


def _day_ends(centre: SmallCentre, place: str, series: str = OPEN) -> dict[int, int]:
    """By days after the reform, the stock at the end of the day."""
    rows = stored(centre.store).windows["1d"].items()
    return {(start - MIDNIGHT) // DAY: row[6] for (one, of, _, start), row in rows if (one, of) == (series, place)}


def _catch_up(centre: SmallCentre, watch: StockWatch, now: int = NOW) -> None:
    """What the jobs do, as `ioc.processes.jobs` joins it."""

    def _days_changed(keys: Integers) -> None:
        watch.count_days(keys, now)

    roll_up(centre.store, centre.rules, _days_changed)
    watch.count(now)
    roll_up(centre.store, centre.rules, _days_changed)  # takes what both have counted up to the days


def _report(case: str, modified: int, fields: Mapping[str, int | str | None]) -> Sent:
    return dossier(case, modified, fields, time=NOW + HOUR)


def _known(office: str = "o1", **fields: int | str | None) -> dict[str, int | str | None]:
    return {"office": office, "received": MIDNIGHT + HOUR, "due": MIDNIGHT + 2 * DAY, **fields}


def test_open_and_overdue_are_counted_at_offices_and_all_places_above(centre: SmallCentre) -> None:
    history = [
        _report("c1", NOW, _known()),
        _report("c2", NOW, _known(due=NOW + HOUR)),
        _report("c3", NOW, _known("o3", due=None)),
        _report("c4", NOW, _known("o3", finished=NOW - HOUR)),
    ]
    centre.ingest().apply(Offsets().batch(*history), NOW)
    centre.watch().count(NOW)
    assert _now(centre) == {"o1": 2, "o3": 1, "u-m1": 2, "u-same": 1, "u-top": 3, "c-all": 3, "c-d1": 2}
    assert _now(centre, OVERDUE) == {"o1": 1, "u-m1": 1, "u-top": 1, "c-all": 1, "c-d1": 1}


def test_time_alone_makes_cases_overdue(centre: SmallCentre) -> None:
    watch = centre.watch()
    centre.ingest().apply(Offsets().batch(_report("c1", MIDNIGHT, _known(due=NOW))), NOW)
    watch.count(NOW)
    assert "o1" not in _now(centre, OVERDUE)
    watch.count(NOW + 1)
    assert _now(centre, OVERDUE)["o1"] == 1


def test_a_quiet_second_writes_nothing_and_a_new_minute_writes_again(centre: SmallCentre) -> None:
    watch = centre.watch()
    centre.ingest().apply(Offsets().batch(_report("c1", MIDNIGHT, _known())), NOW)
    assert watch.count(NOW) > 0
    assert watch.count(NOW + 1_000) == 0
    assert watch.count(NOW + MINUTE) > 0


def test_zero_when_the_last_case_is_closed(centre: SmallCentre) -> None:
    ingest, log, watch = centre.ingest(), Offsets(), centre.watch()
    ingest.apply(log.batch(_report("c1", MIDNIGHT, _known())), NOW)
    watch.count(NOW)
    assert _now(centre)["u-top"] == 1
    ingest.apply(log.batch(_report("c1", MIDNIGHT + 1, _known(finished=MIDNIGHT + DAY))), NOW)
    watch.count(NOW + 2_000)
    assert _now(centre) == {}
    assert stored(centre.store).latest[OPEN, "u-top", 0][2] == 0


def test_days_gone_by_have_their_stock_at_their_last_moment(centre: SmallCentre) -> None:
    centre.ingest().apply(Offsets().batch(_report("c1", NOW, _known(finished=MIDNIGHT + 3 * DAY + HOUR))), NOW)
    _catch_up(centre, centre.watch())
    assert _day_ends(centre, "o1") == {0: 1, 1: 1, 2: 1, 3: 0, 4: 0}
    assert _day_ends(centre, "c-d1") == {0: 1, 1: 1, 2: 1, 3: 0, 4: 0}
    assert _day_ends(centre, "o1", OVERDUE) == {0: 0, 1: 0, 2: 1, 3: 0, 4: 0}
    minutes = stored(centre.store).windows["1m"]
    assert minutes[OPEN, "o1", 0, MIDNIGHT + DAY - MINUTE][6] == 1


def test_a_late_report_restates_the_past(centre: SmallCentre) -> None:
    ingest, log, watch = centre.ingest(), Offsets(), centre.watch()
    ingest.apply(log.batch(_report("c1", MIDNIGHT + HOUR, _known())), NOW)
    _catch_up(centre, watch)
    assert _day_ends(centre, "u-top") == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}
    ingest.apply(log.batch(_report("c1", NOW, _known(finished=MIDNIGHT + DAY + HOUR))), NOW)
    _catch_up(centre, watch, NOW + MINUTE)
    assert _day_ends(centre, "u-top") == {0: 1, 1: 0, 2: 0, 3: 0, 4: 0}
    assert _day_ends(centre, "u-top", OVERDUE) == {0: 0, 1: 0, 2: 0, 3: 0, 4: 0}


def test_a_case_that_goes_to_another_office_takes_its_past_along(centre: SmallCentre) -> None:
    ingest, log, watch = centre.ingest(), Offsets(), centre.watch()
    ingest.apply(log.batch(_report("c1", MIDNIGHT + HOUR, _known("o1"))), NOW)
    _catch_up(centre, watch)
    ingest.apply(log.batch(_report("c1", NOW, _known("o3"))), NOW)
    _catch_up(centre, watch, NOW + MINUTE)
    assert set(_day_ends(centre, "o1").values()) == {0}
    assert set(_day_ends(centre, "u-m1").values()) == {0}
    assert set(_day_ends(centre, "o3").values()) == {1}
    assert set(_day_ends(centre, "u-top").values()) == {1}


def test_units_of_the_past_keep_the_stocks_of_their_days(centre: SmallCentre) -> None:
    """Before the reform o1 lay in u-l1; the case stayed open across it."""
    sent = _report("c1", NOW, {"office": "o1", "received": MIDNIGHT - 2 * DAY})
    centre.ingest().apply(Offsets().batch(sent), NOW)
    _catch_up(centre, centre.watch())
    assert _day_ends(centre, "u-l1") == {-2: 1, -1: 1}
    assert _day_ends(centre, "u-m1") == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}
    assert _day_ends(centre, "c-d1") == {-2: 1, -1: 1, 0: 1, 1: 1, 2: 1, 3: 1, 4: 1}


# --- any history -----------------------------------------------------------------------------------------------

_hours = st.integers(-50, 90).map(lambda hour: MIDNIGHT + hour * HOUR)


@st.composite
def _reports(draw: st.DrawFn) -> Sent:
    fields: dict[str, str | int | None] = {
        "office": draw(st.sampled_from(["o1", "o2", "o3"])),
        "received": draw(_hours),
    }
    for name in ("due", "finished"):
        if draw(st.booleans()):
            fields[name] = draw(st.one_of(st.none(), _hours))
    return _report(draw(st.sampled_from(["c1", "c2", "c3"])), NOW + draw(st.integers(0, 3)), fields)


def _wanted(history: Sequence[Sent]) -> dict[tuple[str, str, int], int]:
    """(series, place, day) → the stock when the day ends, or now, by asking of each case at each time."""
    cases = expected(history).cases
    counts: Counter[tuple[str, str, int]] = Counter()
    for (_, _), fields in cases.items():
        office, received, due, finished = (fields.get(name) for name in ("office", "received", "due", "finished"))
        assert isinstance(received, int)
        for day in range(-5, 5):
            end = min(MIDNIGHT + (day + 1) * DAY, NOW)
            is_open = received < end and not (isinstance(finished, int) and finished < end)
            if day == 4:  # now: whatever is not closed
                is_open = finished is None
            for place in (str(office), *above(str(office), end - 1)):
                counts[OPEN, place, day] += is_open
                counts[OVERDUE, place, day] += is_open and isinstance(due, int) and due < end
    return {key: count for key, count in counts.items() if count}


@given(history=st.lists(_reports(), min_size=1, max_size=8), data=st.data())
@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_any_order_of_reports_comes_to_the_same_stocks(
    template: Path, history: list[Sent], data: st.DataObject
) -> None:
    history = shuffled(history, data.draw(st.permutations(range(len(history)))))
    with tempfile.TemporaryDirectory() as folder:
        centre, log = copy_centre(template, Path(folder) / "centre"), Offsets()
        ingest, watch = centre.ingest(), centre.watch()
        for one in history:
            ingest.apply(log.batch(one), NOW)
            if data.draw(st.booleans()):
                _catch_up(centre, watch)
        _catch_up(centre, watch)
        days = stored(centre.store).windows["1d"]
        centre.drop()
    found = {
        (series, place, (start - MIDNIGHT) // DAY): row[6]
        for (series, place, _, start), row in days.items()
        if series in (OPEN, OVERDUE) and row[6]
    }
    assert found == _wanted(history)
    assert all((start + DAY_OFFSET) % DAY == 0 for _, _, _, start in days)
