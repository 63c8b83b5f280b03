"""Ingest over a real Kafka: the same store as over the embedded log, also when Kafka is killed meanwhile."""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaAdminClient

from ioc.broker.open import open_broker
from ioc.broker.port import Broker, Record
from ioc.feeds import FEEDS
from ioc.jobs.rollups import roll_up
from ioc.model.access import system_principal
from ioc.model.origins import Origin
from ioc.operations.intake import Intake, accept
from ioc.operations.places import Province, milliseconds
from ioc.processes import setup
from ioc.processes.ingest import make_ingest
from ioc.processes.ingest import run as run_program
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.streams.ingest import Ingest
from tests.conftest import KafkaServer
from tests.streams.history import ARRIVAL, Bad
from tests.streams.long_history import long_history
from tests.streams.oracle import Expected, expected
from tests.streams.small_centre import CAP, PARTITIONS, SmallCentre
from tests.streams.stored import assert_same, stored

if TYPE_CHECKING:
    from scripts.parts.kafka import Kafka

pytestmark = pytest.mark.kafka

SEGMENTS = [f"urn:ngsi-ld:RoadSegment:binh-duong:ql13-{number:02}" for number in range(1, 11)]
OFFICES = [f"urn:ngsi-ld:Office:binh-duong:{code}" for code in ("25747", "25750", "25760")]
KEPT_LONG = "87600"  # hours: Kafka would drop what a history of the past was appended at


@pytest.fixture
def address(kafka: KafkaServer) -> Iterator[str]:
    """A broker of our own without the centre's topics: what is tested here has their real names."""
    if kafka.server is None:
        pytest.skip("IOC_TEST_KAFKA names a broker whose topics are not ours to delete")
    yield f"kafka://{kafka.address}"
    with KafkaAdminClient(bootstrap_servers=kafka.address) as admin:
        ours = {topic for feed in FEEDS.values() for topic in (feed.topic, feed.dead_letter_topic)}
        if left := sorted(ours & set(admin.list_topics())):
            admin.delete_topics(left)


# --- a whole run, from setup to the store ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    feed: str
    messages: list[bytes]
    key: str | None = None
    origin: Origin = Origin.LIVE


def requests(now: datetime) -> list[Request]:
    """Traffic and dossiers with late, bad and repeated ones, from two origins."""
    drawn = random.Random(11)
    made: list[Request] = []
    for number in range(30):
        at = now - timedelta(seconds=drawn.choice([60, 90, 600, 86_400]))
        flows = [traffic(drawn, at) for _ in range(40)]
        cases = [dossier(drawn, at, now) for _ in range(10)]
        origin = drawn.choice([Origin.LIVE, Origin.REPLAY])
        made.append(Request("traffic", flows, drawn.choice([None, f"t{number}"]), origin))
        made.append(Request("dossiers", cases, f"d{number}", origin))
    return [*made, *(one for one in made[::3] if one.key is not None)]


def traffic(drawn: random.Random, at: datetime) -> bytes:
    message = {
        "id": "flow",
        "type": "TrafficFlowObserved",
        "refRoadSegment": drawn.choice([*SEGMENTS, "urn:nowhere"]),
        "dateObserved": at.isoformat(),
        "intensity": drawn.choice([0, 5, 70, "many"]),
        "averageVehicleSpeed": drawn.randint(0, 9_000) / 100,
        "congested": drawn.random() < 0.3,
    }
    return json.dumps(message).encode()


def dossier(drawn: random.Random, at: datetime, now: datetime) -> bytes:
    message = {
        "id": f"case-{drawn.randint(1, 40)}",
        "type": "Dossier",
        "office": drawn.choice(OFFICES),
        "received": (at - timedelta(days=3)).isoformat(),
        "due": (at - timedelta(hours=drawn.randint(1, 50))).isoformat(),
        "finished": drawn.choice([None, (at - timedelta(hours=20)).isoformat()]),
        "modified": (now - timedelta(minutes=drawn.randint(1, 500))).isoformat(),
    }
    return json.dumps(message).encode()


def counted(store: Store) -> list[tuple[object, ...]]:
    """What was heard of each source; every record counts once as accepted, rejected or duplicate."""
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM source_counts ORDER BY 1, 2, 3, 4").fetchall()
    return [tuple(row) for row in rows]


def applied(store: Store) -> int:
    with store.reading() as connection:
        found = connection.exec_driver_sql("SELECT sum(accepted + rejected + duplicate) FROM source_counts").scalar()
    return int(found or 0)


def wait_for(ingest: Ingest, store: Store, wanted: int, at: int) -> None:
    deadline = time.monotonic() + 60
    while applied(store) < wanted:
        assert time.monotonic() < deadline, f"{applied(store)} of {wanted} records applied"
        ingest.step(at)


def whole_run(settings: Settings, now: datetime) -> tuple[Expected, list[tuple[object, ...]]]:
    """From an empty folder to the store: what it holds in the end."""
    setup.main(settings)
    store, broker = Store.open(settings.store), open_broker(settings)
    intake, sent, at = Intake(Province(store, settings), broker), 0, milliseconds(now)
    try:
        for request in requests(now):
            answer = accept(
                system_principal("test"), intake, request.feed, request.messages,
                now=now, key=request.key, origin=request.origin,
            )  # fmt: skip
            sent += answer.accepted
        refused = applied(store)  # by the intake
        others = [
            Record(b"k", b'{"no": "dossier"}', {}),
            Record(SEGMENTS[0].encode(), traffic(random.Random(1), now), {}),
        ]
        for feed in FEEDS.values():
            broker.append(feed.topic, others, at)
        ingest = make_ingest(settings.model_copy(update={"ingest_batch": 100}), store, broker, at)
        ingest.start(at)
        wait_for(ingest, store, refused + sent + 2 * len(FEEDS), at)
        return stored(store), counted(store)
    finally:
        broker.close()
        store.close()


def test_a_whole_run_comes_to_what_the_embedded_log_comes_to(address: str, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    results = []
    for name, broker in (("embedded", "embedded"), ("kafka", address)):
        settings = Settings.load({"IOC_BROKER": broker, "IOC_DATA": str(tmp_path / name)})
        results.append(whole_run(settings, now))
    (embedded, heard_embedded), (over_kafka, heard_kafka) = results
    assert_same(over_kafka, embedded)
    assert over_kafka == embedded
    assert heard_kafka == heard_embedded


# --- a server that dies ----------------------------------------------------------------------------------------


HISTORY = [one for one in long_history(31, 3_000) if one.feed in FEEDS and one.meaning != Bad("too_large")]


@pytest.fixture
def small_over_kafka(centre: SmallCentre, address: str) -> Iterator[Broker]:
    """A log in Kafka with the topics of the small centre, full of a long history."""
    settings = Settings.load({"IOC_BROKER": address, "IOC_DATA": str(centre.folder), "IOC_KAFKA_KEEP": KEPT_LONG})
    broker = open_broker(settings)
    by_topic = defaultdict(list)
    for one in HISTORY:
        by_topic[FEEDS[one.feed].topic].append(one.record)
    for topic, records in by_topic.items():
        broker.ensure_topic(topic, PARTITIONS)
        for first in range(0, len(records), 50):
            broker.append(topic, records[first : first + 50], ARRIVAL)
    yield broker
    broker.close()


def test_killed_while_ingest_reads_nothing_is_lost_and_nothing_twice(
    centre: SmallCentre, small_over_kafka: Broker, mortal_kafka: "Kafka"
) -> None:
    settings = Settings(data=centre.folder, ingest_linger=0.01).model_copy(
        update={"ingest_batch": 8, "dead_letter_cap": CAP}  # many transactions, so that the kills come between
    )
    stop = threading.Event()
    program = threading.Thread(target=run_program, args=(settings, centre.store, small_over_kafka, stop))
    program.start()
    try:
        for share in (0.1, 0.5):
            _reach(centre.store, int(share * len(HISTORY)))
            mortal_kafka.kill()
            mortal_kafka.start()
            back, seen = time.monotonic(), applied(centre.store)
            assert seen < len(HISTORY), "the kill came too late"
            _reach(centre.store, seen + 1)
            print(f"Kafka is back; {time.monotonic() - back:.1f} s later ingest goes on")
        _reach(centre.store, len(HISTORY))
    finally:
        stop.set()
        program.join()
    roll_up(centre.store, centre.rules)
    assert_same(stored(centre.store), expected(HISTORY))
    assert applied(centre.store) == len(HISTORY)


def _reach(store: Store, wanted: int) -> None:
    deadline = time.monotonic() + 60
    while applied(store) < wanted:
        assert time.monotonic() < deadline, f"{applied(store)} of {wanted} records applied"
        time.sleep(0.02)
