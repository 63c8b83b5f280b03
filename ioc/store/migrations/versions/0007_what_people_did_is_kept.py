"""What people did is kept, each entry with the hash of the one before.

Version 0007, after 0006. The trail begins empty: what was done before was only logged.
"""

import sqlalchemy as sa
from alembic import op

from ioc.store.audit_guards import put_up

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("centres", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("before", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_audit_entries")),
        comment="who did what, in a chain: `hash` seals the entry and the hash of the one before (docs/audit.md)",
    )
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"])
    op.create_index(op.f("ix_audit_entries_who_n"), "audit_entries", ["who", "n"])
    op.create_table(
        "audit_head",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_audit_head_is_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_audit_head")),
        comment="the last entry; whoever adds the next one locks this row until the end of their transaction",
    )
    op.create_table(
        "audit_anchor",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_audit_anchor_is_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_audit_anchor")),
        comment="the last entry that is no longer kept: verification begins after it, and only what it covers may go",
    )
    op.create_table(
        "audit_holds",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.Column("released_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_holds")),
        comment="legal holds: entries from `since` on are kept until they are released",
    )
    put_up(op.get_bind())
