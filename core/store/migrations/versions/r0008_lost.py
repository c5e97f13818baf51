"""What a spool that is gone never ended is lost, and somebody has to see it.

Touches the database.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text, text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of lost copies, and the way to those that have not ended."""
    op.create_table(
        "lost_copy",
        Column("message_id", Text, primary_key=True),
        Column("address", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("was", Text, nullable=False),
        Column("node", Text, nullable=False),
        Column("shard", Integer, nullable=False),
        Column("life", Integer, nullable=False),
        Column("found_us", BigInteger, nullable=False),
        Column("seen_us", BigInteger, nullable=False),
        Column("seen_by", Text, nullable=False),
    )
    op.create_index("lost_copy_seen", "lost_copy", ["seen_us", "node", "shard"])
    op.create_index("lost_copy_found", "lost_copy", ["found_us"])
    op.create_index(
        "recipient_unfinished",
        "recipient",
        ["node"],
        sqlite_where=text("ended_us = 0"),
        postgresql_where=text("ended_us = 0"),
    )
