"""Which incarnation of a shard is the newest, and may this one still speak?

Touches the database, in the transaction of what the shard asked for.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, insert, select, update

from common.identity import ShardIdentity
from core.records.intake import check_life
from core.store import tables


def enter(connection: Connection, identity: ShardIdentity, *, now_us: int) -> None:
    """Take note of a shard's incarnation; what it asks for may go on in this transaction.

    Raises:
        Fenced: a later life of the same shard has spoken.
    """
    table = tables.shard
    here = and_(table.c.node == identity.node, table.c.shard == identity.shard)
    # On a server the row is locked: no later life can slip in before this transaction ends.
    row = connection.execute(select(table).where(here).with_for_update()).first()
    if row is None:
        connection.execute(
            insert(table).values(
                node=identity.node,
                shard=identity.shard,
                incarnation=identity.incarnation,
                first_seen_us=now_us,
                last_seen_us=now_us,
                hello="{}",
                report="{}",
            )
        )
        return
    check_life(identity, newest=row.incarnation)
    if identity.incarnation != row.incarnation:
        connection.execute(update(table).where(here).values(incarnation=identity.incarnation))


def check(connection: Connection, identity: ShardIdentity) -> None:
    """Accept a shard's incarnation without writing anything.

    Raises:
        Fenced: a later life of the same shard has spoken.
    """
    table = tables.shard
    newest = connection.scalar(
        select(table.c.incarnation).where(
            table.c.node == identity.node, table.c.shard == identity.shard
        )
    )
    check_life(identity, newest=newest or "")
