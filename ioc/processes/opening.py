"""Opening the store when a program starts: one whose database is away waits for it, as it would while it runs.

After a power cut all servers of a room start at once. Refused: a store of another version, which no waiting cures.
"""

import threading
from typing import Final

from ioc import logs
from ioc.errors import StoreAway
from ioc.store import migrations
from ioc.store.engine import Store

LONGEST_PAUSE_S: Final = 5.0

log = logs.get_logger("ioc.store")


def wait_for_store(store: Store, stop: threading.Event) -> bool:
    """Wait until the store answers and is of this program's version; False if `stop` was set before."""
    pause = 0.2
    while not stop.is_set():
        try:
            migrations.require_current(store)
        except StoreAway as error:
            pause = min(LONGEST_PAUSE_S, 2 * pause)
            log.error(str(error), next_try_s=round(pause, 1))
            stop.wait(pause)
        else:
            return True
    return False
