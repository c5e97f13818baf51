"""Which parts does every delivery attempt use?

Pure but for what it holds: the port to the spool, and the parts that the worker has put together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from common.clock import Clock
from common.frozen import dataclass
from common.ids import MessageId
from common.preferences import Preferences
from common.records import MessageRecord
from common.states import State
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.decisions.schedule import Schedule
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.dsn.allowance import Allowance
from satellite.delivery.dsn.status_part import Reporter
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.session import Extensions
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.places import Places
from satellite.delivery.turns.metrics import Metrics
from satellite.loop_round import LoopRound
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import (
    HoldMark,
    NewMessage,
    PendingRow,
    Settled,
    Stored,
)

PENDING = frozenset({State.QUEUED, State.SENDING, State.DEFERRED, State.HELD})
FAULT_PAUSE_S = 15.0  # before the spool is asked again that could not write


class DeliverySpool(Protocol):
    """The spool, as delivery needs it."""

    @property
    def preferences(self) -> Preferences:
        """What is applied now."""
        ...

    def message(self, message: MessageId, /) -> Stored | None:
        """Return a message as it is committed, or None when it has gone."""
        ...

    def part(self, message: MessageId, numbers: Collection[int], /) -> Stored | None:
        """Return a message with these of its recipients at least, or None when it has gone."""
        ...

    def open_body(self, message: Stored, /) -> Body:
        """Return a message's octets; raises BodyDamaged."""
        ...

    async def mark_sending(self, message: MessageId, numbers: Sequence[int], /) -> None:
        """Make the sending mark durable."""
        ...

    def settle(
        self,
        message: MessageId,
        results: Sequence[Settled],
        /,
        *,
        records: Sequence[MessageRecord] = (),
        bounces: Sequence[NewMessage] = (),
    ) -> Awaitable[None]:
        """Write how recipients left a transaction."""
        ...

    async def freeze(
        self,
        message: MessageId,
        reason: str,
        /,
        *,
        numbers: Collection[int],
        unsent: Collection[int],
    ) -> None:
        """Stop recipients; those of ``unsent`` although they have a sending mark."""
        ...

    async def damage(self, message: MessageId, reason: str, /) -> None:
        """Set a message aside whose body cannot be read."""
        ...

    async def bounce(
        self,
        message: MessageId,
        numbers: Collection[int],
        reason: str,
        /,
        *,
        records: Sequence[MessageRecord] = (),
        bounces: Sequence[NewMessage] = (),
    ) -> None:
        """Send what is frozen or damaged of a message back; raises IllegalTransition."""
        ...

    def age_us(self) -> int:
        """Return the age clock."""
        ...

    def pending(self, *, after: str, limit: int) -> Sequence[PendingRow]:
        """Return what orders the messages that are to be delivered, in the order of their ids."""
        ...

    def holds(self) -> Sequence[HoldMark]:
        """Return the destinations that were away when that was last written."""
        ...

    async def mark_away(self, mark: HoldMark, /) -> None:
        """Remember that a destination is away."""
        ...

    async def mark_back(self, destination: str, /) -> None:
        """Forget that a destination was away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnContext:
    """What all attempts share."""

    spool: DeliverySpool
    connections: Connections
    lanes: Lanes
    places: Places
    open_s: float  # for a session with a destination, all its hosts together
    clock: Clock
    loop_round: LoopRound
    routes: RouteCache
    schedule: Schedule
    reporter: Reporter
    allowance: Allowance
    metrics: Metrics
    spread: Callable[[], float]
    new_id: Callable[[], MessageId]
    offer: Callable[[MessageId], None]
    terms: Callable[[Destination], Terms]
    wake: Callable[[], None]  # a turn may begin
    learn: Callable[[Destination, Extensions], None]  # what a server offers
