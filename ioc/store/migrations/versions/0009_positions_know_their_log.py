"""Positions know in which log they stand: one that was made anew is noticed however long it has grown.

Dead letters know which element of an array of the log they were.

Version 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty: not known yet. The next start of ingest fills it in.
    op.add_column("positions", sa.Column("log", sa.String(), nullable=False, server_default=""))
    op.add_column("dead_letters", sa.Column("element", sa.Integer(), nullable=True))
