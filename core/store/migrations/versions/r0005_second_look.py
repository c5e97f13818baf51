"""Contents of delivered mail are compared with what is condemned later.

Touches the database.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of contents that were seen and condemned, and of mail that came too early."""
    op.create_table(
        "seen_digest",
        Column("digest", Text, primary_key=True),
        Column("message_id", Text, primary_key=True),
        Column("seen_us", BigInteger, nullable=False),
    )
    op.create_index("seen_digest_time", "seen_digest", ["seen_us"])
    op.create_table(
        "condemned_digest",
        Column("digest", Text, primary_key=True),
        Column("condemned_us", BigInteger, nullable=False),
        Column("node", Text, nullable=False),
        Column("message_id", Text, nullable=False),
        *_named(),
    )
    op.create_index("condemned_digest_node", "condemned_digest", ["node", "condemned_us"])
    op.create_index("condemned_digest_time", "condemned_digest", ["condemned_us"])
    op.create_table(
        "late_message",
        Column("message_id", Text, primary_key=True),
        Column("found_us", BigInteger, nullable=False),
        Column("digest", Text, nullable=False),
        *_named(),
        Column("by_node", Text, nullable=False),
        Column("by_message", Text, nullable=False),
    )
    op.create_index("late_message_found", "late_message", ["found_us"])
    op.create_index("late_message_node", "late_message", ["by_node", "found_us"])


def _named() -> list[Column[object]]:
    return [Column(name, Text, nullable=False) for name in ("engine", "threat", "definitions")]
