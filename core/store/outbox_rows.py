"""How far has the outbox of a life been taken in?

Touches the database, in the transaction of whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, insert, select, update

from common.chain import NO_CHAIN, ChainPoint
from common.identity import ShardIdentity
from common.records import LogRecord
from core.store import tables

PLACES_IN_A_QUERY = 250  # each has a message and a time


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """The end of what is here of a life.

    Args:
        point: the last record that is durable, and the digest up to there.
        carried: up to this number, records may be here under a former life of the shard, too.
    """

    point: ChainPoint
    carried: int


def read(connection: Connection, identity: ShardIdentity) -> OutboxRow | None:
    """Return where a life's outbox is; None before its first record."""
    table = tables.outbox
    row = connection.execute(
        select(table.c.last_sequence, table.c.chain, table.c.carried).where(_here(identity))
    ).first()
    return OutboxRow(ChainPoint(row[0], bytes(row[1] or b"")), row[2]) if row is not None else None


def begin(connection: Connection, identity: ShardIdentity) -> OutboxRow:
    """Make the row of a life whose first records come."""
    table = tables.life
    carried = connection.scalar(
        select(table.c.carried).where(
            table.c.node == identity.node,
            table.c.shard == identity.shard,
            table.c.incarnation == identity.incarnation,
        )
    )
    connection.execute(
        insert(tables.outbox).values(
            node=identity.node,
            shard=identity.shard,
            incarnation=identity.incarnation,
            last_sequence=0,
            chain=b"",
            carried=carried or 0,
        )
    )
    return OutboxRow(NO_CHAIN, carried or 0)


def advance(connection: Connection, identity: ShardIdentity, last: ChainPoint) -> None:
    """All up to here is taken in."""
    connection.execute(
        update(tables.outbox)
        .where(_here(identity))
        .values(last_sequence=last.sequence, chain=last.digest)
    )


def not_known_before(
    connection: Connection,
    identity: ShardIdentity,
    records: Sequence[LogRecord],
    *,
    carried: int,
) -> Sequence[LogRecord]:
    """Return those that no former life of the shard has sent: of what it carried over, some are.

    They are the same in all but their number.
    """
    again = [record for record in records if record.sequence <= carried]
    known = set[tuple[str, int, str, bytes]]()
    for start in range(0, len(again), PLACES_IN_A_QUERY):
        query = _same_moments(identity, again[start : start + PLACES_IN_A_QUERY])
        known |= {(row[0], row[1], row[2], bytes(row[3])) for row in connection.execute(query)}
    if not known:
        return records
    return [
        record
        for record in records
        if record.sequence > carried
        or (record.message_id, record.time_us, record.event, record.fields) not in known
    ]


def _same_moments(identity: ShardIdentity, records: Sequence[LogRecord]) -> Select[Any]:
    table = tables.log_record
    return select(table.c.message_id, table.c.time_us, table.c.event, table.c.fields).where(
        table.c.message_id.in_({record.message_id for record in records}),
        table.c.time_us.in_({record.time_us for record in records}),
        table.c.node == identity.node,
        table.c.shard == identity.shard,
        table.c.incarnation != identity.incarnation,
    )


def _here(identity: ShardIdentity) -> ColumnElement[bool]:
    table = tables.outbox
    return and_(
        table.c.node == identity.node,
        table.c.shard == identity.shard,
        table.c.incarnation == identity.incarnation,
    )
