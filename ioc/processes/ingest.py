"""`python -m ioc ingest`: reads the log and keeps the store up with it, until it is told to stop.

What fails for a while (a full disk, a database that is away) is tried again with growing pauses, and before our own
disk is full it waits: the position has not moved, so nothing is lost meanwhile. A change of the territory is taken in
without a restart. Several of these programs share the partitions.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Final

from ioc import logs
from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.errors import BrokerError, StoreError
from ioc.feeds import FEEDS
from ioc.feeds.judging import Limits
from ioc.model.windows import SECOND
from ioc.operations.disk import Disk
from ioc.processes.clock import milliseconds_now
from ioc.processes.loaded import KeptCurrent, Loaded, load
from ioc.processes.opening import wait_for_store
from ioc.processes.pausing import LOOK_EVERY_S, PauseForRoom
from ioc.processes.stopping import stop_on_signals
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.streams.ingest import Ingest, IngestSettings, Overtaken
from ioc.streams.sharing import Sharing

log = logs.get_logger("ioc.ingest")

LONGEST_PAUSE_S: Final = 5.0  # what is back after a long time is used again within seconds


def main(settings: Settings) -> int:
    stop = stop_on_signals()
    store = Store.open(settings.store)
    try:
        if wait_for_store(store, stop):
            with closing(open_broker(settings)) as broker:
                run(settings, store, broker, stop)
    finally:
        store.close()
    return 0


def run(settings: Settings, store: Store, broker: Broker, stop: threading.Event) -> None:
    """Apply batches until `stop` is set."""
    with writer_beside(store) as writer:
        _run(settings, store, broker, stop, writer)


@contextmanager
def writer_beside(store: Store) -> Iterator[Executor | None]:
    """The thread in which an ingest writes while it decodes the next batch; all is written when the block ends.

    None on SQLite, which would work in our own process, and be locked for all others where this one is frozen.
    """
    if store.dialect == "sqlite":
        yield None
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ingest-writer") as writer:
        yield writer


def _run(settings: Settings, store: Store, broker: Broker, stop: threading.Event, writer: Executor | None) -> None:
    pause = settings.ingest_linger
    sharing = Sharing(store, settings.instance)
    current = KeptCurrent(store, partial(_started, settings, store, broker, sharing, writer))
    pause_for_room = PauseForRoom(Disk(settings, store, broker))
    while not stop.is_set():
        if pause_for_room.holds():
            stop.wait(LOOK_EVERY_S)
            continue
        now = milliseconds_now()
        try:
            if sharing.has_changed():
                current.discard()
            count = current.at(now).step(now)
        except Overtaken as error:
            log.warning(str(error))
            current.discard()
            stop.wait(settings.ingest_linger)
        except (StoreError, BrokerError) as error:
            pause = min(LONGEST_PAUSE_S, 2 * pause)
            log.error(str(error), next_try_s=round(pause, 1))
            current.discard()
            stop.wait(pause)
        else:
            pause = settings.ingest_linger
            if count < settings.ingest_batch:
                stop.wait(settings.ingest_linger)
    with suppress(StoreError):  # it is away: the others will notice by themselves
        sharing.leave()


def _started(
    settings: Settings,
    store: Store,
    broker: Broker,
    sharing: Sharing,
    writer: Executor | None,
    loaded: Loaded,
    now: int,
) -> Ingest:
    """An ingest over that territory, which has taken the stored positions of its share."""
    ingest = _made(settings, store, broker, loaded, writer)
    share = sharing.share(ingest.partitions)
    ingest.start(now, share)
    log.info("ingest reads", partitions=[f"{partition.topic}[{partition.number}]" for partition in share])
    return ingest


def make_ingest(settings: Settings, store: Store, broker: Broker, now: int, writer: Executor | None = None) -> Ingest:
    """An ingest over the territory as it stands in the store."""
    return _made(settings, store, broker, load(store, now), writer)


def _made(settings: Settings, store: Store, broker: Broker, loaded: Loaded, writer: Executor | None) -> Ingest:
    return Ingest(broker, store, FEEDS, loaded.places, loaded.registry, ingest_settings(settings), writer)


def ingest_settings(settings: Settings) -> IngestSettings:
    return IngestSettings(
        batch=settings.ingest_batch,
        limits=message_limits(settings),
        dead_letter_cap=settings.dead_letter_cap,
        dead_letter_bytes=settings.dead_letter_bytes,
    )


def message_limits(settings: Settings) -> Limits:
    return Limits(settings.max_message_bytes, settings.future_tolerance * SECOND)
