"""The first shape of the core's database.

Touches the database. Written out in full and never changed again: what a later version of the
tables looks like stands in later migrations.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    _epoch()
    _revision()
    _change()
    _document()
    _shard()
    _outbox()
    _log_record()
    _message()
    _recipient()
    _verdict()
    _threat()
    _quarantine_case()
    _case_recipient()
    _release()
    _audit()


def _epoch() -> None:
    op.create_table(
        "epoch",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("generation", BigInteger, nullable=False),
        Column("identifier", Text, nullable=False),
        Column("created_us", BigInteger, nullable=False),
    )


def _revision() -> None:
    op.create_table(
        "revision",
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("time_us", BigInteger, nullable=False),
        Column("who", Text, nullable=False),
        Column("comment", Text, nullable=False),
        Column("documents", Integer, nullable=False),
        Column("digest", LargeBinary, nullable=False),
    )


def _change() -> None:
    op.create_table(
        "change",
        Column("revision", BigInteger, primary_key=True, autoincrement=False),
        Column("place", Integer, primary_key=True, autoincrement=False),
        Column("kind", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("scope", Text, nullable=False),
        Column("before", LargeBinary),
        Column("after", LargeBinary),
    )
    op.create_index("change_document", "change", ["kind", "key", "revision"])
    op.create_index("change_scope", "change", ["scope", "revision"])


def _document() -> None:
    op.create_table(
        "document",
        Column("kind", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("revision", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )


def _shard() -> None:
    op.create_table(
        "shard",
        Column("node", Text, primary_key=True),
        Column("shard", Integer, primary_key=True, autoincrement=False),
        Column("incarnation", Text, nullable=False),
        Column("first_seen_us", BigInteger, nullable=False),
        Column("last_seen_us", BigInteger, nullable=False),
        Column("hello", Text, nullable=False),
        Column("report", Text, nullable=False),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        Column("node", Text, primary_key=True),
        Column("shard", Integer, primary_key=True, autoincrement=False),
        Column("incarnation", Text, primary_key=True),
        Column("last_sequence", BigInteger, nullable=False),
    )


def _log_record() -> None:
    op.create_table(
        "log_record",
        Column("node", Text, primary_key=True),
        Column("shard", Integer, primary_key=True, autoincrement=False),
        Column("incarnation", Text, primary_key=True),
        Column("sequence", BigInteger, primary_key=True, autoincrement=False),
        Column("time_us", BigInteger, nullable=False),
        Column("taken_us", BigInteger, nullable=False),
        Column("event", Text, nullable=False),
        Column("message_id", Text, nullable=False),
        Column("fields", LargeBinary, nullable=False),
        Column("flaw", Text, nullable=False),
    )
    op.create_index("log_record_message", "log_record", ["message_id"])
    op.create_index("log_record_time", "log_record", ["time_us"])


def _message() -> None:
    op.create_table(
        "message",
        Column("id", Text, primary_key=True),
        Column("node", Text, nullable=False),
        Column("shard", Integer, nullable=False),
        Column("received_us", BigInteger, nullable=False),
        Column("origin", Text, nullable=False),
        Column("client", Text, nullable=False),
        Column("helo", Text, nullable=False),
        Column("tls", Text, nullable=False),
        Column("sender", Text, nullable=False),
        Column("sender_folded", Text, nullable=False),
        Column("sender_domain", Text, nullable=False),
        Column("message_id_header", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("sha256", Text, nullable=False),
        Column("revision", BigInteger, nullable=False),
        Column("score", Double, nullable=False),
        Column("released_from", Text, nullable=False),
        Column("quarantine_reason", Text, nullable=False),
    )
    op.create_index("message_header", "message", ["message_id_header", "received_us"])
    op.create_index("message_sender", "message", ["sender_folded", "received_us"])
    op.create_index("message_sender_domain", "message", ["sender_domain", "received_us"])
    op.create_index("message_received", "message", ["received_us"])


def _recipient() -> None:
    op.create_table(
        "recipient",
        Column("message_id", Text, primary_key=True),
        Column("address", Text, primary_key=True),
        Column("place", Integer, nullable=False),
        Column("node", Text, nullable=False),
        Column("origin", Text, nullable=False),
        Column("received_us", BigInteger, nullable=False),
        Column("folded", Text, nullable=False),
        Column("domain", Text, nullable=False),
        Column("customer", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("disposition", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("reply", Text, nullable=False),
        Column("next_us", BigInteger, nullable=False),
        Column("ended_us", BigInteger, nullable=False),
    )
    op.create_index("recipient_folded", "recipient", ["folded", "received_us"])
    op.create_index("recipient_domain", "recipient", ["domain", "received_us"])
    op.create_index("recipient_customer", "recipient", ["customer", "received_us"])
    op.create_index("recipient_received", "recipient", ["received_us"])


def _verdict() -> None:
    op.create_table(
        "verdict",
        Column("message_id", Text, primary_key=True),
        Column("place", Integer, primary_key=True, autoincrement=False),
        Column("told", Text, nullable=False),
    )


def _threat() -> None:
    op.create_table(
        "threat",
        Column("message_id", Text, primary_key=True),
        Column("engine", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("received_us", BigInteger, nullable=False),
    )
    op.create_index("threat_received", "threat", ["received_us"])


def _quarantine_case() -> None:
    op.create_table(
        "quarantine_case",
        Column("message_id", Text, primary_key=True),
        Column("node", Text, nullable=False),
        Column("shard", Integer, nullable=False),
        Column("incarnation", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("quarantined_us", BigInteger, nullable=False),
        Column("sender", Text, nullable=False),
        Column("recipients", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Column("sha256", LargeBinary, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("subject", Text, nullable=False),
        Column("client_address", Text, nullable=False),
        Column("head", LargeBinary, nullable=False),
        Column("skip", BigInteger, nullable=False),
        Column("smtputf8", Boolean, nullable=False),
        Column("eight_bit", Boolean, nullable=False),
        Column("held_us", BigInteger, nullable=False),
        Column("deleted_us", BigInteger, nullable=False),
        Column("deleted_by", Text, nullable=False),
    )
    op.create_index("case_quarantined", "quarantine_case", ["quarantined_us"])
    op.create_index("case_state", "quarantine_case", ["state", "quarantined_us"])
    op.create_index("case_sha256", "quarantine_case", ["sha256"])


def _case_recipient() -> None:
    op.create_table(
        "case_recipient",
        Column("message_id", Text, primary_key=True),
        Column("folded", Text, primary_key=True),
        Column("domain", Text, nullable=False),
        Column("customer", Text, nullable=False),
    )
    op.create_index("case_recipient_folded", "case_recipient", ["folded"])
    op.create_index("case_recipient_domain", "case_recipient", ["domain"])
    op.create_index("case_recipient_customer", "case_recipient", ["customer"])


def _release() -> None:
    op.create_table(
        "release",
        Column("id", Text, primary_key=True),
        Column("message_id", Text, nullable=False),
        Column("requested_us", BigInteger, nullable=False),
        Column("requested_by", Text, nullable=False),
        Column("again", Boolean, nullable=False),
        Column("state", Text, nullable=False),
        Column("node", Text, nullable=False),
        Column("shard", Integer, nullable=False),
        Column("incarnation", Text, nullable=False),
        Column("assigned_us", BigInteger, nullable=False),
        Column("claimed_us", BigInteger, nullable=False),
        Column("done_us", BigInteger, nullable=False),
        Column("released_as", Text, nullable=False),
    )
    op.create_index("release_message", "release", ["message_id"])
    op.create_index("release_state", "release", ["state"])


def _audit() -> None:
    op.create_table(
        "audit",
        Column(
            "id",
            BigInteger().with_variant(Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        Column("time_us", BigInteger, nullable=False),
        Column("who", Text, nullable=False),
        Column("what", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("detail", Text, nullable=False),
    )
