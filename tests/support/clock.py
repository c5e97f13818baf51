"""How does a test let seven days pass in a millisecond?

Touches nothing but the event loop's ready queue. ``FakeClock`` fulfils ``common.clock.Clock``: time
stands still until the test calls ``advance``, and then every sleeper wakes at its own instant, in
order, so that a run is the same each time.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
PASSES = 25  # turns of the loop in which woken tasks may react; no chain in a test is longer


class FakeClock:
    """Time as a test drives it.

    Args:
        now_us: the wall clock at the start, microseconds since the epoch, UTC.
        monotonic_s: the monotonic clock at the start, seconds.
    """

    def __init__(self, *, now_us: int = START_US, monotonic_s: float = 1000.0) -> None:
        self._start_us = now_us
        self._start_s = monotonic_s
        self._elapsed_us = 0  # whole microseconds: sums of floats drift apart
        self._wall_offset_us = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def now_us(self) -> int:
        """Return the wall clock, microseconds since the epoch, UTC."""
        return self._start_us + self._elapsed_us + self._wall_offset_us

    def monotonic_s(self) -> float:
        """Return seconds that only ``advance`` makes grow."""
        return self._start_s + self._elapsed_us / 1_000_000

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return once ``advance`` has let ``seconds`` pass; at once (after a turn) for none."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due_us = self._elapsed_us + max(1, round(seconds * 1_000_000))
        heapq.heappush(self._sleepers, (due_us, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass; return when all that was due, and what it set off, has run.

        A woken task sees the instant that it asked for, and may sleep again and be woken again
        within the same call. Work that waits for a socket or a thread is not awaited.
        """
        assert seconds >= 0
        target_us = self._elapsed_us + round(seconds * 1_000_000)
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= target_us:
            due_us, _, future = heapq.heappop(self._sleepers)
            if future.done():  # its task was cancelled
                continue
            self._elapsed_us = due_us
            future.set_result(None)
            await self.settle()
        self._elapsed_us = target_us

    def jump(self, seconds: float) -> None:
        """Set the wall clock on, or back; the monotonic clock and all sleepers do not notice."""
        self._wall_offset_us += round(seconds * 1_000_000)

    async def settle(self) -> None:
        """Give every task that is ready its turns."""
        for _ in range(PASSES):
            await asyncio.sleep(0)
