"""A zombie: of two programs that read the same records only one may apply them, and the other leaves no trace."""

from dataclasses import replace

import pytest

from ioc.streams.ingest import Overtaken
from tests.databases import everything
from tests.streams.history import ARRIVAL, Sent
from tests.streams.long_history import long_history
from tests.streams.oracle import expected
from tests.streams.small_centre import ALL_FEEDS, SmallCentre
from tests.streams.stored import count, stored


def _append(centre: SmallCentre, history: list[Sent]) -> None:
    for feed in ALL_FEEDS.values():
        centre.broker.append(feed.topic, [one.record for one in history if one.feed == feed.id], ARRIVAL)


def test_the_second_commit_of_the_same_records_changes_nothing(centre: SmallCentre) -> None:
    history = long_history(5, 120)
    _append(centre, history)
    one, other = centre.ingest(), centre.ingest()
    batch, same = one.read(), other.read()
    one.apply(batch, ARRIVAL)
    before = everything(centre.store)
    with pytest.raises(Overtaken, match="another ingest has applied"):
        other.apply(same, ARRIVAL)
    assert everything(centre.store) == before
    assert stored(centre.store).windows["10s"] == expected(history).windows["10s"]


def test_overtaken_in_one_partition_only_the_whole_batch_is_thrown_away(centre: SmallCentre) -> None:
    """The zombie's other partitions were still its own: they must be left to whoever reads them next."""
    history = long_history(6, 60)
    _append(centre, [one for one in history if one.feed == "traffic"])
    one, other = centre.ingest(), centre.ingest()
    one.apply(one.read(), ARRIVAL)
    _append(centre, [one for one in history if one.feed != "traffic"])
    before = everything(centre.store)
    with pytest.raises(Overtaken):
        other.apply(other.read(), ARRIVAL)
    assert everything(centre.store) == before


def test_started_again_it_goes_on_from_what_is_stored(centre: SmallCentre) -> None:
    history = long_history(7, 60)
    _append(centre, history)
    one, other = centre.ingest(), centre.ingest()
    one.step(ARRIVAL)
    with pytest.raises(Overtaken):
        other.step(ARRIVAL)
    other.start(ARRIVAL)
    assert other.step(ARRIVAL) == 0
    assert stored(centre.store).windows["10s"] == expected(history).windows["10s"]


def test_a_position_that_moved_ahead_is_caught(centre: SmallCentre) -> None:
    """A client that resumes too far ahead (as one once did) must not be able to skip records silently."""
    history = long_history(8, 60)
    _append(centre, history)
    ingest = centre.ingest()
    batch = ingest.read()
    for partition, position in list(ingest._positions.items()):
        ingest._positions[partition] = replace(position, next_offset=position.next_offset + 1)
    with pytest.raises(Overtaken):
        ingest.apply(batch, ARRIVAL)
    assert count(centre.store, "windows_10s") == 0


def test_readers_are_told_of_each_commit_in_order(centre: SmallCentre) -> None:
    history = long_history(9, 40)
    ingest = centre.ingest()
    for at in range(0, len(history), 10):
        _append(centre, history[at : at + 10])
        ingest.step(ARRIVAL + at)
    with centre.store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT writer, n, at FROM changes ORDER BY n").fetchall()
    assert [tuple(row) for row in rows] == [("ingest", n + 1, ARRIVAL + 10 * n) for n in range(len(rows))]
    assert rows
