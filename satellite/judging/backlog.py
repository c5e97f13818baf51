"""Which message is judged next?

Touches the clock. Messages that are due stand in a row; those that wait for an engine stand in a
heap by their time, with one alarm for all of them: an engine may be away for an hour, and then a
task for each message would take more memory than the messages.

Messages that are tried again stand in rows of their own, behind fresh mail. Suspects, on which an
engine was silent before, may be such that no engine can finish them, and each of those holds
whoever works on it for a time-out: one of them is tried at a time. Of the others one is tried, and
as long as they come to their end, as after an outage, more, wherever no fresh mail is due.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from itertools import count

from common.clock import Clock
from common.ids import MessageId

TRIED_AGAIN_MAX = 16  # at once, while all goes well
HURRIED_AT_ONCE_MAX = 100  # looked through before others have the event loop
STALE_MIN = 64  # plans that count no more; below it the heap is not worth tidying


class Backlog:
    """The messages of one shard that are to be judged.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: asyncio.Queue[MessageId] = asyncio.Queue()
        self._again: deque[MessageId] = deque()
        self._again_may = asyncio.Event()  # something has changed for those
        self._trying = 0  # again, by now
        self._places = 1  # for those that are tried again
        self._suspects: asyncio.Queue[MessageId] = asyncio.Queue()
        # Monotonic time, order, the message, and whether it is a suspect.
        self._later: list[tuple[float, int, MessageId, bool]] = []
        self._planned: dict[MessageId, int] = {}  # the order of the plan that counts, of each
        self._order = count()
        self._is_hurried = False
        self._sooner = asyncio.Event()  # the alarm may be set too late

    def __len__(self) -> int:
        """Return how many are due for the first time; the others delay nobody."""
        return self._due.qsize()

    @property
    def waiting(self) -> int:
        """How many wait for their time, or are to be tried again."""
        return len(self._planned) + len(self._again) + self._suspects.qsize()

    def add(self, message: MessageId) -> None:
        """Put a fresh message into the row, or one that goes on before its time."""
        self._planned.pop(message, None)
        self._due.put_nowait(message)

    def add_again(self, message: MessageId, wait_s: float, *, is_suspect: bool = False) -> None:
        """Put a message into the row of those that are tried again, now or after a wait.

        Of several waits of one message the last word counts.
        """
        if wait_s <= 0:
            self._planned.pop(message, None)
            if is_suspect:
                self._suspects.put_nowait(message)
            else:
                self._again.append(message)
                self._again_may.set()
            return
        due_s = self._clock.monotonic_s() + wait_s
        order = self._planned[message] = next(self._order)
        heapq.heappush(self._later, (due_s, order, message, is_suspect))
        if len(self._later) > 2 * len(self._planned) + STALE_MIN:
            self._later = [one for one in self._later if self._planned.get(one[2]) == one[1]]
            heapq.heapify(self._later)
        if self._later[0][2] == message:
            self._sooner.set()

    def hurry(self) -> None:
        """Let those that wait for their time be tried as soon as there is room.

        An engine is back. As with all that are tried again one begins, and more follow while all
        goes well; when one has to wait once more, the others wait for their time as before.
        """
        self._is_hurried = True
        self._again_may.set()

    async def next(self) -> MessageId:
        """Return the first fresh one once there is one."""
        message = await self._due.get()
        if (self._again or self._is_hurried) and self._due.empty():
            self._again_may.set()
        return message

    async def next_again(self) -> MessageId:
        """Return the first of those that are tried again, when it may be; ``tried`` follows."""
        while not self._may_try():
            if self._is_hurried and self._has_place():  # there were very many suspects
                await asyncio.sleep(0)
                continue
            self._again_may.clear()
            await self._again_may.wait()
        self._trying += 1
        return self._again.popleft()

    async def next_suspect(self) -> MessageId:
        """Return the first of the suspects once there is one; for one who tries them in turn."""
        return await self._suspects.get()

    def tried(self, *, came_to_its_end: bool) -> None:
        """A message was tried again; when it need not be once more, one more may be at once."""
        self._trying -= 1
        self._places = min(self._places + 1, TRIED_AGAIN_MAX) if came_to_its_end else 1
        self._is_hurried = self._is_hurried and came_to_its_end
        self._again_may.set()

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
            self._ring_first()

    def _ring_first(self) -> None:
        _, order, message, is_suspect = heapq.heappop(self._later)
        if self._planned.get(message) == order:
            self.add_again(message, 0.0, is_suspect=is_suspect)

    def _may_try(self) -> bool:
        if not self._has_place():
            return False
        for _ in range(HURRIED_AT_ONCE_MAX):
            self._is_hurried = self._is_hurried and bool(self._later)
            if not self._is_hurried or self._again:
                break
            self._ring_first()
        return bool(self._again)

    def _has_place(self) -> bool:
        return self._trying == 0 or (self._trying < self._places and self._due.empty())

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
