"""Copying the embedded log into one file, as it stands at one moment, while others append and read.

The copy is a log of its own: what is appended to it will not stand in the first one. So it has an identity of its own
and remembers which log it was copied of, and how far: a position in that log is good here too, up to there.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from ioc.broker.embedded import BUSY_TIMEOUT_S, make_tables
from ioc.broker.port import Extent, Partition
from ioc.errors import BrokerError


def copy_log(log: Path, file: Path) -> dict[Partition, Extent]:
    """Write the log into an empty file; where each partition's log begins and ends in the copy."""
    if not log.is_file():
        raise BrokerError(f"there is no log {log}: run `python -m ioc setup`, or see that IOC_DATA is right")
    try:
        with closing(sqlite3.connect(log, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("VACUUM INTO ?", (str(file),))
        _give_identity(file)
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            rows = connection.execute("SELECT topic, number, first, next FROM partitions ORDER BY 1, 2").fetchall()
    except sqlite3.Error as error:
        raise BrokerError(f"the log {log} could not be copied to {file}: {error}; check the disk of both") from error
    return {Partition(topic, number): Extent(first, end) for topic, number, first, end in rows}


def _give_identity(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # nothing may be left beside the copy
        connection.execute("BEGIN IMMEDIATE")
        make_tables(connection)
        # A copy of a copy shares with the first log what both copies hold of it.
        connection.execute(
            """INSERT INTO copied_from
               SELECT topic, number, identity, next FROM partitions JOIN topics USING (topic) WHERE true
               ON CONFLICT DO NOTHING"""
        )
        connection.execute("UPDATE topics SET identity = lower(hex(randomblob(16)))")
        connection.execute("COMMIT")
