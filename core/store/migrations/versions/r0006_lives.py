"""Lives are numbered as they were heard of, and a chain says which spool speaks.

Touches the database. Lives that are known get their numbers by their ULIDs, which is how they were
fenced before.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_KNOWN_LIVES = """
INSERT INTO life (node, shard, incarnation, number, first_seen_us, former, carried, is_settled)
SELECT known.node, known.shard, known.incarnation,
  row_number() OVER (PARTITION BY known.node, known.shard ORDER BY known.incarnation),
  0, NULL, 0, true
FROM (
  SELECT node, shard, incarnation FROM outbox UNION SELECT node, shard, incarnation FROM shard
) AS known
"""


def upgrade() -> None:
    """Make the table of lives, and room for chains and forks."""
    op.create_table(
        "life",
        Column("node", Text, primary_key=True),
        Column("shard", Integer, primary_key=True, autoincrement=False),
        Column("incarnation", Text, primary_key=True),
        Column("number", Integer, nullable=False),
        Column("first_seen_us", BigInteger, nullable=False),
        Column("former", Text),
        Column("carried", BigInteger, nullable=False),
        Column("is_settled", Boolean, nullable=False),
    )
    op.create_index("life_node", "life", ["node", "first_seen_us"])
    op.execute(_KNOWN_LIVES)
    op.add_column("shard", Column("forks", Text, nullable=False, server_default="[]"))
    op.add_column("outbox", Column("chain", LargeBinary, nullable=False, server_default=""))
    op.add_column("outbox", Column("carried", BigInteger, nullable=False, server_default="0"))
