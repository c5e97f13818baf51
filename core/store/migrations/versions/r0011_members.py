"""Nodes join with a token, and the core keeps what of their keys is public.

Touches the database.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of members, and of the tokens for those that are to be."""
    op.create_table(
        "member",
        Column("node", Text, primary_key=True),
        Column("joined_us", BigInteger, nullable=False),
        Column("certificates", Text, nullable=False),
        Column("wireguard", Text, nullable=False),
        Column("wireguard_beside", Text, nullable=False),
        Column("rotate_us", BigInteger, nullable=False),
        Column("revoked_us", BigInteger, nullable=False),
    )
    op.create_table(
        "join_token",
        Column("digest", Text, primary_key=True),
        Column("node", Text, nullable=False),
        Column("made_us", BigInteger, nullable=False),
        Column("expires_us", BigInteger, nullable=False),
        Column("who", Text, nullable=False),
        Column("again", Boolean, nullable=False),
        Column("used_us", BigInteger, nullable=False),
        Column("keys", Text, nullable=False),
        Column("issued", Text, nullable=False),
    )
    op.create_index("join_token_expires", "join_token", ["expires_us"])
