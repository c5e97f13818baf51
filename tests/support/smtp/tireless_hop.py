"""How do a hundred thousand messages leave in a test without a socket?

Touches nothing. ``TirelessHop`` stands in for the sessions of a delivery room: it is away or back
as the test says, notes at what time it was asked, and takes every message in the order in which its
transaction began. What real next hops answer is tested with ``NextHop`` over real sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from common.clock import Clock
from common.preferences.deliver_to import Target
from satellite.delivery.decisions.outcome import STATUS_UNREACHABLE, RecipientResult, Stage
from satellite.delivery.decisions.reply import HopReply
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.hop.client import Offer
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.host_order import HopUnreachable
from satellite.delivery.hop.session import Deadlines, Extensions, Hop, HopSession
from satellite.delivery.hop.silent_hosts import SilentHosts
from satellite.delivery.hop.wire import Wire
from satellite.delivery.turns import attempt
from satellite.delivery.worker import Delivery

TAKEN = RecipientResult(stage=Stage.DOT, reply=HopReply(250, ("2.0.0 Taken",)))
REFUSED = RecipientResult(stage=Stage.DOT, reply=HopReply(550, ("5.7.1 No",)))


class _NoWire:
    """A connection that nothing is said over."""

    has_ended = False
    has_unread = False


def _session() -> HopSession:
    """Return a real session, so that it has all that one has, over no connection."""
    deadlines = Deadlines(connect_s=1.0, reply_s=1.0, dot_s=1.0)
    hop = Hop(Target("hop.example", 25), "192.0.2.25")
    session = HopSession(cast(Wire, _NoWire()), hop, deadlines)
    session.extensions = Extensions(pipelining=True, eight_bit=True)
    return session


class TirelessHop:
    """The next hop of every destination.

    Args:
        clock: for the times at which it is asked.
    """

    def __init__(self, clock: Clock) -> None:
        self.away: set[str] = set()  # names of destinations
        self.silent_names: set[str] = set()  # likewise, of those that never answer
        self.refused: set[str] = set()  # domains of recipients that are refused for good
        self.asked_s: dict[str, list[float]] = {}
        self.taken: list[bytes] = []  # copies, as they began
        self.at_once = 0
        self.most_at_once = 0
        self.silent = SilentHosts()
        self._clock = clock

    def replace_connections(self, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand in for the connections of a delivery room."""
        context = replace(delivery._context, connections=cast(Connections, self))
        monkeypatch.setattr(delivery, "_connections", self)
        monkeypatch.setattr(delivery, "_context", context)
        monkeypatch.setattr(attempt, "transact", self._transact)

    def is_in_use(self, _destination: Destination) -> bool:
        return False

    def kept(self, *_facts: Any, **_more: Any) -> HopSession | None:
        return None

    async def open(
        self,
        destination: Destination,
        _targets: Sequence[Target],
        *,
        on_found: Callable[[], None],
        **_more: Any,
    ) -> HopSession:
        on_found()
        self.asked_s.setdefault(destination.name, []).append(self._clock.monotonic_s())
        await asyncio.sleep(0)  # others may ask meanwhile, as they may while a socket connects
        if destination.name in self.silent_names:
            await asyncio.Event().wait()
        if destination.name in self.away:
            answer = RecipientResult(
                stage=Stage.CONNECT, finding="connection refused", status=STATUS_UNREACHABLE
            )
            raise HopUnreachable(answer, is_away=True)
        return _session()

    def give_back(self, _destination: Destination, _session: HopSession) -> None:
        return None

    def hangs(self, _destination: Destination, _session: HopSession) -> None:
        return None

    def overdue(self) -> list[HopSession]:
        return []

    def next_overdue_s(self) -> float | None:
        return None

    def close(self) -> list[HopSession]:
        return []

    async def _transact(
        self,
        _session: HopSession,
        offer: Offer,
        *,
        before_dot: Callable[[], Awaitable[bool]],
        breathe: Callable[[], Awaitable[None]],
    ) -> list[RecipientResult]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.taken.append(b"".join(offer.content.blocks()))
        try:
            await before_dot()
        finally:
            self.at_once -= 1
        return [
            REFUSED if one.rpartition("@")[2] in self.refused else TAKEN for one in offer.recipients
        ]
