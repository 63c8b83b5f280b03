"""Tables of numbers over time: windows by level, newest values, marks for the roll-ups, changes for readers."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, SmallInteger, String, Table

from ioc.model.windows import LEVELS, Level
from ioc.store.schema.metadata import Counter, metadata


def _windows(level: Level) -> Table:
    table = Table(
        f"windows_{level.id}",
        metadata,
        Column("series", SmallInteger, primary_key=True, autoincrement=False),
        Column("place", Integer, primary_key=True, autoincrement=False),
        Column("origin", SmallInteger, primary_key=True, autoincrement=False),
        Column("start", BigInteger, primary_key=True, autoincrement=False),
        Column("count", BigInteger, nullable=False),
        Column("weight", BigInteger, nullable=False),
        Column("sum", BigInteger, nullable=False),
        Column("min", BigInteger, nullable=False),
        Column("max", BigInteger, nullable=False),
        Column("last_at", BigInteger, nullable=False),
        Column("last", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    if level.daily:  # its partitions: ioc/store/days.py
        table.dialect_options["postgresql"]["partition_by"] = "RANGE (start)"
    return table


windows: Final[tuple[Table, ...]] = tuple(_windows(level) for level in LEVELS)

kept_from = Table(
    "kept_from",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, nullable=False),
    comment="from when each level is kept: what is older goes to a coarser level; moved before rows are dropped",
)

latest = Table(
    "latest",
    metadata,
    Column("series", SmallInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("origin", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
    comment="the newest observation of each series at each place: by event time, then value; as_of is its end",
)

marks = Table(
    "marks",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("level", SmallInteger, nullable=False),
    Column("keys", LargeBinary, nullable=False),
    comment="windows of `level` that changed and are not rolled up yet: packed (series, place, origin, start)",
)

changes = Table(
    "changes",
    metadata,
    Column("writer", String, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("touched", LargeBinary, nullable=False),
    comment="what each commit changed: packed (series, place, origin); tailed by every web process, kept minutes",
)

writers = Table(
    "writers",
    metadata,
    Column("writer", String, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("job", String, primary_key=True),
    Column("n", BigInteger, nullable=False),
    comment="how often a job has written results: what was computed before another process wrote is computed again",
)

members = Table(
    "members",
    metadata,
    Column("program", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("life", String, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    comment="programs that share work; seen_at: the database's clock; `life`: one start of a program",
)
