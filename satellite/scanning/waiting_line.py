"""Whose turn is it next at something that serves one at a time?

Touches the event loop. A turn has a rank: the lowest is next, and among equals who came first. A
rank may grow while one waits, by what was served meanwhile to others of the same owner. A line has
room for so many: when it is full, whoever is last in it goes away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple

# Whoever needs the helper must leave room to others among those that are judged at once.
WAITING_MAX = 100


class NoTurn(Exception):
    """Somebody waited for as long as he wanted, or was the last of too many."""


class _Turn(NamedTuple):
    rank: float
    order: int
    whose: str
    begins: asyncio.Future[None]


class WaitingLine:
    """Those who wait for one place.

    Args:
        behind: says by how much an owner's ranks are worse now than they were given.
        waiting_max: how many may wait.

    Attributes:
        is_taken: whether somebody has it.
    """

    def __init__(
        self, behind: Callable[[str], float] = lambda whose: 0.0, *, waiting_max: int = WAITING_MAX
    ) -> None:
        self.is_taken = False
        self._behind = behind
        self._waiting_max = waiting_max
        self._waiting: list[_Turn] = []
        self._order = count()

    @property
    def is_awaited(self) -> bool:
        """Say whether somebody waits."""
        return any(not turn.begins.done() for turn in self._waiting)

    @asynccontextmanager
    async def turn(self, rank: float, *, patience_s: float, whose: str = "") -> AsyncIterator[None]:
        """Hold the place, as ``take`` takes it."""
        await self.take(rank, patience_s=patience_s, whose=whose)
        try:
            yield
        finally:
            self.give_back()

    async def take(self, rank: float, *, patience_s: float, whose: str = "") -> None:
        """Return when the place is ours; whoever calls it has to give it back.

        Args:
            rank: the lowest is next.
            patience_s: how long to wait.
            whose: the owner, as ``behind`` knows him.

        Raises:
            NoTurn: it did not become ours within so many seconds, or the line was full.
        """
        if not self.is_taken:
            self.is_taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Turn(rank, next(self._order), whose, turn))
        if len(self._waiting) > self._waiting_max:
            self._send_last_away()
        try:
            async with asyncio.timeout(patience_s):
                await turn
        except (asyncio.CancelledError, TimeoutError) as ended:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()  # it became ours in the same moment
            if isinstance(ended, TimeoutError):
                raise NoTurn(f"no turn within {patience_s:g} s") from None
            raise

    def give_back(self) -> None:
        """Let the next one have the place."""
        waiting = self._in_order()
        if not waiting:
            self.is_taken = False
            return
        self._waiting.remove(waiting[0])
        waiting[0].begins.set_result(None)  # it stays taken, by whom it is given to

    def _send_last_away(self) -> None:
        waiting = self._in_order()
        if len(waiting) > self._waiting_max:
            self._waiting.remove(waiting[-1])
            waiting[-1].begins.set_exception(NoTurn("no turn, since too many wait for one"))

    def _in_order(self) -> list[_Turn]:
        """Return those who still wait, the next one first."""
        self._waiting = [turn for turn in self._waiting if not turn.begins.done()]
        behind = {turn.whose: self._behind(turn.whose) for turn in self._waiting}
        return sorted(self._waiting, key=lambda one: (one.rank + behind[one.whose], one.order))
