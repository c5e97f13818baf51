"""Who is dealt with in this round of the event loop, and who in a later one?

Touches the event loop. In one round a loop calls whoever has something to do: each socket that has
octets, each task that may go on. A thousand of them, each within its millisecond, make a round of a
second, and so may two that send as fast as we take: libuv reads a socket up to 32 times before it
looks at the next. Timers, and what came to other sockets meanwhile, wait for the round to end. So
whoever does something for strangers asks whether this round is spent, and lets it be done later if
it is, in the order in which they asked. What is short and what is long wait in lines of their own,
which move by turns: a command waits for no more than one block of somebody's large mail.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import cycle

from common.clock import Clock

ROUND_S = 0.005  # of a round, for all of them; the last one in it may take some milliseconds more
# Rounds after one that was watched: to watch one has the loop look at all sockets once more.
UNWATCHED_S = 0.005
PIECE_S = 0.0005  # what a task is taken to need for a piece: 64 KiB are read, hashed and written


class LoopRound:
    """The rounds of one event loop.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_s: float | None = None  # None: this round is not watched
        self._last_s = float("-inf")  # when one began that was
        self._expected_s = 0.0  # what those will take that were let go on in it
        self._short: deque[Callable[[], None]] = deque()
        self._long: deque[Callable[[], None]] = deque()

    def is_spent(self, *, is_long: bool = False) -> bool:
        """Say whether whoever has something to do is to have it done ``later``."""
        if self._began_s is None:  # nobody waits either
            if self._clock.monotonic_s() - self._last_s >= UNWATCHED_S:
                self._begin()
            return False
        if self._long if is_long else self._short:
            return True
        return self._clock.monotonic_s() - self._began_s + self._expected_s >= ROUND_S

    def later(self, work: Callable[[], None], *, is_long: bool = False) -> None:
        """Do something in a later round: in the next one, if there is time for it.

        Args:
            work: what to do.
            is_long: it may take a millisecond, where a command takes a fraction.
        """
        if self._began_s is None:
            self._begin()
        (self._long if is_long else self._short).append(work)

    async def breathe(self) -> None:
        """Return when there is time for a piece of something long: at once, or in a later round."""
        if not self.is_spent(is_long=True):
            return
        may_go_on = asyncio.get_running_loop().create_future()
        self.later(partial(self._let_go_on, may_go_on), is_long=True)
        await may_go_on

    def _let_go_on(self, may_go_on: asyncio.Future[None]) -> None:
        if not may_go_on.done():
            may_go_on.set_result(None)
            self._expected_s += PIECE_S  # it does that after us, and is asked no more

    def _begin(self) -> None:
        self._began_s = self._last_s = self._clock.monotonic_s()
        self._expected_s = 0.0
        # What is asked for here runs after all that this round has to do, and before the next.
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """Begin the next round with those who wait; nobody asks for another one while none does."""
        if not (self._short or self._long):
            self._began_s = None
            return
        self._begin()
        for line in cycle((self._short, self._long)):
            if line:
                line.popleft()()
            if self._is_over() or not (self._short or self._long):
                return

    def _is_over(self) -> bool:
        assert self._began_s is not None
        return self._clock.monotonic_s() - self._began_s + self._expected_s >= ROUND_S
