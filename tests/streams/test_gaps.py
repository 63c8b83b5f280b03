"""What the log no longer has when it is asked for is a gap: written down, reported, and not in the way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ioc.broker.embedded import EmbeddedBroker
from ioc.store.engine import Store
from tests.streams.history import ARRIVAL, DAY, MINUTE, Sent, flow
from tests.streams.small_centre import ALL_FEEDS, MIDNIGHT, PARTITIONS, SETTINGS, SmallCentre, open_centre
from tests.streams.stored import count, stored

TOPIC = "ioc.traffic"
ONE_BY_ONE = replace(SETTINGS, batch=1)


def _vehicles(count_: int, vehicles: int = 1) -> list[Sent]:
    """Records of one segment: one partition."""
    return [flow("a4", MIDNIGHT + step * MINUTE, vehicles=vehicles) for step in range(count_)]


def _total(store: Store) -> int:
    rows = stored(store).windows["10s"].items()
    return sum(row[2] for key, row in rows if key[:2] == ("traffic.intensity", "a4"))


def _gaps(store: Store) -> list[tuple[str, int, int, int]]:
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT topic, from_offset, to_offset, noticed_at FROM gaps ORDER BY id")
        return [tuple(row) for row in rows]


def _made_anew(folder: Path) -> EmbeddedBroker:
    for path in folder.glob("log.db*"):
        path.unlink()
    broker = EmbeddedBroker(folder / "log.db")
    for feed in ALL_FEEDS.values():
        broker.ensure_topic(feed.topic, PARTITIONS)
    return broker


def _shortened(centre: SmallCentre, records: list[Sent]) -> None:
    """Ten records of long ago, of which the log keeps none, and then some new ones."""
    centre.broker.append(TOPIC, [one.record for one in records], ARRIVAL)
    centre.broker.forget_before(ARRIVAL + DAY)
    centre.broker.append(TOPIC, [one.record for one in _vehicles(3, 100)], ARRIVAL + 2 * DAY)


def test_a_log_shortened_beyond_the_position_leaves_a_gap(centre: SmallCentre) -> None:
    centre.broker.append(TOPIC, [one.record for one in _vehicles(2)], ARRIVAL)
    while centre.ingest(ONE_BY_ONE).step(ARRIVAL):
        pass
    _shortened(centre, _vehicles(10))
    ingest = centre.ingest(start=ARRIVAL + 3 * DAY)
    assert ingest.step(ARRIVAL + 3 * DAY) == 3
    assert _gaps(centre.store) == [(TOPIC, 2, 12, ARRIVAL + 3 * DAY)]
    assert _total(centre.store) == 2 + 300
    centre.ingest()
    assert count(centre.store, "gaps") == 1


def test_it_is_seen_too_while_ingest_runs(centre: SmallCentre) -> None:
    """A stopped disk or a long pause: the log's keeping time passes the reader."""
    ingest = centre.ingest()
    _shortened(centre, _vehicles(10))
    steps = [ingest.step(ARRIVAL + 2 * DAY) for _ in range(3)]
    assert sum(steps) == 3
    assert [gap[:3] for gap in _gaps(centre.store)] == [(TOPIC, 0, 10)]
    assert _total(centre.store) == 300


@pytest.mark.parametrize("records", [0, 2])
def test_a_log_made_anew_is_read_from_its_beginning(centre: SmallCentre, records: int) -> None:
    centre.broker.append(TOPIC, [one.record for one in _vehicles(5)], ARRIVAL)
    centre.ingest().step(ARRIVAL)
    centre.close()
    broker = _made_anew(centre.folder)
    if records:
        broker.append(TOPIC, [one.record for one in _vehicles(records, 100)], ARRIVAL)
    broker.close()
    again = open_centre(centre.folder)
    ingest = again.ingest(start=ARRIVAL)
    ingest.step(ARRIVAL)
    again.broker.append(TOPIC, [one.record for one in _vehicles(1, 1_000)], ARRIVAL)
    ingest.step(ARRIVAL)
    assert _gaps(again.store) == [(TOPIC, 5, 0, ARRIVAL)]
    assert _total(again.store) == 5 + 100 * records + 1_000
    again.close()


def test_a_log_made_anew_while_ingest_runs(centre: SmallCentre) -> None:
    centre.broker.append(TOPIC, [one.record for one in _vehicles(5)], ARRIVAL)
    ingest = centre.ingest()
    ingest.step(ARRIVAL)
    centre.broker.close()  # it opens the file of that name again when it is next used
    _made_anew(centre.folder).close()
    centre.broker.append(TOPIC, [one.record for one in _vehicles(1, 1_000)], ARRIVAL)
    for _ in range(2):
        ingest.step(ARRIVAL)
    assert [gap[:3] for gap in _gaps(centre.store)] == [(TOPIC, 5, 0)]
    assert _total(centre.store) == 1_005


def test_a_gap_in_one_partition_does_not_touch_the_others(centre: SmallCentre) -> None:
    ingest = centre.ingest()
    other = [flow("a2", MIDNIGHT, vehicles=7)]
    assert other[0].partition != _vehicles(1)[0].partition
    _shortened(centre, _vehicles(4))
    centre.broker.append(TOPIC, [one.record for one in other], ARRIVAL + 2 * DAY)
    for _ in range(3):
        ingest.step(ARRIVAL + 2 * DAY)
    assert stored(centre.store).windows["1d"] == {}
    assert stored(centre.store).latest["traffic.intensity", "a2", 0][2] == 7
    assert len(_gaps(centre.store)) == 1


def test_no_gap_where_nothing_is_lost(centre: SmallCentre) -> None:
    """What was applied may go from the log."""
    centre.broker.append(TOPIC, [one.record for one in _vehicles(5)], ARRIVAL)
    ingest = centre.ingest()
    steps: list[Callable[[], object]] = [
        lambda: ingest.step(ARRIVAL),
        lambda: centre.broker.forget_before(ARRIVAL + DAY),
        lambda: ingest.step(ARRIVAL),
        lambda: centre.ingest().step(ARRIVAL),
    ]
    for step in steps:
        step()
    assert count(centre.store, "gaps") == 0
    assert _total(centre.store) == 5
