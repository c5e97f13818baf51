"""Which digest has the chain of our records at a number that the link speaks of?

Touches the spool, which has the digest at the last record that was deleted, and all records after
it. Where records were let go since the outbox was full, it is not known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from common.chain import CHAIN_START, ChainPoint, extended
from common.records import LogRecord
from satellite.link.spool import LinkSpool

READ_AT_ONCE = 500  # a millisecond of the event loop


class RecordChain:
    """The chain as one record stream needs it."""

    def __init__(self, spool: LinkSpool) -> None:
        self._spool = spool
        self._end = ChainPoint(0, CHAIN_START)  # of what was sent
        self._sent: deque[ChainPoint] = deque()  # where each batch ended, not yet confirmed

    async def at(self, sequence: int) -> ChainPoint:
        """Return the chain at a number; the digest is empty where it cannot be made."""
        point = self._spool.life.deleted
        while point.digest and point.sequence < sequence:
            limit = min(READ_AT_ONCE, sequence - point.sequence)
            found = self._spool.records(after=point.sequence, limit=limit)
            if not found or found[-1].sequence != point.sequence + len(found):
                break  # a gap stands there
            point = ChainPoint(found[-1].sequence, extended(point.digest, found))
            await asyncio.sleep(0)
        return point if point.sequence == sequence else ChainPoint(sequence, b"")

    async def resume(self, known: ChainPoint) -> ChainPoint | None:
        """Go on from where the core is; return what we have there when it is another chain.

        Args:
            known: the last record that the core has, and its chain there; empty: it knows none.
        """
        mine = await self.at(known.sequence)
        if mine.digest and known.digest and mine.digest != known.digest:
            return mine
        deleted = self._spool.life.deleted
        if known.sequence < deleted.sequence:  # the core lost its end: what is left begins here
            self._end = ChainPoint(deleted.sequence, deleted.digest or CHAIN_START)
        else:
            self._end = ChainPoint(known.sequence, mine.digest or known.digest or CHAIN_START)
        self._sent = deque([self._end])
        return None

    def sent(self, batch: Sequence[LogRecord]) -> ChainPoint:
        """Return the chain at the last record of a batch that is sent now."""
        self._end = ChainPoint(batch[-1].sequence, extended(self._end.digest, batch))
        self._sent.append(self._end)
        return self._end

    async def confirmed(self, up_to: int) -> bytes:
        """Return the digest at a record that the core has durably; empty: it is not known."""
        while self._sent and self._sent[0].sequence < up_to:
            self._sent.popleft()
        if self._sent and self._sent[0].sequence == up_to:
            return self._sent[0].digest
        return (await self.at(up_to)).digest
