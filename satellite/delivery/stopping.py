"""How is mail stopped that is on its way to its next hop?

Touches the spool. What has begun its turn goes on: its final dot may leave at any moment. All else
is stopped, also what bears a sending mark already, since the mark comes with the judgement, before
the turn. Until that is durable no turn of the message begins.
"""

from __future__ import annotations

from collections.abc import Collection

from common.ids import MessageId
from common.states import State
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.placing import Placing
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.turns.context import DeliverySpool
from satellite.spool.model.messages import Recipient, Stored
from satellite.spool.model.states import FREEZABLE


class DeliveryStops:
    """What an operator stops.

    Args:
        spool: where the mail is.
        lanes: where it waits for its turn.
        placing: its way there.
        routes: where recipients' mail goes.
    """

    def __init__(
        self, spool: DeliverySpool, lanes: Lanes, placing: Placing, *, routes: RouteCache
    ) -> None:
        self._spool = spool
        self._lanes = lanes
        self._placing = placing
        self._routes = routes

    async def freeze(self, message: MessageId, numbers: Collection[int], *, reason: str) -> bool:
        """Stop recipients of a message whose turn has not begun; return whether there are any.

        What is stopped must not count as held, nor be the message that finds a server back.
        """
        stored = self._spool.message(message)
        if stored is None:
            return False
        chosen = [one for one in stored.recipients if one.number in numbers]
        unsent = [one.number for one in chosen if self._is_unsent(stored, one)]
        stopped = unsent + [one.number for one in chosen if one.state in FREEZABLE]
        if not stopped:
            return False
        with self._placing.kept_out(message):
            self._lanes.withdraw(message, self._routes.ways(stored))
            await self._spool.freeze(message, reason, numbers=stopped, unsent=unsent)
        return True

    def _is_unsent(self, stored: Stored, recipient: Recipient) -> bool:
        """Say whether a recipient bears a sending mark, and its turn has not begun."""
        if recipient.state is not State.SENDING:
            return False
        leg = self._routes.leg(recipient.address, stored.origin, self._spool.preferences)
        return not self._lanes.has_turn(leg.destination, stored.id)
