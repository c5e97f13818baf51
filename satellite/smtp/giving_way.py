"""Which client gives way to a newcomer when there are no connections left?

Pure. Whoever has said nothing for a moment may be asked to come again, which costs it a reconnect,
so that those who keep places for nothing keep nobody out. First go those that have been of no use
so far, and of these the ones from the network with most connections, the longest silent first. A
newcomer takes a place only of a network that has more of them than its own: many silent sockets of
one network push out each other, never a sender that has a few.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

from satellite.smtp.connection_limits import ConnectionLimits

SILENT_S_MIN = 3.0  # a round trip around the world, and a slow answer of DNS at the other end
SILENT_S_MAX = 10.0  # then it may be one of the newcomer's own network, too
LIST_EVERY_S = 0.5  # a thousand newcomers a second must not have all clients compared each time


class Worth(IntEnum):
    """What a client has done so far."""

    NOTHING = 0
    RECIPIENTS = 1  # it is about to send a message
    MESSAGES = 2


class IdleClient(Protocol):
    """A client as it is compared with others."""

    @property
    def client_address(self) -> str: ...

    @property
    def worth(self) -> Worth: ...

    def silent_s(self, now_s: float) -> float:
        """Return for how long we have waited for it; 0 while it waits for us."""
        ...


ClientT = TypeVar("ClientT", bound=IdleClient)


class GivingWay(Generic[ClientT]):
    """Who is next to go.

    Args:
        limits: counts who is inside.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._queue: deque[ClientT] = deque()
        self._listed_s: float | None = None

    def next(self, clients: Collection[ClientT], *, newcomer: str, now_s: float) -> ClientT | None:
        """Return the client that is to go for a newcomer; None: the newcomer has to.

        Args:
            clients: all that are inside.
            newcomer: its address in canonical text.
            now_s: monotonic.
        """
        if self._listed_s is None or now_s - self._listed_s >= LIST_EVERY_S:
            self._listed_s = now_s
            self._queue = self._listed(clients, now_s)
        while self._queue:
            first = self._queue[0]
            silent_s = first.silent_s(now_s)
            if first not in clients or silent_s < SILENT_S_MIN:
                self._queue.popleft()
                continue
            theirs = self._limits.of_network(first.client_address)
            is_fair = theirs > self._limits.of_network(newcomer) or silent_s >= SILENT_S_MAX
            return self._queue.popleft() if is_fair else None
        return None

    def _listed(self, clients: Collection[ClientT], now_s: float) -> deque[ClientT]:
        compared = [
            (client.worth, -self._limits.of_network(client.client_address), -silent_s, client)
            for client in clients
            if (silent_s := client.silent_s(now_s)) >= SILENT_S_MIN
        ]
        return deque(entry[3] for entry in sorted(compared, key=lambda entry: entry[:3]))
