"""Dead letters can be sent again, and are told of in topics of their own.

Version 0003, after 0002. What stands in the store already counts as told: its reasons may quote messages, as they did
before this version.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("key", sa.LargeBinary(), nullable=True))
    op.add_column("dead_letters", sa.Column("size", sa.BigInteger(), nullable=True))
    for name in ("replay_begun_at", "replayed_at", "published_at"):
        op.add_column("dead_letters", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("dead_letter_counts", sa.Column("published", sa.BigInteger(), nullable=True))
    op.execute("UPDATE dead_letters SET published_at = at")
    op.execute("UPDATE dead_letter_counts SET published = count")
    op.create_index(
        "ix_dead_letters_unpublished",
        "dead_letters",
        ["id"],
        unique=False,
        sqlite_where=sa.text("published_at IS NULL"),
        postgresql_where=sa.text("published_at IS NULL"),
    )
