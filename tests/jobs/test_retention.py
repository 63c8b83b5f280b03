"""Keeping times: whole buckets go, never before what stands above was made; what comes too late goes a level up."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ioc.jobs import forgetting
from ioc.jobs.forgetting import KeepingRules, forget
from ioc.jobs.rollups import roll_up
from ioc.model.columns import Integers
from ioc.model.windows import BY_ID, LEVELS, Keeping, bucket_start
from ioc.store import rolling
from tests.streams.history import (
    ARRIVAL,
    DAY,
    HOUR,
    MINUTE,
    Offsets,
    Sent,
    air,
    bad,
    dossier,
    flow,
    histories,
    shuffled,
)
from tests.streams.oracle import LEVELS as NAMES
from tests.streams.oracle import STALE, WIDTHS, expected
from tests.streams.small_centre import DAY_OFFSET, MIDNIGHT, SmallCentre, copy_centre
from tests.streams.stored import count, stored

AGES = Keeping((2 * DAY, 14 * DAY, 90 * DAY, 730 * DAY))
RULES = KeepingRules(AGES, batches=HOUR, dead_letters=7 * DAY, log=2 * DAY, day_offset=DAY_OFFSET)
DAYS_LATER = MIDNIGHT + 10 * DAY


def _kept_from(centre: SmallCentre) -> tuple[int, ...]:
    with centre.store.reading() as connection:
        return rolling.load_kept_from(connection)


def _level(centre: SmallCentre, level: str, place: str = "u-top", series: str = "traffic.intensity") -> list[int]:
    """The sums of a place's windows, in order of time."""
    rows = stored(centre.store).windows[level].items()
    return [row[2] for key, row in sorted(rows) if key[:2] == (series, place)]


def test_a_level_is_kept_from_the_start_of_a_bucket_of_the_level_above_or_of_a_day() -> None:
    now = MIDNIGHT + 5 * HOUR + 7 * MINUTE + 13_000
    for level, start in zip(LEVELS[:-1], AGES.starts(now, DAY_OFFSET), strict=True):
        parent = LEVELS[level.number + 1]
        assert start == bucket_start(start, parent, DAY_OFFSET)
        assert start % DAY == 0 or not level.daily
        assert start <= now - AGES.ages[level.number] < start + (DAY if level.daily else parent.width)


def test_rows_go_only_after_what_stands_above_was_made_from_them(centre: SmallCentre) -> None:
    centre.ingest().apply(Offsets().batch(flow("a1", MIDNIGHT, vehicles=7)), ARRIVAL)
    forget(centre.store, centre.broker, RULES, DAYS_LATER)
    assert _level(centre, "10s") == [7]
    roll_up(centre.store, centre.rules)
    forget(centre.store, centre.broker, RULES, DAYS_LATER)
    assert _level(centre, "10s") == []
    assert [_level(centre, level) for level in NAMES[1:]] == [[7], [7], [7], [7]]


def test_marks_of_newer_buckets_do_not_keep_old_rows(centre: SmallCentre) -> None:
    """Where data flows, some mark always waits."""
    ingest, log = centre.ingest(), Offsets()
    ingest.apply(log.batch(flow("a1", MIDNIGHT, vehicles=7)), ARRIVAL)
    roll_up(centre.store, centre.rules)
    ingest.apply(log.batch(flow("a1", DAYS_LATER - MINUTE, vehicles=1, time=DAYS_LATER)), DAYS_LATER)
    forget(centre.store, centre.broker, RULES, DAYS_LATER)
    assert _level(centre, "10s") == [1]


def test_late_data_for_a_dropped_level_is_added_above_and_stays(centre: SmallCentre) -> None:
    ingest, log = centre.ingest(), Offsets()
    first = [flow("a1", MIDNIGHT, vehicles=7, congested=True), air("a1", MIDNIGHT, dust=10)]
    late = [
        flow("a1", MIDNIGHT + 1, vehicles=1, time=DAYS_LATER),
        flow("a2", MIDNIGHT + MINUTE, vehicles=2, congested=True, time=DAYS_LATER),
        air("a2", MIDNIGHT, dust=90, time=DAYS_LATER),
    ]
    ingest.apply(log.batch(*first), ARRIVAL)
    roll_up(centre.store, centre.rules)
    forget(centre.store, centre.broker, RULES, DAYS_LATER)
    ingest.apply(log.batch(*late), DAYS_LATER)
    roll_up(centre.store, centre.rules)
    # The next roll-up of the same bucket must not make it from the rows that are gone.
    ingest.apply(log.batch(flow("a1", MIDNIGHT + 2, vehicles=4, time=DAYS_LATER)), DAYS_LATER)
    roll_up(centre.store, centre.rules)
    history = [*first, *late, flow("a1", MIDNIGHT + 2, vehicles=4)]
    found, wanted = stored(centre.store), expected(history)
    assert found.windows["10s"] == {}
    for level in NAMES[1:]:
        assert found.windows[level] == wanted.windows[level], level


def test_a_case_that_is_closed_a_year_late_is_counted_where_its_time_is_kept(centre: SmallCentre) -> None:
    ingest, log, later = centre.ingest(), Offsets(), MIDNIGHT + 400 * DAY
    known: dict[str, str | int | None] = {"office": "o1", "received": MIDNIGHT - HOUR, "due": MIDNIGHT + HOUR}
    ingest.apply(log.batch(dossier("c1", MIDNIGHT, known)), ARRIVAL)
    roll_up(centre.store, centre.rules)
    forget(centre.store, centre.broker, RULES, later)
    closed = dossier("c1", MIDNIGHT + 1, known | {"office": "o3", "finished": MIDNIGHT}, time=later)
    ingest.apply(log.batch(closed), later)
    told: list[Integers] = []
    roll_up(centre.store, centre.rules, told.append)
    found, wanted = stored(centre.store), expected([closed])
    assert {level: bool(found.windows[level]) for level in NAMES} == {
        "10s": False, "1m": False, "15m": False, "1h": True, "1d": True,
    }  # fmt: skip
    assert found.windows["1h"] == wanted.windows["1h"]
    assert found.windows["1d"] == wanted.windows["1d"]
    assert min(keys[:, 3].min() for keys in told) == MIDNIGHT - DAY


def test_the_day_is_kept_for_ever(centre: SmallCentre) -> None:
    ingest, log, later = centre.ingest(), Offsets(), MIDNIGHT + 36_500 * DAY
    ingest.apply(log.batch(flow("a4", MIDNIGHT, vehicles=7)), ARRIVAL)
    roll_up(centre.store, centre.rules)
    forget(centre.store, centre.broker, RULES, later)
    ingest.apply(log.batch(flow("a4", MIDNIGHT + HOUR, vehicles=1, congested=True, time=later)), later)
    roll_up(centre.store, centre.rules)
    assert [_level(centre, level) for level in NAMES] == [[], [], [], [], [8]]
    assert _level(centre, "1d", series="traffic.congested") == [1]


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_all_that_is_too_old_goes_in_portions_of_any_size(
    centre: SmallCentre, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    history = [flow(asset, MIDNIGHT + step * 10_000, vehicles=1) for asset in ("a1", "a5") for step in range(50)]
    centre.ingest().apply(Offsets().batch(*history), ARRIVAL)
    centre.ingest().apply(Offsets().batch(flow("a4", DAYS_LATER, vehicles=5, time=DAYS_LATER)), DAYS_LATER)
    roll_up(centre.store, centre.rules)
    before = count(centre.store, "windows_10s")
    monkeypatch.setattr(forgetting, "OWNERS_AT_ONCE", at_once)
    dropped = forget(centre.store, centre.broker, RULES, DAYS_LATER)
    gone = before - count(centre.store, "windows_10s")
    assert gone > 100
    if centre.store.dialect == "sqlite":
        assert dropped["windows_10s"] == gone
    else:
        assert dropped["days_10s"] == 1, "PostgreSQL drops days as a whole"
    assert _level(centre, "10s") == [5]


def test_everything_else_goes_by_its_age(centre: SmallCentre) -> None:
    history = [
        replace(flow("a1", MIDNIGHT, vehicles=1), batch="b", index=0),
        bad("traffic", "a1", b"{", "unreadable"),
    ]
    centre.broker.append("ioc.traffic", [one.record for one in history], ARRIVAL)
    ingest = centre.ingest()
    ingest.step(ARRIVAL)
    tables = ("changes", "batches", "dead_letters", "source_counts")
    assert all(count(centre.store, table) for table in tables)
    assert forget(centre.store, centre.broker, RULES, ARRIVAL + MINUTE) == {}
    gone = forget(centre.store, centre.broker, RULES, ARRIVAL + 30 * DAY)
    assert gone.keys() >= {*tables, "log"}
    assert not any(count(centre.store, table) for table in tables)
    assert count(centre.store, "dead_letter_counts") == 1
    assert ingest.step(ARRIVAL + 30 * DAY) == 0
    assert count(centre.store, "gaps") == 0


def test_a_batch_that_comes_again_while_ingest_stands_still_counts_once(centre: SmallCentre) -> None:
    """Its second copy waits in the log for longer than batches are known; jobs go on meanwhile."""
    once = replace(flow("a1", MIDNIGHT, vehicles=7), batch="b", index=0)
    centre.broker.append("ioc.traffic", [once.record], ARRIVAL)
    centre.ingest().step(ARRIVAL)
    centre.broker.append("ioc.traffic", [once.record], ARRIVAL + MINUTE)
    forget(centre.store, centre.broker, RULES, ARRIVAL + DAY)
    centre.ingest().step(ARRIVAL + DAY)
    assert _level(centre, "10s") == [7]
    forget(centre.store, centre.broker, RULES, ARRIVAL + 3 * DAY)
    assert count(centre.store, "batches") == 0


# --- any history -----------------------------------------------------------------------------------------------

SHORT = Keeping((HOUR, 6 * HOUR, 2 * DAY, 30 * DAY))


@given(history=histories(), data=st.data())
@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.slow
def test_forgetting_loses_nothing_of_what_is_kept(template: Path, history: list[Sent], data: st.DataObject) -> None:
    """However roll-ups and forgetting fall between the batches, every level is right from where it is kept."""
    history = shuffled(history, data.draw(st.permutations(range(len(history)))))
    rules, now = replace(RULES, windows=SHORT, batches=10**15), MIDNIGHT - 60 * DAY
    log = Offsets()
    with tempfile.TemporaryDirectory() as folder:
        centre = copy_centre(template, Path(folder) / "centre")
        ingest = centre.ingest()
        steps: list[Callable[[], object]] = [
            lambda: roll_up(centre.store, centre.rules),
            lambda: forget(centre.store, centre.broker, rules, now),
        ]
        for one in history:
            ingest.apply(log.batch(one), ARRIVAL)
            for step in data.draw(st.lists(st.sampled_from(steps), max_size=2)):
                now += data.draw(st.sampled_from([MINUTE, HOUR, 3 * DAY]))
                step()
        roll_up(centre.store, centre.rules)
        forget(centre.store, centre.broker, rules, now)
        kept_from = _kept_from(centre)
        found, wanted = stored(centre.store), expected(history)
        centre.drop()
    for level in NAMES:
        number = BY_ID[level].number
        since = kept_from[number] if number < len(kept_from) else -(10**18)
        # What is carried over from rows that are gone by now may be missing just behind the edge.
        edge = since + STALE + WIDTHS[level]
        kept = {
            key: row
            for key, row in wanted.windows[level].items()
            if key[3] >= (edge if key[0] == "traffic.congested" else since)
        }
        assert {key: row for key, row in found.windows[level].items() if key in kept or key[3] >= edge} == kept, level
        assert all(key[3] >= since for key in found.windows[level])
