"""How are senders slowed down to the pace at which mail is scanned?

Touches the event loop. Accepting a message costs a fraction of scanning and delivering it: whoever
accepts all that is offered spends the time on it that the accepted mail needs, and at twice the
load gets half of it done. So while many messages wait to be judged, each new one waits for a turn
before its ``354`` (RFC 5321 section 4.5.3.2.4 gives us two minutes for that); and while many
sessions wait, no further connections are taken: they stand in the kernel's queue, where they cost
nothing.

It is for the case that there is more mail than time. When somebody has waited for long, the cause
is another one, such as an engine that hangs; then it stands open until the backlog is gone, and the
limits of ``pressure.py`` decide, which say so to the sender.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

OPEN_BELOW = 256  # messages to be judged: enough that no engine is ever idle, too few to matter
WAITING_MAX = 64  # sessions; with more of them no further connections are taken
WAIT_S_MAX = 5.0


class Backpressure:
    """Lets messages in one by one while there are too many inside.

    Args:
        backlog: returns how many messages wait to be judged.

    Attributes:
        crossed: set whenever ``is_full`` has changed.
    """

    def __init__(self, backlog: Callable[[], int]) -> None:
        self._backlog = backlog
        self.crossed = asyncio.Event()
        self.is_full = False
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._stands_open = False

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """True when one more message may come in at once."""
        return self._stands_open or (not self._waiting and self._backlog() < OPEN_BELOW)

    async def turn(self, now_s: float) -> None:
        """Return when one more message may come in."""
        if self.is_open:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (now_s, future)
        self._waiting.append(entry)
        self._look_whether_full()
        try:
            await future
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._look_whether_full()
            raise

    def judged(self) -> None:
        """A message left the backlog: whoever has waited longest may come."""
        if self._waiting:
            self._let_in(OPEN_BELOW - self._backlog())

    def look(self, now_s: float) -> None:
        """Ask whether somebody has waited for too long; called about once a second."""
        if self._stands_open:
            self._stands_open = self._backlog() >= OPEN_BELOW
        elif self._waiting and now_s - self._waiting[0][0] >= WAIT_S_MAX:
            self._stands_open = True
        # Whoever was let in may have gone without a message, and nobody else would be called.
        self._let_in(len(self._waiting) if self._stands_open else OPEN_BELOW - self._backlog())

    def _let_in(self, count: int) -> None:
        for _ in range(min(count, len(self._waiting))):
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
        self._look_whether_full()

    def _look_whether_full(self) -> None:
        is_full = len(self._waiting) >= (WAITING_MAX // 2 if self.is_full else WAITING_MAX)
        if is_full is not self.is_full:
            self.is_full = is_full
            self.crossed.set()
