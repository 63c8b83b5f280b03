"""Programs that share work know of each other.

Version 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "members",
        sa.Column("program", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("life", sa.String(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("program", "name", name=op.f("pk_members")),
        comment="programs that share work; seen_at: the database's clock; `life`: one start of a program",
    )
