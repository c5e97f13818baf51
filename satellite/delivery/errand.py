"""What is done for a message whose server is not asked?

Touches the spool. While a destination is away its mail is held, its senders are told of the delay,
what has waited for its days expires, and an operator may send it back. All of it ends in one commit
for each message, as a delivery does.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.states import State
from satellite.delivery.outcome import STATUS_UNREACHABLE, Answer, Stage
from satellite.delivery.queue.entries import Entry
from satellite.delivery.room import Room
from satellite.delivery.settling import Pair, Settling, pairs_of
from satellite.spool.messages import Stored

# RFC 3463: the host that has the mailbox is not accepting messages. Not 5.4.7, delivery time
# expired: of that code the RFC says to name the actual problem instead where it is known.
STATUS_RETURNED = "5.3.2"
_TRIED = frozenset({State.HELD, State.DEFERRED})


class Errand:
    """One message's turn without its server. ``run`` goes on where a fault stopped it.

    Args:
        entry: the message's place in its lane.
        room: what all turns share.
        fresh: the message, when it was read just now.
    """

    def __init__(self, entry: Entry, room: Room, *, fresh: Stored | None = None) -> None:
        self.is_unfinished = True  # recipients of this destination need another turn
        self._entry = entry
        self._room = room
        self._fresh = fresh
        self._settling = Settling(room, started_s=room.clock.monotonic_s())

    async def run(self) -> None:
        """Do what is due; return when all of it is committed."""
        await self._settling.finish_what_a_fault_left()
        stored = self._fresh or self._room.spool.message(self._entry.id)
        self._fresh = None
        if stored is None:
            self.is_unfinished = False
            return
        pairs = pairs_of(self._room, stored, self._entry.destination)
        back = [pair for pair in pairs if self._goes_back(pair)]
        rest = [pair for pair in pairs if pair not in back]
        ended = await self._return(stored, back) if back else 0
        ended += await self._keep(stored, rest) if rest else 0
        self.is_unfinished = ended < len(pairs)

    def _goes_back(self, pair: Pair) -> bool:
        terms = self._room.terms(self._entry.destination)
        return pair[0].state in _TRIED and terms.returns(self._entry.id)

    async def _return(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        reason = self._room.terms(self._entry.destination).return_reason
        finding = "returned by order of an operator" + (f": {reason}" if reason else "")
        answer = Answer(stage=Stage.CONNECT, finding=finding, status=STATUS_RETURNED)
        at = self._settling.circumstances(stored, pairs, is_away=False)
        return await self._settling.settle(stored, pairs, [answer] * len(pairs), at)

    async def _keep(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        hold = self._room.lanes.hold_of(self._entry.destination)
        if hold is None:
            await self._settling.tell_of_delay(stored, pairs)
            return 0
        answer = Answer(stage=Stage.CONNECT, finding=hold.reason, status=STATUS_UNREACHABLE)
        return await self._settling.settle_unreached(stored, pairs, answer, is_away=True)
