"""On PostgreSQL the database repeats who sees what.

Roles, grants and policies are not made here: roles belong to the server, and each new table needs its rights too, so
`ioc/store/rights.py` lays all of them down after every run of the migrations.

Version 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reaches",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("above", sa.String(), nullable=False),
        sa.Column("places", sa.Text().with_variant(INT4MULTIRANGE(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("kind", "above", name=op.f("pk_reaches")),
        comment="PostgreSQL: numbers of all places that on some day belonged to a centre or a unit;"
        " what policies look at",
    )
