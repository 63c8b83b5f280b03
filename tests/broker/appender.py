"""Appends to an embedded log from a process of its own: `python -m tests.broker.appender LOG NAME COUNT`.

Each append holds three records of one key, so that a reader can tell whether any came in part or out of order.
"""

import sys
from pathlib import Path

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Record


def records(name: str, number: int) -> list[Record]:
    """One append: parts 0, 1 and 2 of its number."""
    return [Record(name.encode(), f"{name} {number} {part}".encode(), {"source": name}) for part in range(3)]


if __name__ == "__main__":
    path, name, count = sys.argv[1:]
    broker = EmbeddedBroker(Path(path))
    for number in range(int(count)):
        broker.append("t", records(name, number), number)
        print(number, flush=True)
    broker.close()
