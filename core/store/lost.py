"""How is it kept what a spool that is gone never ended?

Touches the database. What is found is written some hundred copies at a time, so that a spool with a
million of them holds up nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from common.clock import Clock
from common.counted import counted
from common.identity import ShardIdentity
from common.states import State
from core.quarantine.cases import CaseState
from core.records.lost import LOST, WHY, LostCopy, lost_by_customer
from core.store import incarnations, tables
from core.store.audit import write_entry
from core.store.message_rows import in_parts
from core.store.writer import StoreReaders, StoreWriter

COPIES_AT_ONCE = 200  # in one transaction
STEPS_MAX = 20  # of these at one time; the next report of the shard goes on
COPIES_MAX = 1_000  # in one answer


class LostStore:
    """The mail of spools that are gone."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._people = readers.people
        self._clock = clock

    async def settle(self, identity: ShardIdentity) -> None:
        """Say of what a former life of this shard never ended that it is lost.

        Only where this life began with nothing.

        Raises:
            Fenced: a later life of the shard has spoken.
        """
        now_us = self._clock.now_us()
        for _ in range(STEPS_MAX):
            if await self._writer.run(lambda c: _settle(c, identity, now_us=now_us)):
                return

    async def report(
        self, *, customer: str | None = None, limit: int = COPIES_MAX
    ) -> dict[str, Any]:
        """Return what was lost, by customer, the newest first.

        Args:
            customer: his recipients alone; None: all.
            limit: at most so many copies.
        """
        query = _copies().limit(max(0, min(limit, COPIES_MAX)))
        if customer is not None:
            query = query.where(tables.lost_copy.c.customer == customer)

        def read(connection: Connection) -> dict[str, Any]:
            found = [LostCopy(**row._mapping) for row in connection.execute(query)]
            return {"copies": len(found), "customers": lost_by_customer(found)}

        return await self._people.run(read)

    async def unseen(self) -> dict[str, int]:
        """Return how many copies nobody has said to have seen, by NODE/SHARD."""
        table = tables.lost_copy
        query = (
            select(table.c.node, table.c.shard, func.count())
            .where(table.c.seen_us == 0)
            .group_by(table.c.node, table.c.shard)
            .order_by(table.c.node, table.c.shard)
        )
        rows = await self._people.run(lambda c: c.execute(query).all())
        return {f"{node}/{shard}": count for node, shard, count in rows}

    async def see(self, node: str, shard: int, *, who: str) -> int:
        """Write that somebody has seen what a shard lost; return how many copies that are."""
        now_us = self._clock.now_us()
        table = tables.lost_copy
        here = and_(table.c.node == node, table.c.shard == shard, table.c.seen_us == 0)

        def work(connection: Connection) -> int:
            done = connection.execute(
                update(table).where(here).values(seen_us=now_us, seen_by=who[:200])
            )
            write_entry(
                connection,
                now_us=now_us,
                who=who,
                what="lost.seen",
                subject=f"{node}/{shard}",
                detail=counted(done.rowcount, "copy", "copies"),
            )
            return done.rowcount

        return await self._writer.run(work)


def found_again(connection: Connection, messages: list[str]) -> None:
    """Forget that messages are lost: a spool tells of them after all."""
    if messages:
        table = tables.lost_copy
        connection.execute(delete(table).where(table.c.message_id.in_(messages)))


def named_by_a_spool(
    connection: Connection, identity: ShardIdentity, messages: Collection[str], *, now_us: int
) -> None:
    """Write that messages are lost of which a spool itself says that it could not be mended.

    Args:
        connection: the transaction that takes in what it says.
        identity: whose; of another shard's messages it has no say.
        messages: their ids.
        now_us: microseconds since the epoch, UTC.
    """
    recipient, message = tables.recipient, tables.message
    for part in in_parts(sorted(messages)):
        query = (
            select(recipient)
            .join(message, message.c.id == recipient.c.message_id)
            .where(
                message.c.id.in_(part),
                message.c.node == identity.node,
                message.c.shard == identity.shard,
                recipient.c.ended_us == 0,
            )
        )
        rows = connection.execute(query).all()
        if rows:
            number = incarnations.let_in(connection, identity, now_us=now_us).number
        for row in rows:
            _lose(connection, identity, row, number=number, now_us=now_us)


def arrived_after_all(connection: Connection, message_id: str) -> None:
    """A quarantined body is here: nothing of it is lost."""
    table, recipient = tables.lost_copy, tables.recipient
    gone = connection.execute(delete(table).where(table.c.message_id == message_id))
    if gone.rowcount:
        connection.execute(
            update(recipient)
            .where(recipient.c.message_id == message_id, recipient.c.state == LOST)
            .values(state=str(State.QUARANTINED), reason="")
        )


def _settle(connection: Connection, identity: ShardIdentity, *, now_us: int) -> bool:
    """Write some of what is lost; return whether that was all."""
    incarnations.check(connection, identity)
    life = tables.life
    here = and_(
        life.c.node == identity.node,
        life.c.shard == identity.shard,
        life.c.incarnation == identity.incarnation,
    )
    number = connection.scalar(select(life.c.number).where(here, ~life.c.is_settled))
    if number is None:
        return True
    unfinished = connection.execute(_unfinished(identity).limit(COPIES_AT_ONCE)).all()
    arriving = connection.execute(_arriving(identity).limit(COPIES_AT_ONCE)).all()
    for row in (*unfinished, *arriving):
        _lose(connection, identity, row, number=number, now_us=now_us)
    if max(len(unfinished), len(arriving)) == COPIES_AT_ONCE:
        return False
    connection.execute(update(life).where(here).values(is_settled=True))
    return True


def _unfinished(identity: ShardIdentity) -> Select[Any]:
    """Return the copies that no record ended, of messages that this life does not know."""
    recipient, message, record = tables.recipient, tables.message, tables.log_record
    known = exists().where(
        record.c.message_id == recipient.c.message_id,
        record.c.incarnation == identity.incarnation,
    )
    return (
        select(recipient.c.message_id, recipient.c.address, recipient.c.customer, recipient.c.state)
        .join(message, message.c.id == recipient.c.message_id)
        .where(
            recipient.c.node == identity.node,
            # As it stands in the index's own condition: a parameter would not find it.
            recipient.c.ended_us == literal_column("0"),
            message.c.shard == identity.shard,
            ~known,
        )
    )


def _arriving(identity: ShardIdentity) -> Select[Any]:
    """Return the quarantined copies whose body had not come whole."""
    recipient, case, lost = tables.recipient, tables.quarantine_case, tables.lost_copy
    return (
        select(recipient.c.message_id, recipient.c.address, recipient.c.customer, recipient.c.state)
        .join(case, case.c.message_id == recipient.c.message_id)
        .where(
            case.c.state == str(CaseState.ARRIVING),
            case.c.node == identity.node,
            case.c.shard == identity.shard,
            case.c.incarnation != identity.incarnation,
            recipient.c.state == str(State.QUARANTINED),
            ~exists().where(lost.c.message_id == recipient.c.message_id),
        )
    )


def _lose(
    connection: Connection, identity: ShardIdentity, row: Any, *, number: int, now_us: int
) -> None:
    table, recipient = tables.lost_copy, tables.recipient
    known = and_(table.c.message_id == row.message_id, table.c.address == row.address)
    connection.execute(delete(table).where(known))  # of a time before, which nobody has seen
    connection.execute(
        insert(table).values(
            message_id=row.message_id,
            address=row.address,
            customer=row.customer,
            was=row.state,
            node=identity.node,
            shard=identity.shard,
            life=number,
            found_us=now_us,
            seen_us=0,
            seen_by="",
        )
    )
    why = WHY.format(node=identity.node, shard=identity.shard, number=number)
    connection.execute(
        update(recipient)
        .where(recipient.c.message_id == row.message_id, recipient.c.address == row.address)
        .values(state=LOST, reason=why, next_us=0, ended_us=now_us)
    )


def _copies() -> Select[Any]:
    """Return what was lost, with what is still known of its message: records go after a time."""
    lost, message = tables.lost_copy, tables.message
    return (
        select(
            lost,
            func.coalesce(message.c.sender, "").label("sender"),
            func.coalesce(message.c.subject, "").label("subject"),
            func.coalesce(message.c.received_us, lost.c.found_us).label("received_us"),
        )
        .outerjoin(message, message.c.id == lost.c.message_id)
        .order_by(lost.c.found_us.desc(), lost.c.message_id.desc(), lost.c.address)
    )
