"""A small centre to be backed up: its history, its settings, and what it must come to."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from ioc.broker.port import Broker, Partition
from ioc.jobs.rollups import roll_up
from ioc.processes import backup
from ioc.settings import Settings
from ioc.store.bounds import act_as_signed_in
from ioc.store.engine import Store
from tests.databases import scalar
from tests.streams.history import ARRIVAL, Sent
from tests.streams.oracle import expected
from tests.streams.small_centre import ALL_FEEDS, SETTINGS, STORE_URL, SmallCentre
from tests.streams.stored import assert_same, stored

NOW = datetime.fromtimestamp(ARRIVAL / 1000, UTC)


def settings_of(folder: Path, broker: str = "embedded") -> Settings:
    """The settings of the centre that stands in a folder."""
    url = (folder / STORE_URL).read_text()
    return Settings.load({"IOC_DATA": str(folder), "IOC_STORE": url, "IOC_BROKER": broker}, folder=folder)


def append(broker: Broker, history: Sequence[Sent], portion: int = 50) -> None:
    """Append a history in its order, a portion of each topic at a time."""
    for first in range(0, len(history), portion):
        by_topic: dict[str, list[Sent]] = defaultdict(list)
        for one in history[first : first + portion]:
            by_topic[ALL_FEEDS[one.feed].topic].append(one)
        for topic, group in by_topic.items():
            broker.append(topic, [one.record for one in group], ARRIVAL)


def small_backup(centre: SmallCentre, folder: Path, history: list[Sent]) -> Path:
    """A backup of a store that has applied part of the log."""
    append(centre.broker, history)
    ingest = centre.ingest(SETTINGS)
    ingest.apply(ingest.read(), ARRIVAL)
    append(centre.broker, history)
    backup.main(settings_of(centre.folder), folder, now=NOW)
    return folder


def destroy(folder: Path) -> None:
    """All that was in the store and in the log is gone."""
    settings = settings_of(folder)
    if settings.store.startswith("postgresql"):
        store = Store.open(settings.store)
        try:
            _end_others(store)
            with store.changing_tables() as connection:
                act_as_signed_in(connection)
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
        finally:
            store.close()
    for path in [*folder.glob("ioc.db*"), *folder.glob("log.db*")]:
        path.unlink()


def _end_others(store: Store) -> None:
    """The server may still be at work for a program that was killed, and holds locks for it."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 30
    while scalar(store, f"SELECT count(*) {others}"):
        assert time.monotonic() < deadline, "others are still connected"
        with store.writing() as connection:
            act_as_signed_in(connection)
            connection.execute(text(f"SELECT pg_terminate_backend(pid, 1000) {others}"))


def held(broker: Broker, history: Sequence[Sent]) -> tuple[list[Sent], list[Sent]]:
    """What the log holds of a history that was appended in its order, and the rest."""
    seen: Counter[Partition] = Counter()
    holds, lacks = list[Sent](), list[Sent]()
    for one in history:
        is_held = seen[one.partition] < broker.extent(one.partition).end
        seen[one.partition] += 1
        (holds if is_held else lacks).append(one)
    return holds, lacks


def ingest_all(centre: SmallCentre, broker: Broker | None = None) -> None:
    ingest = centre.ingest(broker=broker)
    while ingest.step(ARRIVAL):
        pass
    roll_up(centre.store, centre.rules)


def assert_holds(centre: SmallCentre, history: Sequence[Sent]) -> None:
    """The store holds exactly what the history comes to."""
    assert_same(stored(centre.store), expected(history))
    with centre.store.reading() as connection:
        counted = connection.exec_driver_sql("SELECT sum(accepted + rejected + duplicate) FROM source_counts").scalar()
    assert counted == len(history), f"accepted, rejected and duplicate: {counted} of {len(history)} records"


def applied(centre: SmallCentre) -> int:
    with centre.store.reading() as connection:
        return int(connection.exec_driver_sql("SELECT sum(next_offset) FROM positions").scalar() or 0)
