"""Real parts for tests and trials, without containers: gets them, starts them on ports and in folders of their own.

`scripts/services` is the command; tests use `kafka.Kafka` and `postgres.Postgres` directly. Standard library only,
so that it runs before anything is installed. Refused: touching a server that it did not start.
"""

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent.parent
FOLDER: Final = PROJECT / ".parts"
"""What was got (kept), and the data of servers that `scripts/services start` started."""


class PartError(Exception):
    """A part cannot be had or started; the message says what to do."""
