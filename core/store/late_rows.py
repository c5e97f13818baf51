"""Which delivered messages hold what is condemned, and which condemned contents are delivered?

Touches the database, in the transaction that takes the records which tell of either: both are
compared with what is known by then, so that their order does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, tuple_

from common.records import AnyRecord, CondemnedRecord, ScannedRecord
from core.records.late import (
    CONDEMNED_PER_HOUR_MAX,
    HOUR_US,
    KEPT_HOURS,
    LATE_OF_ONE_MAX,
    LATE_PER_HOUR_MAX,
    LateAlarm,
    LateMessage,
    LateRecipient,
)
from core.store import old_rows, tables
from core.store.audit import write_entry
from core.store.bulk import inserting
from core.store.message_rows import in_parts

_insert_seen = inserting(tables.seen_digest)

SEEN_BY = "second look"  # who, in the audit
# Who never had it, or has not yet.
_NOT_THEIRS = ("quarantined", "dropped", "rejected", "received", "scanned", "waiting")


@dataclass(slots=True)
class ToldContents:
    """What a batch of records tells of contents."""

    seen: list[tuple[str, str]] = field(default_factory=list)  # digest, message
    condemned: list[tuple[str, CondemnedRecord]] = field(default_factory=list)  # message first

    def take(self, message_id: str, record: AnyRecord) -> None:
        """Take what one record tells of its message."""
        if isinstance(record, ScannedRecord):
            self.seen += [(digest, message_id) for digest in record.digests]
        elif isinstance(record, CondemnedRecord):
            self.condemned.append((message_id, record))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condemnation:
    """Who named a content a threat, when and as what."""

    digest: str
    node: str
    message_id: str
    engine: str
    threat: str
    definitions: str

    def late(self, message_id: str, *, now_us: int) -> dict[str, Any]:
        """Return the row of a message with that content."""
        return {
            "message_id": message_id,
            "found_us": now_us,
            "digest": self.digest,
            "engine": self.engine,
            "threat": self.threat,
            "definitions": self.definitions,
            "by_node": self.node,
            "by_message": self.message_id,
        }


def compare(
    connection: Connection, told: ToldContents, *, node: str, now_us: int, hours: float
) -> None:
    """Keep what was told, and note the messages that were delivered before it was known.

    Args:
        connection: in its transaction.
        told: by the records of one node.
        node: that node.
        now_us: the time; a node's own clock decides nothing here.
        hours: for how long contents are compared; 0: not at all, and a node speaks of its own mail.
    """
    late: dict[str, dict[str, Any]] = {}
    if hours and (told.seen or told.condemned):
        _compare(connection, told, late, node=node, now_us=now_us, hours=hours)
    for message_id, record in told.condemned:
        if record.late:
            own = _condemnation("", node, message_id, record)
            late[message_id] = own.late(message_id, now_us=now_us)
    if late:
        _note(connection, late, now_us=now_us)


def _compare(
    connection: Connection,
    told: ToldContents,
    late: dict[str, dict[str, Any]],
    *,
    node: str,
    now_us: int,
    hours: float,
) -> None:
    """Add the messages to ``late`` whose contents are condemned."""
    since_us = now_us - int(hours * HOUR_US)
    for message_id, record in told.condemned:
        for one in _condemn(connection, message_id, record, node=node, now_us=now_us):
            for delivered in _with_content(connection, one.digest, since_us=since_us):
                late.setdefault(delivered, one.late(delivered, now_us=now_us))
    fresh = _see(connection, told.seen, now_us=now_us)
    known = _condemned(connection, [digest for digest, _ in fresh], since_us=since_us)
    for digest, message_id in fresh:
        if digest in known:
            late.setdefault(message_id, known[digest].late(message_id, now_us=now_us))


def _condemnation(
    digest: str, node: str, message_id: str, record: CondemnedRecord
) -> _Condemnation:
    return _Condemnation(
        digest=digest,
        node=node,
        message_id=message_id,
        engine=record.engine,
        threat=record.threat,
        definitions=record.definitions,
    )


def _condemn(
    connection: Connection, message_id: str, record: CondemnedRecord, *, node: str, now_us: int
) -> list[_Condemnation]:
    """Keep the contents that a record condemns, and return those that nobody has before."""
    table = tables.condemned_digest
    fresh: list[_Condemnation] = []
    for digest in record.digests:
        is_known = select(table.c.digest).where(table.c.digest == digest)
        if connection.scalar(is_known) is not None:
            continue
        if _count_of(connection, table, table.c.node, node, now_us) >= CONDEMNED_PER_HOUR_MAX:
            break
        one = _condemnation(digest, node, message_id, record)
        connection.execute(
            insert(table).values(
                digest=digest,
                condemned_us=now_us,
                node=node,
                message_id=message_id,
                engine=one.engine,
                threat=one.threat,
                definitions=one.definitions,
            )
        )
        fresh.append(one)
    return fresh


def _see(
    connection: Connection, seen: Sequence[tuple[str, str]], *, now_us: int
) -> list[tuple[str, str]]:
    """Keep contents of delivered mail, and return those that were not known of it."""
    table = tables.seen_digest
    pairs = list(dict.fromkeys(seen))
    known: set[tuple[str, str]] = set()
    for part in in_parts(pairs):
        rows = select(table.c.digest, table.c.message_id).where(
            tuple_(table.c.digest, table.c.message_id).in_(part)
        )
        known.update((row.digest, row.message_id) for row in connection.execute(rows))
    fresh = [pair for pair in pairs if pair not in known]
    _insert_seen.run(connection, [(*pair, now_us) for pair in fresh])
    return fresh


def _with_content(connection: Connection, digest: str, *, since_us: int) -> list[str]:
    table = tables.seen_digest
    query = (
        select(table.c.message_id)
        .where(table.c.digest == digest, table.c.seen_us >= since_us)
        .order_by(table.c.seen_us.desc(), table.c.message_id.desc())
        .limit(LATE_OF_ONE_MAX)
    )
    return list(connection.scalars(query))


def _condemned(
    connection: Connection, digests: Sequence[str], *, since_us: int
) -> dict[str, _Condemnation]:
    """Return those of some contents that are condemned."""
    table = tables.condemned_digest
    found: dict[str, _Condemnation] = {}
    for part in in_parts(list(dict.fromkeys(digests))):
        query = select(table).where(table.c.digest.in_(part), table.c.condemned_us >= since_us)
        for row in connection.execute(query):
            found[row.digest] = _Condemnation(
                digest=row.digest,
                node=row.node,
                message_id=row.message_id,
                engine=row.engine,
                threat=row.threat,
                definitions=row.definitions,
            )
    return found


def _note(connection: Connection, late: dict[str, dict[str, Any]], *, now_us: int) -> None:
    """Write the messages that are not noted yet, within the bounds of those who say so."""
    table = tables.late_message
    for part in in_parts(list(late)):
        noted = select(table.c.message_id).where(table.c.message_id.in_(part))
        for message_id in connection.scalars(noted):
            del late[message_id]
    by_node: dict[str, list[dict[str, Any]]] = {}
    for row in late.values():
        by_node.setdefault(row["by_node"], []).append(row)
    for node, rows in by_node.items():
        left = LATE_PER_HOUR_MAX - _count_of(connection, table, table.c.by_node, node, now_us)
        if not rows[: max(0, left)]:
            continue
        connection.execute(insert(table), rows[:left])
        write_entry(
            connection,
            now_us=now_us,
            who=SEEN_BY,
            what="late",
            subject=rows[0]["by_message"],
            detail=f"{rows[0]['engine']} names {rows[0]['threat']} at {node}: in"
            f" {len(rows[:left])} delivered messages; see borderscout report late",
        )


def _count_of(connection: Connection, table: Any, column: Any, node: str, now_us: int) -> int:
    """Return how many rows of an hour are by the word of a node."""
    time = table.c.condemned_us if "condemned_us" in table.c else table.c.found_us
    query = select(func.count()).where(column == node, time > now_us - HOUR_US)
    return int(connection.scalar(query) or 0)


def found(
    connection: Connection, *, since_us: int, until_us: int, customer: str | None, limit: int
) -> list[LateMessage]:
    """Return the messages that were found in a time and delivered to somebody, the newest first."""
    rows = connection.execute(_messages(since_us, until_us, customer).limit(limit)).all()
    recipients = _recipients(connection, [row.message_id for row in rows], customer)
    return [
        LateMessage(
            id=row.message_id,
            node=row.node or "",
            received_us=row.received_us or 0,
            sender=row.sender or "",
            subject=row.subject or "",
            message_id_header=row.message_id_header or "",
            found_us=row.found_us,
            engine=row.engine,
            threat=row.threat,
            definitions=row.definitions,
            digest=row.digest,
            by_node=row.by_node,
            by_message=row.by_message,
            recipients=tuple(recipients.get(row.message_id, ())),
        )
        for row in rows
    ]


def _messages(since_us: int, until_us: int, customer: str | None) -> Select[Any]:
    late, message, recipient = tables.late_message, tables.message, tables.recipient
    theirs = select(recipient.c.message_id).where(recipient.c.message_id == late.c.message_id)
    theirs = theirs.where(recipient.c.state.not_in(_NOT_THEIRS))
    if customer is not None:
        theirs = theirs.where(recipient.c.customer == customer)
    return (
        select(
            late,
            message.c.node,
            message.c.received_us,
            message.c.sender,
            message.c.subject,
            message.c.message_id_header,
        )
        .join(message, message.c.id == late.c.message_id)
        .where(late.c.found_us >= since_us, late.c.found_us < until_us, theirs.exists())
        .order_by(late.c.found_us.desc(), late.c.message_id.desc())
    )


def _recipients(
    connection: Connection, ids: Sequence[str], customer: str | None
) -> dict[str, list[LateRecipient]]:
    table = tables.recipient
    told: dict[str, list[LateRecipient]] = {}
    for part in in_parts(ids):
        query = (
            select(table)
            .where(table.c.message_id.in_(part), table.c.state.not_in(_NOT_THEIRS))
            .order_by(table.c.message_id, table.c.place)
        )
        if customer is not None:
            query = query.where(table.c.customer == customer)
        for row in connection.execute(query):
            told.setdefault(row.message_id, []).append(
                LateRecipient(
                    address=row.address,
                    customer=row.customer,
                    state=row.state,
                    ended_us=row.ended_us,
                )
            )
    return told


def alarm(connection: Connection, *, since_us: int, now_us: int) -> LateAlarm:
    """Return whether anything was found of late, and whose word counts no more for now."""
    late, condemned = tables.late_message, tables.condemned_digest
    count, newest = connection.execute(
        select(func.count(), func.max(late.c.found_us)).where(late.c.found_us >= since_us)
    ).one()
    condemning = (condemned.c.node, condemned.c.condemned_us, CONDEMNED_PER_HOUR_MAX)
    naming = (late.c.by_node, late.c.found_us, LATE_PER_HOUR_MAX)
    silenced: set[str] = set()
    for node, time, most in (condemning, naming):
        name = node.concat("")  # no index may give the groups: that of the time leads to the hour
        busy = select(name).where(time > now_us - HOUR_US).group_by(name)
        silenced.update(connection.scalars(busy.having(func.count() >= most)))
    return LateAlarm(messages=count, newest_us=newest or 0, silenced=tuple(sorted(silenced)))


def forget(connection: Connection, *, now_us: int, hours: float) -> int:
    """Delete what is compared no more, and reports that are old, some rows of each.

    Returns: how many that were.
    """
    since_us = now_us - int(hours * HOUR_US)
    kept_us = now_us - int(KEPT_HOURS * HOUR_US)
    return (
        old_rows.delete_before(connection, tables.seen_digest, "seen_us", since_us)
        + old_rows.delete_before(connection, tables.condemned_digest, "condemned_us", since_us)
        + old_rows.delete_before(connection, tables.late_message, "found_us", kept_us)
    )
