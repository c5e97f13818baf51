"""How does each turn of a message in the delivery queue begin and end?

Touches the spool.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from satellite.delivery.decisions.routing import Destination
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.turns.context import PENDING, TurnContext
from satellite.delivery.turns.settling import Pair, Settling
from satellite.spool.model.messages import Stored


class MessageTurn(ABC):
    """One message's turn with one destination. ``run`` goes on where a fault stopped it.

    Args:
        entry: the message's place in its lane.
        context: what all turns share.
        fresh: the message, when it was read just now.
    """

    def __init__(
        self, entry: QueueEntry, context: TurnContext, *, fresh: Stored | None = None
    ) -> None:
        self.is_unfinished = True  # recipients of this destination may need another turn
        self._is_begun = False
        self._entry = entry
        self._context = context
        self._fresh = fresh
        self._started_s = context.clock.monotonic_s()
        self._settling = Settling(context, started_s=self._started_s)

    async def run(self) -> None:
        """Do what is due; return when all of it is committed."""
        had_fault, self._is_begun = self._is_begun, True
        await self._settling.finish_what_a_fault_left()
        stored = self._fresh or self._context.spool.part(self._entry.id, self._entry.numbers)
        self._fresh = None
        if stored is None:
            self.is_unfinished = False
            return
        pairs = _pairs_of(self._context, stored, self._entry.destination)
        take = self._take_after_fault if had_fault else self._take
        self.is_unfinished = await take(stored, pairs) < len(pairs)

    @abstractmethod
    async def _take(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        """Do what is due for the recipients that have not ended; return how many ended."""

    async def _take_after_fault(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        """Do the same where a fault of ours has stopped it."""
        return await self._take(stored, pairs)


def _pairs_of(context: TurnContext, stored: Stored, destination: Destination) -> list[Pair]:
    """Return a message's recipients for a destination that have not ended, with their ways."""
    preferences = context.spool.preferences
    pairs = []
    for recipient in stored.recipients:
        if recipient.state in PENDING:
            leg = context.routes.leg(recipient.address, stored.origin, preferences)
            if leg.destination == destination:
                pairs.append((recipient, leg))
    return pairs
