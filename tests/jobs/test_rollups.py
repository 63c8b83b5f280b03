"""Roll-ups: redone for late data at all levels, nothing lost that arrives meanwhile, the same however it is cut."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ioc.errors import StoreError
from ioc.jobs import rollups
from ioc.jobs.rollups import roll_up
from ioc.model.columns import Integers
from ioc.model.windows import LEVELS, Level
from ioc.store import rolling, writing
from ioc.store.engine import Connection
from tests.streams.history import ARRIVAL, DAY, HOUR, MINUTE, Offsets, Sent, air, dossier, flow
from tests.streams.oracle import LEVELS as NAMES
from tests.streams.oracle import expected
from tests.streams.small_centre import MIDNIGHT, SmallCentre
from tests.streams.stored import assert_same, count, stored

EVENING = [
    flow("a1", MIDNIGHT - 3 * MINUTE, vehicles=10, speed=3_000, congested=True),
    flow("a3", MIDNIGHT - 2 * MINUTE, vehicles=5, speed=4_500, congested=True),
    air("a2", MIDNIGHT - 2 * MINUTE, dust=31, noise=70),
    dossier("c1", MIDNIGHT, {"office": "o1", "received": MIDNIGHT - HOUR, "due": MIDNIGHT + HOUR}),
]
LATE = [
    flow("a1", MIDNIGHT - 3 * MINUTE + 1, vehicles=1, speed=100),
    flow("a2", MIDNIGHT - 1, vehicles=3, speed=200, congested=True),
    air("a1", MIDNIGHT - 2 * MINUTE, dust=90),
    dossier("c1", MIDNIGHT + 1, {"office": "o1", "received": MIDNIGHT - 2 * HOUR, "due": MIDNIGHT + HOUR}),
]


def test_late_data_is_in_all_levels_after_the_next_roll_up(centre: SmallCentre) -> None:
    ingest, log = centre.ingest(), Offsets()
    ingest.apply(log.batch(*EVENING), ARRIVAL)
    roll_up(centre.store, centre.rules)
    assert_same(stored(centre.store), expected(EVENING))
    ingest.apply(log.batch(*LATE), ARRIVAL)
    assert roll_up(centre.store, centre.rules) > 0
    assert_same(stored(centre.store), expected(EVENING + LATE))


def test_what_is_rolled_up_is_not_marked_any_more(centre: SmallCentre) -> None:
    centre.ingest().apply(Offsets().batch(*EVENING), ARRIVAL)
    assert count(centre.store, "marks") > 0
    assert roll_up(centre.store, centre.rules) > 0
    assert count(centre.store, "marks") == 0
    assert roll_up(centre.store, centre.rules) == 0


@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: level.id)
def test_marks_that_are_appended_meanwhile_are_not_lost(
    centre: SmallCentre, monkeypatch: pytest.MonkeyPatch, level: Level
) -> None:
    """Late data comes in after the marks of one level were read and before they are deleted."""
    ingest, log, late = centre.ingest(), Offsets(), list(LATE)
    read_marks = writing.read_marks

    def _reading(connection: Connection, of: Level, limit: int) -> list[tuple[int, bytes]]:
        read = read_marks(connection, of, limit)
        if of is level and read and late:
            ingest.apply(log.batch(*late), ARRIVAL)
            late.clear()
        return read

    monkeypatch.setattr(writing, "read_marks", _reading)
    ingest.apply(log.batch(*EVENING), ARRIVAL)
    roll_up(centre.store, centre.rules)
    assert not late
    assert count(centre.store, "marks") > 0
    roll_up(centre.store, centre.rules)
    assert_same(stored(centre.store), expected(EVENING + LATE))


@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: level.id)
@pytest.mark.parametrize("reader", ["windows_below", "windows_between"])
@pytest.mark.parametrize("rolls_up_too", [False, True], ids=["late data", "late data and another roll-up"])
def test_what_happens_between_reading_and_writing_is_not_lost(
    centre: SmallCentre, monkeypatch: pytest.MonkeyPatch, level: Level, reader: str, rolls_up_too: bool
) -> None:
    """A chunk is computed before the transaction that writes it; older results never stay in place of newer ones."""
    ingest, log, late = centre.ingest(), Offsets(), list(LATE)
    read = getattr(rolling, reader)

    def _reading(connection: Connection, of: Level, *rest: Any) -> Integers:
        found: Integers = read(connection, of, *rest)
        if of is level and late:
            batch = log.batch(*late)
            late.clear()
            ingest.apply(batch, ARRIVAL)
            if rolls_up_too:
                roll_up(centre.store, centre.rules)
        return found

    monkeypatch.setattr(rolling, reader, _reading)
    ingest.apply(log.batch(*EVENING), ARRIVAL)
    roll_up(centre.store, centre.rules)
    assert not late
    if not rolls_up_too:
        assert count(centre.store, "marks") > 0
        roll_up(centre.store, centre.rules)
    assert count(centre.store, "marks") == 0
    assert_same(stored(centre.store), expected(EVENING + LATE))


@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: level.id)
def test_a_roll_up_that_breaks_off_is_done_again(
    centre: SmallCentre, monkeypatch: pytest.MonkeyPatch, level: Level
) -> None:
    centre.ingest().apply(Offsets().batch(*EVENING), ARRIVAL)
    read: list[Level] = []
    read_marks, delete_marks = writing.read_marks, writing.delete_marks

    def _reading(connection: Connection, of: Level, limit: int) -> list[tuple[int, bytes]]:
        read.append(of)
        return read_marks(connection, of, limit)

    def _deleting(connection: Connection, ids: list[int]) -> None:
        if read[-1] is level:
            raise StoreError("the disk is full")
        delete_marks(connection, ids)

    with monkeypatch.context() as broken:
        broken.setattr(writing, "read_marks", _reading)
        broken.setattr(writing, "delete_marks", _deleting)
        with pytest.raises(StoreError):
            roll_up(centre.store, centre.rules)
    roll_up(centre.store, centre.rules)
    assert_same(stored(centre.store), expected(EVENING))


def test_small_pieces_come_to_the_same(centre: SmallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    """One mark, one key and one asset window at a time: no window depends on what is made together with it."""
    monkeypatch.setattr(writing, "KEYS_PER_MARK", 1)
    monkeypatch.setattr(rollups, "MARKS_AT_ONCE", 1)
    monkeypatch.setattr(rollups, "KEYS_AT_ONCE", 1)
    monkeypatch.setattr(rollups, "WINDOWS_AT_ONCE", 1)
    ingest, log = centre.ingest(), Offsets()
    for one in (*LATE, *EVENING):
        ingest.apply(log.batch(one), ARRIVAL)
    roll_up(centre.store, centre.rules)
    assert_same(stored(centre.store), expected(EVENING + LATE))


def test_the_local_day_begins_at_five_in_the_afternoon_utc(centre: SmallCentre) -> None:
    evening, morning = flow("a4", MIDNIGHT - 1, vehicles=1), flow("a4", MIDNIGHT, vehicles=2)
    centre.ingest().apply(Offsets().batch(evening, morning), ARRIVAL)
    roll_up(centre.store, centre.rules)
    days = {
        start: row[2]
        for (series, place, _, start), row in stored(centre.store).windows["1d"].items()
        if (series, place) == ("traffic.intensity", "u-same")
    }
    begin = round(datetime(2025, 6, 30, 17, tzinfo=UTC).timestamp() * 1000)
    assert days == {begin - DAY: 1, begin: 2}


def test_what_is_taken_back_leaves_no_zero_rows_at_any_level(centre: SmallCentre) -> None:
    ingest, log = centre.ingest(), Offsets()
    known: dict[str, str | int | None] = {
        "office": "o1",
        "received": MIDNIGHT - HOUR,
        "due": MIDNIGHT + HOUR,
        "finished": MIDNIGHT,
    }
    ingest.apply(log.batch(dossier("c1", MIDNIGHT, known)), ARRIVAL)
    roll_up(centre.store, centre.rules)
    closed = "dossiers.closed_on_time"
    assert all(_places(centre, level, closed) == {"o1", "u-m1", "u-top", "c-all", "c-d1"} for level in NAMES)
    ingest.apply(log.batch(dossier("c1", MIDNIGHT + 1, known | {"finished": None})), ARRIVAL)
    roll_up(centre.store, centre.rules)
    assert all(_places(centre, level, closed) == set() for level in NAMES)
    assert all("o1" in _places(centre, level, "dossiers.opened") for level in NAMES)


def _places(centre: SmallCentre, level: str, series: str) -> set[str]:
    return {place for one, place, _, _ in stored(centre.store).windows[level] if one == series}


def test_days_that_changed_are_told_before_their_marks_are_gone(centre: SmallCentre) -> None:
    opened = centre.registry.series["dossiers.opened"]
    received = MIDNIGHT - 3 * DAY + HOUR
    sent = dossier("c1", MIDNIGHT, {"office": "o1", "received": received})
    centre.ingest().apply(Offsets().batch(sent), ARRIVAL)

    def _die(_: Integers) -> None:
        raise StoreError("the program died here")

    with pytest.raises(StoreError):
        roll_up(centre.store, centre.rules, _die)
    told: list[Integers] = []
    roll_up(centre.store, centre.rules, told.append)
    numbers = sorted(centre.registry.places[place] for place in ("o1", "u-l1", "u-d1", "u-top", "c-all", "c-d1"))
    assert [keys.tolist() for keys in told] == [[[opened, place, 0, MIDNIGHT - 3 * DAY] for place in numbers]]
    roll_up(centre.store, centre.rules, told.append)
    assert len(told) == 1


def test_last_values_are_carried_until_they_are_stale(centre: SmallCentre) -> None:
    """a1 is congested and falls silent; a4 goes on, so that the minutes have windows."""
    at = MIDNIGHT + HOUR
    history = [flow("a1", at, congested=True), *(flow("a4", at + step * MINUTE) for step in range(8))]
    centre.ingest().apply(Offsets().batch(*history), ARRIVAL)
    roll_up(centre.store, centre.rules)
    congested = {
        (start - at) // MINUTE: row[2]
        for (series, place, _, start), row in stored(centre.store).windows["1m"].items()
        if (series, place) == ("traffic.congested", "u-top")
    }
    # Stale after 3 × 60 s + 30 s: the fourth minute begins 240 s after the observation.
    assert congested == {0: 1, 1: 1, 2: 1, 3: 1, 4: 0, 5: 0, 6: 0, 7: 0}


def test_origins_are_never_added_together(centre: SmallCentre) -> None:
    history: list[Sent] = [
        flow("a1", MIDNIGHT, vehicles=1, congested=True, origin=0),
        flow("a1", MIDNIGHT, vehicles=2, origin=2),
        flow("a2", MIDNIGHT, vehicles=4, congested=True, origin=3),
    ]
    centre.ingest().apply(Offsets().batch(*history), ARRIVAL)
    roll_up(centre.store, centre.rules)
    found = stored(centre.store)
    assert_same(found, expected(history))
    tops = {key[2]: row[2] for key, row in found.windows["1d"].items() if key[:2] == ("traffic.intensity", "u-top")}
    assert tops == {0: 1, 2: 2, 3: 4}
