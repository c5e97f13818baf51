"""Refusals are found and counted, messages found by client, and releases are of recipients.

Touches the database.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the ways in to refusals, one more to messages, and room for a release's recipients."""
    op.create_table(
        "refusal",
        *_place(),
        Column("time_us", BigInteger, nullable=False),
        Column("client", Text, nullable=False),
        Column("command", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("refusals", BigInteger, nullable=False),
    )
    op.create_index("refusal_client", "refusal", ["client", "time_us"])
    op.create_index("refusal_time", "refusal", ["time_us"])
    op.create_table(
        "refused_address",
        *_place(),
        Column("folded", Text, primary_key=True),
        Column("domain", Text, nullable=False),
        Column("time_us", BigInteger, nullable=False),
    )
    op.create_index("refused_address_folded", "refused_address", ["folded", "time_us"])
    op.create_index("refused_address_domain", "refused_address", ["domain", "time_us"])
    op.add_column("release", Column("recipients", Text, nullable=False, server_default="[]"))
    op.create_index("message_client", "message", ["client", "received_us"])


def _place() -> list[Column[object]]:
    return [
        Column("node", Text, primary_key=True),
        Column("shard", Integer, primary_key=True, autoincrement=False),
        Column("incarnation", Text, primary_key=True),
        Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    ]
