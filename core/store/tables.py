"""Which tables does the core's database have?

Pure. The shapes that queries are written with; the migrations make them, and a test compares the
two. Times are microseconds since the epoch, UTC; ids are ULIDs; what came as octets stays octets.

Long because all tables of one database are one metadata, which the test compares as a whole.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData()

# What is in the indexes of events in the lives of nodes. SQLite takes them only for a query that
# says the same in the same words; and not as an equality, for which it would take another index.
IS_NODE_EVENT = "length(message_id) = 0 AND event <> 'refused'"

# One row: the life of this database.
epoch = Table(
    "epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("identifier", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

# Every published change set, without holes.
revision = Table(
    "revision",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("documents", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # of the whole set at this revision
)

# What each revision did to each document; `after` is null in a tombstone.
change = Table(
    "change",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("before", LargeBinary),
    Column("after", LargeBinary),
    Index("change_document", "kind", "key", "revision"),
    Index("change_kind", "kind", "revision"),
    Index("change_scope", "scope", "revision"),
)

# The documents that are in force.
document = Table(
    "document",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Revisions in force whose documents do not all stand there yet; those before `place` do.
settling = Table(
    "settling",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, nullable=False),
)

# The newest life of each shard, and what it last said of itself.
shard = Table(
    "shard",
    metadata,
    Column("node", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", Text, nullable=False),
    Column("first_seen_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Column("hello", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("forks", Text, nullable=False),  # JSON list: processes of this life that may not speak
)

# Every life of a shard, numbered as the core first heard of it.
life = Table(
    "life",
    metadata,
    Column("node", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("first_seen_us", BigInteger, nullable=False),
    Column(
        "former", Text
    ),  # whose mail and records it has; empty: it began with none; null: unknown
    Column("carried", BigInteger, nullable=False),
    Column("is_settled", Boolean, nullable=False),  # what became of the mail of the one before
    Index("life_node", "node", "first_seen_us"),
)

# How far each outbox has been taken in.
outbox = Table(
    "outbox",
    metadata,
    Column("node", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", Text, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),  # the digest there; empty: not known
    Column("carried", BigInteger, nullable=False),  # up to here a former life may have sent it too
)


# A node that made its keys itself, and what of them is public.
member = Table(
    "member",
    metadata,
    Column("node", Text, primary_key=True),
    Column("joined_us", BigInteger, nullable=False),
    Column("certificates", Text, nullable=False),  # JSON: serial number, and when its time ends
    Column("wireguard", Text, nullable=False),
    Column("wireguard_beside", Text, nullable=False),  # shakes hands, and has no network
    Column("rotate_us", BigInteger, nullable=False),  # 0: its keys are not to be changed
    Column("revoked_us", BigInteger, nullable=False),  # 0: it was not
)

# What a node may join with; of its secret the digest alone.
join_token = Table(
    "join_token",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("again", Boolean, nullable=False),
    Column("used_us", BigInteger, nullable=False),  # 0: not yet
    Column("keys", Text, nullable=False),  # a digest of those that it was used for
    Column("issued", Text, nullable=False),  # JSON: what was signed for them
    Index("join_token_expires", "expires_us"),
)


def _node_events(name: str, *columns: str) -> Index:
    where = text(IS_NODE_EVENT)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


# Every record as it came; `flaw` says why nothing was derived from one.
log_record = Table(
    "log_record",
    metadata,
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
    # All that a shard said of a message, in its order: what others say of it costs nobody anything.
    Index("log_record_message", "message_id", "node", "shard", "incarnation", "sequence"),
    _node_events("log_record_node_event", "time_us", "sequence"),
    _node_events("log_record_event_of_node", "node", "time_us", "sequence"),
)

# What the records say of each message.
message = Table(
    "message",
    metadata,
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
    Index("message_header", "message_id_header", "received_us"),
    Index("message_sender", "sender_folded", "received_us"),
    Index("message_sender_domain", "sender_domain", "received_us"),
    Index("message_received", "received_us"),
    Index("message_client", "client", "received_us"),
)

# A refusal, as its record tells of it: one client, or a sum; how it is found and counted.
refusal = Table(
    "refusal",
    metadata,
    Column("node", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("refusals", BigInteger, nullable=False),
    Index("refusal_client", "client", "time_us"),
    Index("refusal_time", "time_us"),
)

# Each sender and recipient that a refusal names.
refused_address = Table(
    "refused_address",
    metadata,
    Column("node", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("folded", Text, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Index("refused_address_folded", "folded", "time_us"),
    Index("refused_address_domain", "domain", "time_us"),
)

# One copy; node, origin and time stand here too, so that reports read one table.
recipient = Table(
    "recipient",
    metadata,
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
    Column("ended_us", BigInteger, nullable=False),  # 0: not yet
    Index("recipient_folded", "folded", "received_us"),
    Index("recipient_domain", "domain", "received_us"),
    Index("recipient_received", "received_us"),
    Index(
        "recipient_unfinished",
        "node",
        sqlite_where=text("ended_us = 0"),
        postgresql_where=text("ended_us = 0"),
    ),
)

# What a spool that is gone never ended, until a spool tells of it after all.
lost_copy = Table(
    "lost_copy",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("customer", Text, nullable=False),
    Column("was", Text, nullable=False),  # the state before
    Column("node", Text, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("life", Integer, nullable=False),  # that began without it
    Column("found_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),  # 0: nobody has said so
    Column("seen_by", Text, nullable=False),
    Index("lost_copy_seen", "seen_us", "node", "shard"),
    Index("lost_copy_found", "found_us"),
)

# What each node has measured to each of the customers' servers, lately.
round_trip = Table(
    "round_trip",
    metadata,
    Column("node", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("rtt_us", Integer, nullable=True),  # null: nothing came back
    Column("tries", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("measured_us", BigInteger, nullable=False),
    Index("round_trip_measured", "measured_us"),
)

# What engines found in each message; all else that they said stands in its records.
threat = Table(
    "threat",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("engine", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("received_us", BigInteger, nullable=False),
    Index("threat_received", "received_us"),
)

# What engines said, counted by days since the epoch, UTC: filters too, whose outcome is `scored`.
look_answer = Table(
    "look_answer",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("engine", Text, primary_key=True),  # empty: those beyond what a day counts by name
    Column("outcome", Text, primary_key=True),
    Column("looks", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# How long they took, by bucket.
look_time = Table(
    "look_time",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("engine", Text, primary_key=True),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("looks", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Of the messages in which an engine found something: what each other one said, and itself.
look_pair = Table(
    "look_pair",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("finder", Text, primary_key=True),
    Column("other", Text, primary_key=True),
    Column("said", Text, primary_key=True),
    Column("messages", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What one engine alone found.
look_alone = Table(
    "look_alone",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("engine", Text, primary_key=True),
    Column("threat", Text, primary_key=True),  # empty: it gave no name, or one beyond those counted
    Column("messages", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The risky parts of mail that was delivered, for some hours; sites and customers together.
seen_digest = Table(
    "seen_digest",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("seen_us", BigInteger, nullable=False),
    Index("seen_digest_time", "seen_us"),
)

# Contents that an engine somewhere named a threat of, for as long.
condemned_digest = Table(
    "condemned_digest",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("condemned_us", BigInteger, nullable=False),
    Column("node", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("threat", Text, nullable=False),
    Column("definitions", Text, nullable=False),
    Index("condemned_digest_node", "node", "condemned_us"),
    Index("condemned_digest_time", "condemned_us"),
)

# Messages that were delivered before it was known what they hold.
late_message = Table(
    "late_message",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("found_us", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),  # empty: its own satellite has looked again
    Column("engine", Text, nullable=False),
    Column("threat", Text, nullable=False),
    Column("definitions", Text, nullable=False),
    Column("by_node", Text, nullable=False),
    Column("by_message", Text, nullable=False),
    Index("late_message_found", "found_us"),
    Index("late_message_node", "by_node", "found_us"),
)

# A quarantined message; `case` is a word of SQL.
quarantine_case = Table(
    "quarantine_case",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("incarnation", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column(
        "opened_us", BigInteger, nullable=False
    ),  # by our clock; quarantined_us is by its node's
    Column("quarantined_us", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    Column("recipients", Text, nullable=False),  # JSON list, as they came
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
    Column("held_us", BigInteger, nullable=False),  # 0: not yet
    Column("deleted_us", BigInteger, nullable=False),  # 0: not
    Column("deleted_by", Text, nullable=False),
    Index("case_quarantined", "quarantined_us", "message_id"),
    Index("case_state", "state", "quarantined_us", "message_id"),
    Index("case_node", "node", "state", "quarantined_us", "message_id"),
    Index("case_opened", "state", "opened_us", "message_id"),
    Index("case_sha256", "sha256", "state"),
)

# For whom it is kept. State and time stand here too, so that a page of a customer's is read from
# one index, however many cases he has in other states.

case_recipient = Table(
    "case_recipient",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("folded", Text, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("quarantined_us", BigInteger, nullable=False),
    Index("case_recipient_folded", "folded", "state", "quarantined_us", "message_id"),
    Index("case_recipient_domain", "domain", "state", "quarantined_us", "message_id"),
    Index("case_recipient_customer", "customer", "state", "quarantined_us", "message_id"),
)

# A wish to deliver a quarantined message; node is empty until it is assigned.
release = Table(
    "release",
    metadata,
    Column("id", Text, primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("requested_us", BigInteger, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("again", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("incarnation", Text, nullable=False),  # of the claim
    Column("assigned_us", BigInteger, nullable=False),
    Column("claimed_us", BigInteger, nullable=False),
    Column("done_us", BigInteger, nullable=False),
    Column("released_as", Text, nullable=False),
    Column("recipients", Text, nullable=False),  # JSON list, as they came; empty: all
    Index("release_message", "message_id"),
    Index("release_waiting", "state", "assigned_us", "id"),
    Index("release_place", "state", "node", "shard", "id"),
)

_number = BigInteger().with_variant(Integer, "sqlite")

audit = Table(
    "audit",
    metadata,
    Column("id", _number, primary_key=True, autoincrement=True),
    Column("time_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
