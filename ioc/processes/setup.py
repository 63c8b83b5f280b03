"""`python -m ioc setup`: makes or migrates the store, loads the province, makes the topics and the ballast file.

Safe to repeat.

Nothing is changed before the province's folder was read and found right. Refused: a data folder into which a restore
was begun and not finished.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ioc import logs
from ioc.broker.open import open_broker
from ioc.feeds import FEEDS, SERIES
from ioc.model.access import system_principal
from ioc.model.audit import Act
from ioc.model.province_files import Province, read_province
from ioc.model.windows import DAY
from ioc.operations.disk import Disk
from ioc.operations.trail import Trail, write
from ioc.processes.clock import milliseconds_now
from ioc.processes.keeping import keeping
from ioc.processes.restore import require_finished
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.engine import Store
from ioc.store.registry import register_series
from ioc.store.rolling import begin_keeping
from ioc.store.territory import ProvinceRow, loaded_provinces, local_offset, save_territory

log = logs.get_logger("ioc.setup")

_SETUP: Final = system_principal("setup")

PARTITIONS: Final = 4
"""Of each topic of the embedded log; Kafka's have `kafka_partitions`."""


def main(settings: Settings) -> int:
    require_finished(settings.data)
    folder = settings.province_dir / settings.province
    province = read_province(folder)
    settings.data.mkdir(parents=True, exist_ok=True)
    store = Store.open(settings.store)
    try:
        migrations.upgrade(store)
        _load(settings, store, province, folder)
    finally:
        store.close()
    broker = open_broker(settings)
    try:
        partitions = PARTITIONS if settings.broker == "embedded" else settings.kafka_partitions
        for feed in FEEDS.values():
            broker.ensure_topic(feed.topic, partitions)
            broker.ensure_topic(feed.dead_letter_topic, 1, settings.dead_letter_keep * DAY)
        Disk(settings, store, broker).keep_ballast()
    finally:
        broker.close()
    return 0


def _load(settings: Settings, store: Store, province: Province, folder: Path) -> None:
    """Put the province into the store unless it is there as it stands in its folder."""
    digest = _digest(folder)
    trail = Trail()
    with store.changing_tables() as connection:
        register_series(connection, SERIES)
        if any(row.id == province.id and row.digest == digest for row in loaded_provinces(connection)):
            return
        row = ProvinceRow(
            province.id,
            province.title_vi,
            province.title_en,
            province.timezone.key,
            digest,
            milliseconds_now(),
        )
        save_territory(connection, row, province.territory)
        begin_keeping(connection, keeping(settings).starts(milliseconds_now(), local_offset(connection, row.loaded_at)))
        trail.say(
            _SETUP,
            Act.TERRITORY_LOADED,
            "province",
            province.id,
            centres=[centre.id for centre in province.territory.centres],
            details={"digest": digest, "units": len(province.territory.units)},
        )
        write(connection, trail, datetime.now(UTC))
    log.info("province loaded", province=province.id, units=len(province.territory.units))


def _digest(folder: Path) -> str:
    """Changes whenever a file of the folder does."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
