"""Nodes tell how long the way to the customers' servers is.

Touches the database.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of what each node has measured to each target."""
    op.create_table(
        "round_trip",
        Column("node", Text, primary_key=True),
        Column("target", Text, primary_key=True),
        Column("rtt_us", Integer, nullable=True),
        Column("tries", Integer, nullable=False),
        Column("failures", Integer, nullable=False),
        Column("measured_us", BigInteger, nullable=False),
    )
    op.create_index("round_trip_measured", "round_trip", ["measured_us"])
