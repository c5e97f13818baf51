"""A large revision counts before all of its documents stand where they belong.

Touches the database.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of revisions whose documents are on their way."""
    op.create_table(
        "settling",
        Column("revision", BigInteger, primary_key=True, autoincrement=False),
        Column("place", Integer, nullable=False),
    )
