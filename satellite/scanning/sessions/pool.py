"""Which open session of an engine is used for the next message?

Touches the sessions that it keeps. A session that is not in its proper state is closed instead of
kept: an answer that comes too late would be taken for the answer to another message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from common.clock import Clock
from satellite.scanning.sessions.connection import SessionEnded
from satellite.working_places import WorkingPlace, WorkingPlaces

# Looked at again only after this: what comes unasked is seen by its number, and an end by its lack.
FRESH_S = 0.1
IDLE_S_MAX = 20.0  # clamd closes after 30 s (IdleTimeout); ours go first
# A message that the server does not finish keeps its session, and lets another begin beside it: a
# few such messages would else be all that it is asked.
HELD_S = 1.0
SESSIONS_TIMES_MAX = 8  # so many times the sessions that are to work at once, hung ones included


class KeptSession(Protocol):
    """What is kept."""

    @property
    def is_usable(self) -> bool:
        """Say whether the last exchange came to its proper end."""
        ...

    @property
    def is_fresh(self) -> bool:
        """Say whether nothing has been asked in it yet."""
        ...

    def is_silent(self) -> bool:
        """Say whether nothing has come since the last answer, an end of the session included."""
        ...

    def close(self) -> None:
        """Close it now; synchronous, and may be repeated."""
        ...


SessionT = TypeVar("SessionT", bound=KeptSession)
AnswerT = TypeVar("AnswerT")


class Pool(Generic[SessionT]):
    """Kept sessions to one server.

    Args:
        connect: gives a new one, or raises ``ServerUnreachable``.
        clock: for the age of idle sessions.
        sessions_max: at work at once; who comes then waits.
        open_max: in all, hung ones included; None: several times as many.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[SessionT]],
        *,
        clock: Clock,
        sessions_max: int,
        open_max: int | None = None,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._sessions_max = sessions_max
        most = open_max or sessions_max * SESSIONS_TIMES_MAX
        self._places = WorkingPlaces(sessions_max, held_s=HELD_S, most=most)
        self._lent: dict[SessionT, WorkingPlace] = {}
        self._idle: list[tuple[float, SessionT]] = []
        self._is_closed = False

    async def ask(
        self, question: Callable[[SessionT], Awaitable[AnswerT]], *, lent: asyncio.Event
    ) -> tuple[AnswerT, int]:
        """Return the answer to a question, and how often it was asked.

        Args:
            question: one exchange in a session.
            lent: set once there is a session.

        Raises:
            ServerUnreachable: there is no session to be had.
            SessionEnded: it ended in a new session; it died of the question, or with it.
        """
        session = await self.lend()
        was_kept = not session.is_fresh
        lent.set()
        try:
            return await question(session), 1
        except SessionEnded:
            if not was_kept:
                raise
        finally:
            self.take_back(session)
        # It had closed the kept session, or was restarted: that says nothing of the question.
        session = await self.lend(fresh=True)
        try:
            return await question(session), 2
        finally:
            self.take_back(session)

    async def lend(self, *, fresh: bool = False) -> SessionT:
        """Return a session for one exchange; ``take_back`` follows, whatever comes of it.

        Args:
            fresh: want a new one, since kept ones have proved dead.

        Raises:
            ServerUnreachable: a new one was needed, and there is none to be had.
        """
        place = await self._places.take()
        try:
            session = (None if fresh else self._kept()) or await self._connect()
        except BaseException:  # cancelled too: what was begun is undone
            place.give_back()
            raise
        self._lent[session] = place
        return session

    def take_back(self, session: SessionT) -> None:
        """Keep a session if it can be used again."""
        self._places.take_back(self._lent.pop(session))
        if session.is_usable and not self._is_closed and len(self._idle) < self._sessions_max:
            self._idle.append((self._clock.monotonic_s(), session))
        else:
            session.close()

    def close(self) -> None:
        """Close what is idle, and what comes back."""
        self._is_closed = True
        for _, session in self._idle:
            session.close()
        self._idle.clear()

    def _kept(self) -> SessionT | None:
        while self._idle:
            since_s, session = self._idle.pop()
            idle_s = self._clock.monotonic_s() - since_s
            if idle_s < FRESH_S or (idle_s < IDLE_S_MAX and session.is_silent()):
                return session
            session.close()
        return None
