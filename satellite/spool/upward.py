"""What goes from the spool up to the core, and what is forgotten once it is there?

Touches the spool's commits. Nothing goes before the core has it durably (P2, P7).
"""

from __future__ import annotations

from common.chain import ChainPoint
from satellite.spool.commits import Transaction
from satellite.spool.interventions import Interventions
from satellite.spool.life import SpoolLife
from satellite.spool.outbox import Outbox

OUTBOX_LOW_SHARE = 0.9  # of its limit, once it was reached: not a gap for each record


class Upward(Interventions):
    """The part of the spool that the link meets."""

    life: SpoolLife
    outbox_bytes: int
    _outbox: Outbox

    async def bound_outbox(self, bytes_max: int) -> None:
        """Let the oldest records go until all take less room than this; see ``Outbox.dropped``."""
        if self.outbox_bytes <= bytes_max:
            return
        wanted = int(bytes_max * OUTBOX_LOW_SHARE)
        before = self.outbox_bytes + 1
        while wanted < self.outbox_bytes < before:
            before = self.outbox_bytes
            await self._commits.add(self._outbox.dropped(self.outbox_bytes - wanted))

    def last_sequence(self) -> int:
        """Return the highest sequence that was ever given out and is durable; 0 for none."""
        return self._commits.sequence

    async def acknowledge_records(self, up_to: int, digest: bytes = b"") -> None:
        """Forget records that are durable at the core; ``digest`` is the chain at the last."""
        point = ChainPoint(up_to, digest)
        await self._commits.add(self._outbox.acknowledged(point))
        self.life.deleted = max(self.life.deleted, point, key=lambda one: one.sequence)

    async def mark_forked(self, why: str) -> None:
        """Remember that the core does not hear this spool, until it has a new life."""
        self.life.forked = why
        await self._save(forked=why)

    async def _save(self, **facts: int | str) -> None:
        def write(transaction: Transaction) -> None:
            for name, value in facts.items():
                transaction.write("REPLACE INTO meta VALUES (?,?)", (name, value))

        await self._commits.add(write)
