"""What is late is counted apart: a back-fill says nothing of the rate and the delay of now.

Version 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MEANING = (
    "messages by minute of arrival; `lag` is the sum of (arrival - event time) of the accepted ones, in ms,"
    " but for the `late` ones, which told of the past"
)


def upgrade() -> None:
    op.add_column("source_counts", sa.Column("late", sa.BigInteger(), nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.create_table_comment("source_counts", MEANING)
