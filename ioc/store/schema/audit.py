"""Tables of the audit trail: its entries, where it begins and ends, and what holds them back from being forgotten.

That entries are only added is guarded by triggers (`ioc/store/audit_guards.py`), which come with the tables.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    event,
)

from ioc.store.audit_guards import put_up
from ioc.store.schema.metadata import metadata

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("act", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("id", String, nullable=False),
    Column("centres", Text, nullable=False),
    Column("unit", String, nullable=False),
    Column("address", String, nullable=False),
    Column("details", Text, nullable=False),
    Column("before", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index(None, "at"),
    Index(None, "who", "n"),
    comment="who did what, in a chain: `hash` seals the entry and the hash of the one before (docs/audit.md)",
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("one", SmallInteger, CheckConstraint("one = 1", name="is_one"), primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    comment="the last entry; whoever adds the next one locks this row until the end of their transaction",
)

audit_anchor = Table(
    "audit_anchor",
    metadata,
    Column("one", SmallInteger, CheckConstraint("one = 1", name="is_one"), primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    comment="the last entry that is no longer kept: verification begins after it, and only what it covers may go",
)

audit_holds = Table(
    "audit_holds",
    metadata,
    Column("name", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    Column("set_by", String, nullable=False),
    Column("released_at", BigInteger, nullable=True),
    Column("released_by", String, nullable=True),
    comment="legal holds: entries from `since` on are kept until they are released",
)


@event.listens_for(metadata, "after_create")
def _guard(_target: object, connection: Connection, **_: object) -> None:
    put_up(connection)
