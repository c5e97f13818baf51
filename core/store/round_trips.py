"""What has each node measured to the customers' servers, and when?

Touches the database. A node's word replaces what it said of the same target before, and its own
room is bounded: what it said longest ago gives way, and nobody else's. Times are the core's: a
node says how long ago it was. A database that was put back has old times, which whoever reads
them sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, delete, func, insert, select, tuple_

from common.clock import Clock
from common.round_trips import TARGETS_MAX, RoundTrip
from core.store import tables
from core.store.retention import Rest
from core.store.writer import StoreReaders, StoreWriter

KEPT_US = 7 * 86_400_000_000  # older than any plan rests on; until then somebody may ask
GONE_AT_ONCE_MAX = 500  # deleted in one step


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRoundTrip:
    """What one node has said of one target.

    Args:
        node: whose word it is.
        target: an entry of ``deliver_to``.
        rtt_us: the usual time of a connect; None: nothing came back.
        tries, failures: in the window that ended then.
        measured_us: when the last of them was, microseconds since the epoch, UTC.
    """

    node: str
    target: str
    rtt_us: int | None
    tries: int
    failures: int
    measured_us: int


class RoundTripStore:
    """The table of round trips."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._reader = readers.people
        self._clock = clock

    async def take(self, node: str, told: Sequence[RoundTrip]) -> None:
        """Keep what a node has measured, in place of what it said of these targets before."""
        now_us = self._clock.now_us()
        await self._writer.run(partial(_take, node=node, told=told, now_us=now_us))

    async def page(self, *, after: tuple[str, str], limit: int) -> list[KeptRoundTrip]:
        """Return what is kept, by node and target.

        Args:
            after: node and target of the last one that is known; two empty texts: from the first.
            limit: at most so many.
        """
        table = tables.round_trip
        place = tuple_(table.c.node, table.c.target)
        query = (
            select(table)
            .where(place > tuple_(*after))
            .order_by(table.c.node, table.c.target)
            .limit(limit)
        )
        return await self._reader.run(
            lambda c: [KeptRoundTrip(**row._mapping) for row in c.execute(query)]
        )

    async def forget(self, *, rest: Rest) -> int:
        """Delete what nobody has measured for ``KEPT_US``; return how much that was.

        Args:
            rest: awaited after each step.
        """
        step, count = partial(_forget, before_us=self._clock.now_us() - KEPT_US), 0
        while gone := await self._writer.run(step):
            count += gone
            await rest()
        return count


def _take(connection: Connection, *, node: str, told: Sequence[RoundTrip], now_us: int) -> None:
    table = tables.round_trip
    last = {one.target: one for one in told}
    if not last:
        return
    connection.execute(delete(table).where(table.c.node == node, table.c.target.in_(list(last))))
    connection.execute(
        insert(table),
        [
            {
                "node": node,
                "target": one.target,
                "rtt_us": one.rtt_us,
                "tries": one.tries,
                "failures": one.failures,
                "measured_us": now_us - one.age_s * 1_000_000,
            }
            for one in last.values()
        ],
    )
    count = connection.scalar(select(func.count()).where(table.c.node == node)) or 0
    if count > TARGETS_MAX:
        oldest = (
            select(table.c.target)
            .where(table.c.node == node)
            .order_by(table.c.measured_us, table.c.target)
            .limit(count - TARGETS_MAX)
        )
        connection.execute(delete(table).where(table.c.node == node, table.c.target.in_(oldest)))


def _forget(connection: Connection, *, before_us: int) -> int:
    table = tables.round_trip
    old = connection.execute(
        select(table.c.node, table.c.target)
        .where(table.c.measured_us < before_us)
        .limit(GONE_AT_ONCE_MAX)
    ).all()
    for node, target in old:
        connection.execute(delete(table).where(table.c.node == node, table.c.target == target))
    return len(old)
