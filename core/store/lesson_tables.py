"""Which tables hold lessons, and what became of them at each learner?

Pure. The shapes that queries are written with, beside those of ``core.store.tables``.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from core.store.tables import metadata

# A message of which somebody said what it is, for one customer; the octets as it came.
lesson = Table(
    "lesson",
    metadata,
    Column("id", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("is_spam", Boolean, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("source", Text, nullable=False),  # release or report
    Column("told_us", BigInteger, nullable=False),
    Column("told_by", Text, nullable=False),
    Column("octets", LargeBinary, nullable=False),
    Index("lesson_octets", "customer", "sha256", unique=True),
    Index("lesson_size", "customer", "id", "size"),
)

# The filters that learn, as their nodes have said.
learner = Table(
    "learner",
    metadata,
    Column("node", Text, primary_key=True),
    Column("learner", Text, primary_key=True),
    Column("heard_us", BigInteger, nullable=False),
)

# What became of a lesson at a learner; none: it was not told yet.
lesson_standing = Table(
    "lesson_standing",
    metadata,
    Column("lesson_id", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("learner", Text, primary_key=True),
    Column("state", Text, nullable=False),  # waiting, learned, known or refused
    Column("tries", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),  # where it waits
    Column("changed_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Index("lesson_standing_state", "node", "learner", "state", "next_us"),
)
