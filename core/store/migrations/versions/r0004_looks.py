"""What engines say of messages is counted by day, node and engine.

Touches the database. The counts begin with this version: records of before are not counted, since
reading them all would keep a large core away for hours.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the four tables; they are read by days and so lie in the order of their keys."""
    _create("look_answer", _text("engine"), _text("outcome"), _count("looks"))
    bucket = Column("bucket", Integer, primary_key=True, autoincrement=False)
    _create("look_time", _text("engine"), bucket, _count("looks"))
    _create("look_pair", _text("finder"), _text("other"), _text("said"), _count("messages"))
    _create("look_alone", _text("engine"), _text("threat"), _count("messages"))


def _create(name: str, *columns: Column[Any]) -> None:
    day = Column("day", Integer, primary_key=True, autoincrement=False)
    op.create_table(name, day, _text("node"), *columns, sqlite_with_rowid=False)


def _text(name: str) -> Column[object]:
    return Column(name, Text, primary_key=True)


def _count(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False)
