"""What the log no longer has when it is asked for is a gap: written down, reported, and not in the way."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.kafka_topics import IDENTITY_AGE_S
from ioc.store.engine import Store
from ioc.streams.ingest import Overtaken
from tests.conftest import KafkaServer
from tests.streams.history import ARRIVAL, DAY, MINUTE, Sent, flow
from tests.streams.small_centre import (
    ALL_FEEDS,
    LOG_ADDRESS,
    MIDNIGHT,
    PARTITIONS,
    SETTINGS,
    SmallCentre,
    copy_centre,
    open_centre,
)
from tests.streams.stored import count, stored
from tests.waiting import eventually

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


@pytest.mark.parametrize("records", [5, 9])
@pytest.mark.parametrize("is_running", [False, True])
def test_a_log_made_anew_that_has_reached_the_position_is_noticed_too(
    centre: SmallCentre, records: int, is_running: bool
) -> None:
    centre.broker.append(TOPIC, [one.record for one in _vehicles(5)], ARRIVAL)
    ingest = centre.ingest()
    ingest.step(ARRIVAL)
    centre.broker.close()
    broker = _made_anew(centre.folder)
    broker.append(TOPIC, [one.record for one in _vehicles(records, 100)], ARRIVAL)
    broker.close()
    if not is_running:
        ingest = centre.ingest(start=ARRIVAL)
    for _ in range(3):
        ingest.step(ARRIVAL)
    assert [gap[:3] for gap in _gaps(centre.store)] == [(TOPIC, 5, 0)]
    assert _total(centre.store) == 5 + 100 * records


def test_who_read_the_log_before_cannot_commit_into_the_new_one(centre: SmallCentre) -> None:
    """A zombie: frozen with a batch of the old log, thawed when another has come as far in the new one."""
    centre.broker.append(TOPIC, [one.record for one in _vehicles(4)], ARRIVAL)
    zombie = centre.ingest(ONE_BY_ONE)
    for _ in range(3):
        zombie.step(ARRIVAL)
    batch = zombie.read()
    assert batch.size == 1
    centre.broker.close()
    _made_anew(centre.folder).close()
    centre.broker.append(TOPIC, [one.record for one in _vehicles(3, 100)], ARRIVAL)
    other = centre.ingest()
    other.step(ARRIVAL)
    assert _total(centre.store) == 3 + 300
    with pytest.raises(Overtaken):
        zombie.apply(batch, ARRIVAL)
    assert _total(centre.store) == 3 + 300


@pytest.mark.parametrize("records", [0, 7])
def test_a_position_of_before_logs_were_known_takes_the_log_that_is_there(centre: SmallCentre, records: int) -> None:
    """Such a store was written by an older program: a position that its log has is taken as one of this log."""
    centre.broker.append(TOPIC, [one.record for one in _vehicles(5)], ARRIVAL)
    centre.ingest().step(ARRIVAL)
    with centre.store.writing() as connection:
        connection.exec_driver_sql("UPDATE positions SET log = ''")
    ingest = centre.ingest()
    assert count(centre.store, "gaps") == 0
    centre.broker.close()
    broker = _made_anew(centre.folder)
    broker.append(TOPIC, [one.record for one in _vehicles(records, 100)], ARRIVAL)
    broker.close()
    for _ in range(2):
        ingest.step(ARRIVAL)
    assert [gap[:3] for gap in _gaps(centre.store)] == [(TOPIC, 5, 0)]
    assert _total(centre.store) == 5 + 100 * records


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


@pytest.fixture
def over_kafka(template: Path, kafka: KafkaServer, tmp_path: Path) -> Iterator[SmallCentre]:
    made = copy_centre(template, tmp_path / "centre", kafka=kafka.address)
    yield made
    made.drop()


def _make_topic_anew(centre: SmallCentre, records: list[Sent]) -> None:
    """As an administrator does it by Kafka's own tools; then there is as much in it as stated."""
    from kafka import KafkaAdminClient  # only here: most tests of this file need no Kafka

    server, prefix = (centre.folder / LOG_ADDRESS).read_text().split("/")
    topic = f"{prefix}.{TOPIC}"
    begun = time.monotonic()
    with KafkaAdminClient(bootstrap_servers=server) as admin:
        admin.delete_topics([topic])
        eventually(lambda: topic not in admin.list_topics())
    centre.log.ensure_topic(TOPIC, PARTITIONS)
    if records:
        centre.log.append(TOPIC, [one.record for one in records], ARRIVAL)
        partition = records[0].partition
        eventually(lambda: centre.log.extent(partition).end > len(records))
    eventually(lambda: time.monotonic() > begun + IDENTITY_AGE_S)


@pytest.mark.kafka
@pytest.mark.parametrize("records", [0, 5, 30])
@pytest.mark.parametrize("is_running", [False, True])
def test_a_topic_of_kafka_made_anew_is_read_from_its_beginning(
    over_kafka: SmallCentre, records: int, is_running: bool
) -> None:
    centre = over_kafka
    centre.log.append(TOPIC, [one.record for one in _vehicles(5)], ARRIVAL)
    ingest = centre.ingest()
    eventually(lambda: ingest.step(ARRIVAL) == 0 and _total(centre.store) == 5)
    _make_topic_anew(centre, _vehicles(records, 100))
    if not is_running:
        ingest = centre.ingest(start=ARRIVAL)
    eventually(lambda: ingest.step(ARRIVAL) == 0 and count(centre.store, "gaps") == 1)
    centre.log.append(TOPIC, [one.record for one in _vehicles(1, 10_000)], ARRIVAL)
    eventually(lambda: ingest.step(ARRIVAL) == 1)
    assert ingest.step(ARRIVAL) == 0
    assert [gap[:3] for gap in _gaps(centre.store)] == [(TOPIC, 5, 0)]
    assert _total(centre.store) == 5 + 100 * records + 10_000


@pytest.mark.kafka
def test_what_was_fetched_of_a_topic_is_not_taken_for_what_stands_in_the_next_of_that_name(
    over_kafka: SmallCentre,
) -> None:
    """Nothing was applied yet, so the position is the same in both."""
    centre = over_kafka
    ingest = centre.ingest(ONE_BY_ONE)
    centre.log.append(TOPIC, [one.record for one in _vehicles(5)], ARRIVAL)
    eventually(lambda: ingest.read().size > 0)  # and the others wait in this program
    _make_topic_anew(centre, _vehicles(3, 100))
    eventually(lambda: ingest.step(ARRIVAL) == 0 and _total(centre.store) == 300)
    assert count(centre.store, "gaps") == 0


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
