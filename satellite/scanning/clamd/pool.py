"""Which open clamd session is used for the next message?

Touches the sessions that it keeps. A session that is not in its proper state is closed instead of
kept: an answer that comes too late would be taken for the answer to another message.
"""

from __future__ import annotations

import asyncio

from common.clock import Clock
from satellite.scanning.clamd.session import ClamdSession, connect

IDLE_S_MAX = 20.0  # clamd closes after 30 s (IdleTimeout); ours go first


class Pool:
    """Kept sessions to one clamd.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.
        clock: for the age of idle sessions.
        sessions_max: open at once; who comes then waits.
    """

    def __init__(self, address: str, *, clock: Clock, sessions_max: int) -> None:
        self._address = address
        self._clock = clock
        self._places = asyncio.Semaphore(sessions_max)
        self._idle: list[tuple[float, ClamdSession]] = []

    async def lend(self, *, fresh: bool = False) -> ClamdSession:
        """Return a session for one exchange; ``take_back`` follows, whatever comes of it.

        Args:
            fresh: want a new one, since kept ones have proved dead.

        Raises:
            Unreachable: a new one was needed, and clamd does not take connections.
        """
        await self._places.acquire()
        kept = None if fresh else self._kept()
        if kept is not None:
            return kept
        try:
            return await connect(self._address)
        except BaseException:  # cancelled too: what was begun is undone
            self._places.release()
            raise

    def take_back(self, session: ClamdSession) -> None:
        """Keep a session if it can be used again."""
        self._places.release()
        if session.is_usable:
            self._idle.append((self._clock.monotonic_s(), session))
        else:
            session.close()

    def close(self) -> None:
        """Close what is idle."""
        for _, session in self._idle:
            session.close()
        self._idle.clear()

    def _kept(self) -> ClamdSession | None:
        while self._idle:
            since_s, session = self._idle.pop()
            if self._clock.monotonic_s() - since_s < IDLE_S_MAX and session.is_silent():
                return session
            session.close()
        return None
