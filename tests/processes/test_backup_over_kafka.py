"""With Kafka a backup holds the store only: what came since is read from Kafka again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.processes import backup, backup_manifest, restore
from ioc.settings import Settings
from tests.conftest import KafkaServer
from tests.processes.backups import NOW, append, assert_holds, destroy, ingest_all, settings_of
from tests.streams.history import ARRIVAL
from tests.streams.long_history import long_history
from tests.streams.small_centre import ALL_FEEDS, PARTITIONS, SETTINGS, SmallCentre, open_centre
from tests.streams.stored import count

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

KEPT_LONG = "87600"  # hours: Kafka would drop what a history of the past was appended at


@pytest.fixture
def log(kafka: KafkaServer, tmp_path: Path) -> Iterator[Broker]:
    """The topics of the small centre in a Kafka of our own, under the names that its feeds have."""
    if kafka.server is None:
        pytest.skip("IOC_TEST_KAFKA names a broker whose topics are not ours to delete")
    address = {"IOC_BROKER": f"kafka://{kafka.address}", "IOC_KAFKA_KEEP": KEPT_LONG}
    broker = open_broker(Settings.load({**address, "IOC_DATA": str(tmp_path)}))
    for feed in ALL_FEEDS.values():
        broker.ensure_topic(feed.topic, PARTITIONS)
    yield broker
    broker.close()
    with KafkaAdminClient(bootstrap_servers=kafka.address) as admin:
        admin.delete_topics([feed.topic for feed in ALL_FEEDS.values()])


def test_what_came_since_is_read_from_kafka(
    centre: SmallCentre, log: Broker, kafka: KafkaServer, tmp_path: Path
) -> None:
    history, folder = long_history(53, 600), tmp_path / "backup"
    settings = settings_of(centre.folder, f"kafka://{kafka.address}")
    append(log, history[:400])
    ingest = centre.ingest(replace(SETTINGS, batch=50), broker=log)
    for _ in range(3):
        ingest.step(ARRIVAL)
    manifest = backup.main(settings, folder, now=NOW)
    assert "stays in Kafka" in backup.told(manifest, folder)
    assert {path.name for path in folder.iterdir()} == {manifest.files[0].name, backup_manifest.NAME}
    ingest_all(centre, log)
    append(log, history[400:])
    ingest_all(centre, log)
    centre.close()
    destroy(centre.folder)

    restored = restore.main(settings, folder, now=NOW)
    assert "reads from Kafka what came since" in restore.told(restored, settings)
    again = open_centre(centre.folder)
    assert count(again.store, "source_counts") > 0
    ingest_all(again, log)
    assert_holds(again, history)
    assert count(again.store, "gaps") == 0
    again.close()
