"""How is mail held, expired or returned, or its delay told, without asking its server?

Touches the spool. While a destination is away its mail is held, its senders are told of the delay,
what has waited for its days expires, and an operator may send it back. All of it ends in one commit
for each message, as a delivery does.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.states import State
from satellite.delivery.decisions.outcome import STATUS_UNREACHABLE, RecipientResult, Stage
from satellite.delivery.turns.settling import Pair
from satellite.delivery.turns.turn import MessageTurn
from satellite.spool.model.messages import Stored

# RFC 3463: the host that has the mailbox is not accepting messages. Not 5.4.7, delivery time
# expired: of that code the RFC says to name the actual problem instead where it is known.
STATUS_RETURNED = "5.3.2"
_TRIED = frozenset({State.HELD, State.DEFERRED})


class TurnWithoutServer(MessageTurn):
    """One message's turn without its server."""

    async def _take(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        back = [pair for pair in pairs if self._goes_back(pair)]
        rest = [pair for pair in pairs if pair not in back]
        ended = await self._return(stored, back) if back else 0
        return ended + (await self._keep(stored, rest) if rest else 0)

    def _goes_back(self, pair: Pair) -> bool:
        terms = self._context.terms(self._entry.destination)
        return pair[0].state in _TRIED and terms.returns(self._entry.id)

    async def _return(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        reason = self._context.terms(self._entry.destination).return_reason
        finding = "returned by order of an operator" + (f": {reason}" if reason else "")
        answer = RecipientResult(stage=Stage.CONNECT, finding=finding, status=STATUS_RETURNED)
        at = self._settling.circumstances(stored, pairs, is_away=False)
        return await self._settling.settle(stored, pairs, [answer] * len(pairs), at)

    async def _keep(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        hold = self._context.lanes.hold_of(self._entry.destination)
        if hold is None:
            await self._settling.tell_of_delay(stored, pairs)
            return 0
        answer = RecipientResult(
            stage=Stage.CONNECT, finding=hold.reason, status=STATUS_UNREACHABLE
        )
        return await self._settling.settle_unreached(stored, pairs, answer, is_away=True)
