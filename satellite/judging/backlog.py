"""Which message is judged next?

Touches the clock. Messages that are due stand in a row; those that wait for an engine stand in a
heap by their time, with one alarm for all of them: an engine may be away for an hour, and then a
task for each message would take more memory than the messages.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from common.clock import Clock
from common.ids import MessageId


class Backlog:
    """The messages of one shard that are to be judged.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: asyncio.Queue[MessageId] = asyncio.Queue()
        self._later: list[tuple[float, int, MessageId]] = []  # monotonic time, order
        self._order = count()
        self._sooner = asyncio.Event()  # the alarm may be set too late

    def __len__(self) -> int:
        """Return how many are due."""
        return self._due.qsize()

    @property
    def waiting(self) -> int:
        """How many wait for their time."""
        return len(self._later)

    def add(self, message: MessageId, wait_s: float = 0.0) -> None:
        """Put a message into the row, now or after a wait."""
        if wait_s <= 0:
            self._due.put_nowait(message)
            return
        due_s = self._clock.monotonic_s() + wait_s
        heapq.heappush(self._later, (due_s, next(self._order), message))
        if self._later[0][2] == message:
            self._sooner.set()

    async def next(self) -> MessageId:
        """Return the first of the row once there is one."""
        return await self._due.get()

    async def run(self) -> None:
        """Put those whose time has come into the row, until cancelled."""
        while True:
            self._sooner.clear()
            self._ring()
            if self._later:
                await self._sleep(self._later[0][0] - self._clock.monotonic_s())
            else:
                await self._sooner.wait()

    def _ring(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._later and self._later[0][0] <= now_s:
            self.add(heapq.heappop(self._later)[2])

    async def _sleep(self, wait_s: float) -> None:
        """Return after the wait, or when somebody comes who waits for less."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(wait_s)),
            asyncio.ensure_future(self._sooner.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
