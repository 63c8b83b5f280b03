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
from kafka.admin import ConfigResource, ConfigResourceType

from ioc.broker.open import open_broker
from ioc.broker.port import Broker, Record
from ioc.feeds import FEEDS
from ioc.jobs.dead_letters import publish_dead_letters
from ioc.jobs.rollups import roll_up
from ioc.model.access import system_principal
from ioc.model.origins import Origin
from ioc.operations.dead_letters import list_letters, replay
from ioc.operations.intake import Intake, accept
from ioc.operations.places import Province, milliseconds
from ioc.processes import setup
from ioc.processes.ingest import make_ingest
from ioc.processes.ingest import run as run_program
from ioc.settings import Settings
from ioc.store import dead_letter_reading
from ioc.store.dead_letter_reading import Wanted
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


# --- dead letters ----------------------------------------------------------------------------------------------


def test_a_dead_letter_counts_once_after_the_fix_and_is_told_without_content(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large for the settings, so that it stands whole in the log only; a replay is broken off before its mark."""
    now = datetime.now(UTC).replace(microsecond=0)
    at, shell = milliseconds(now), system_principal("test")
    data = {
        "IOC_BROKER": address,
        "IOC_DATA": str(tmp_path),
        "IOC_DEAD_LETTER_BYTES": "16",
        "IOC_DEAD_LETTER_KEEP": "3",
    }
    settings = Settings.load(data)
    setup.main(settings)
    store, broker = Store.open(settings.store), open_broker(settings)
    try:
        flow = {
            "id": "x",
            "type": "TrafficFlowObserved",
            "refRoadSegment": SEGMENTS[0],
            "dateObserved": now.isoformat(),
            "intensity": 7,
            "note": "N. V. A." * 200,
        }
        good = Record(SEGMENTS[0].encode(), json.dumps(flow | {"note": ""}).encode(), {})
        large = Record(SEGMENTS[0].encode(), json.dumps(flow).encode(), {})
        broker.append("ioc.traffic", [good, large, good], at)
        strict = make_ingest(Settings.load(data | {"IOC_MAX_MESSAGE_BYTES": "1024"}), store, broker, at)
        strict.start(at)
        wait_for(strict, store, 3, at)
        (letter,) = list_letters(shell, store, Wanted(), limit=9).letters
        assert (letter.kind, letter.kept) == ("too_large", 16)
        intake = Intake(Province(store, settings), broker)
        with monkeypatch.context() as broken_off:
            broken_off.setattr(dead_letter_reading, "mark_replayed", lambda *_: None)
            replay(shell, intake, [letter.id], now=now)
        (outcome,) = replay(shell, intake, [letter.id], now=now)
        assert (outcome.is_sent, outcome.words) == (True, "from the log")
        ingest = make_ingest(settings, store, broker, at)
        ingest.start(at)
        wait_for(ingest, store, 5, at)
        windows = stored(store).windows["10s"].items()
        assert [row[2] for key, row in windows if key[:2] == ("traffic.intensity", SEGMENTS[0])] == [21]
        assert publish_dead_letters(store, broker, 3 * 86_400_000, at) == 1
        (partition,) = broker.partitions("ioc.traffic.dlq")
        deadline = time.monotonic() + 30
        while not (told := broker.read(partition, 0, 10)):
            assert time.monotonic() < deadline, "nothing was told"
        assert json.loads(told[0].value)["kind"] == "too_large"
        assert b"N. V." not in told[0].value
    finally:
        broker.close()
        store.close()
    assert kept_ms(address, "ioc.traffic.dlq") == 3 * 86_400_000
    assert kept_ms(address, "ioc.traffic") == settings.kafka_keep * 3_600_000


def kept_ms(address: str, topic: str) -> int:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    with KafkaAdminClient(bootstrap_servers=address.removeprefix("kafka://")) as admin:
        (described,) = admin.describe_configs([resource])["topic"].values()
    return int(described["retention.ms"]["value"])
