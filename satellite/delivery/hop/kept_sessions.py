"""Which open sessions are kept for the next message, and which were kept for too long?

Keeps them, and does nothing with them: monotonic times come in as arguments. They stand in the
order in which they became idle: the oldest is asked for with each message, and never looked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from satellite.delivery.decisions.routing import Destination
from satellite.delivery.hop.session import HopSession

IDLE_S = 10.0  # a kept session without mail; servers drop idle clients after minutes
IDLE_SESSIONS_MAX = 200  # kept in all, for file descriptors


class KeptSessions:
    """The sessions without mail.

    Args:
        most: of one destination.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        # The first became idle first. A plain dict is slow to find it once many have gone.
        self._idle: OrderedDict[HopSession, Destination] = OrderedDict()
        self._by_destination: dict[Destination, list[HopSession]] = {}

    def keep(self, destination: Destination, session: HopSession, *, now_s: float) -> bool:
        """Keep a session from now on; False: there are enough."""
        if len(self._idle) >= IDLE_SESSIONS_MAX or len(self.of(destination)) >= self._most:
            return False
        session.idle_since_s = now_s
        self._idle[session] = destination
        self._by_destination.setdefault(destination, []).append(session)
        return True

    def of(self, destination: Destination) -> Sequence[HopSession]:
        """Return the sessions of a destination."""
        return self._by_destination.get(destination, ())

    def take(self, destination: Destination) -> HopSession | None:
        """Return the session of a destination that was used last, and keep it no more."""
        sessions = self._by_destination.get(destination)
        if sessions is None:
            return None
        session = sessions[-1]
        self._forget(session)
        return session

    def overdue(self, now_s: float) -> list[HopSession]:
        """Return the sessions that were idle for too long, and keep them no more."""
        found: list[HopSession] = []
        while (due_s := self.next_s()) is not None and due_s <= now_s:
            found.append(next(iter(self._idle)))
            self._forget(found[-1])
        return found

    def next_s(self) -> float | None:
        """Return when the next session has been idle for too long, or None."""
        first = next(iter(self._idle), None)
        return first.idle_since_s + IDLE_S if first is not None else None

    def let_go(self, destination: Destination) -> list[HopSession]:
        """Return the sessions of a destination, and keep them no more."""
        found = self._by_destination.pop(destination, [])
        for session in found:
            del self._idle[session]
        return found

    def let_all_go(self) -> list[HopSession]:
        """Return all sessions, and keep none."""
        found = list(self._idle)
        self._idle.clear()
        self._by_destination.clear()
        return found

    def _forget(self, session: HopSession) -> None:
        destination = self._idle.pop(session)
        sessions = self._by_destination[destination]
        sessions.remove(session)
        if not sessions:
            del self._by_destination[destination]
