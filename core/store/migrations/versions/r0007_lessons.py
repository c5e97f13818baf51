"""Customers' mail teaches the filters that can learn.

Touches the database.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of lessons, of who learns, and of what became of each lesson there."""
    op.create_table(
        "lesson",
        Column("id", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("is_spam", Boolean, nullable=False),
        Column("sha256", LargeBinary, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("told_us", BigInteger, nullable=False),
        Column("told_by", Text, nullable=False),
        Column("octets", LargeBinary, nullable=False),
    )
    op.create_index("lesson_octets", "lesson", ["customer", "sha256"], unique=True)
    op.create_index("lesson_size", "lesson", ["customer", "id", "size"])
    op.create_table(
        "learner",
        Column("node", Text, primary_key=True),
        Column("learner", Text, primary_key=True),
        Column("heard_us", BigInteger, nullable=False),
    )
    op.create_table(
        "lesson_standing",
        Column("lesson_id", Text, primary_key=True),
        Column("node", Text, primary_key=True),
        Column("learner", Text, primary_key=True),
        Column("state", Text, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("next_us", BigInteger, nullable=False),
        Column("changed_us", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
    )
    op.create_index(
        "lesson_standing_state", "lesson_standing", ["node", "learner", "state", "next_us"]
    )
