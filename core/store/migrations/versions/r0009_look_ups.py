"""Each look-up has an index that leads to what it asks for.

Touches the database. The index of a message's records is made anew: with ten million of them that
takes a minute or two, in which the core does not answer yet and satellites keep what they have.
"""

from __future__ import annotations

import time

from alembic import op
from sqlalchemy import BigInteger, Column, Text, text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NODE_EVENT = "length(message_id) = 0 AND event <> 'refused'"


def upgrade() -> None:
    """Make the indexes, and the columns that they need."""
    _records()
    _cases()
    _releases()
    op.create_index("change_kind", "change", ["kind", "revision"])


def _records() -> None:
    op.drop_index("log_record_message", "log_record")
    op.create_index(
        "log_record_message",
        "log_record",
        ["message_id", "node", "shard", "incarnation", "sequence"],
    )
    where = text(_NODE_EVENT)
    for name, columns in (
        ("log_record_node_event", ["time_us", "sequence"]),
        ("log_record_event_of_node", ["node", "time_us", "sequence"]),
    ):
        op.create_index(name, "log_record", columns, sqlite_where=where, postgresql_where=where)


def _cases() -> None:
    table = "quarantine_case"
    op.add_column(table, Column("opened_us", BigInteger, nullable=False, server_default="0"))
    now_us = time.time_ns() // 1000  # a case that has not arrived is as old as this version
    opened = (
        "UPDATE quarantine_case SET opened_us = CASE WHEN held_us > 0 THEN held_us ELSE :now END"
    )
    op.execute(text(opened).bindparams(now=now_us))
    for name in ("case_quarantined", "case_state", "case_sha256"):
        op.drop_index(name, table)
    op.create_index("case_quarantined", table, ["quarantined_us", "message_id"])
    op.create_index("case_state", table, ["state", "quarantined_us", "message_id"])
    op.create_index("case_node", table, ["node", "state", "quarantined_us", "message_id"])
    op.create_index("case_opened", table, ["state", "opened_us", "message_id"])
    op.create_index("case_sha256", table, ["sha256", "state"])
    table = "case_recipient"
    op.add_column(table, Column("state", Text, nullable=False, server_default=""))
    op.add_column(table, Column("quarantined_us", BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE case_recipient SET (state, quarantined_us) = (SELECT state, quarantined_us"
        " FROM quarantine_case WHERE quarantine_case.message_id = case_recipient.message_id)"
    )
    for name in ("folded", "domain", "customer"):
        op.drop_index(f"case_recipient_{name}", table)
        op.create_index(
            f"case_recipient_{name}", table, [name, "state", "quarantined_us", "message_id"]
        )


def _releases() -> None:
    op.drop_index("release_state", "release")
    op.create_index("release_waiting", "release", ["state", "assigned_us", "id"])
    op.create_index("release_place", "release", ["state", "node", "shard", "id"])
