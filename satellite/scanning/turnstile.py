"""How is one message shown to an engine alone, while the others wait for a moment?

Touches the event loop. An engine that dies takes with it what it works on: whoever was there cannot
be told from whoever did it. So a message of which it died is shown to it again while nobody else
is. The others wait outside, for ``ALONE_S`` at most, whatever becomes of it, and enter before the
next one is alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

ALONE_S = 2.0  # together with the wait until the others are done; nearly all scans take less


class Turnstile:
    """The way of messages to one engine, of one worker.

    Args:
        alone_s: seconds for which the others wait at most.
    """

    def __init__(self, *, alone_s: float = ALONE_S) -> None:
        self._alone_s = alone_s
        self._inside = 0
        self._opens: asyncio.Event | None = None  # while somebody is alone, or wants to be
        self._changed = asyncio.Event()
        self._next_alone = asyncio.Lock()

    async def enter(self) -> None:
        """Wait until nobody is alone with the engine; ``leave`` follows, unless cancelled."""
        while self._opens is not None:
            await self._opens.wait()
        self._inside += 1

    def leave(self) -> None:
        """Be done with the engine."""
        self._inside -= 1
        if self._opens is not None:  # else nobody wants to know
            self._changed.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Callable[[], bool]]:
        """Hold the others back, once those who are inside are done, or the time is over.

        Gives what says whether nobody else has been there so far.
        """
        await self._next_alone.acquire()
        opens = self._opens = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(self._alone_s, self._let_in, opens)
        try:
            while self._inside and not opens.is_set():
                self._changed.clear()
                await self._changed.wait()
            yield lambda: not opens.is_set()
        finally:
            timer.cancel()
            if opens.is_set():
                self.leave()
            else:
                self._open(opens)

    def _let_in(self, opens: asyncio.Event) -> None:
        """Let the others in; who was alone is one of them from now on."""
        self._inside += 1
        self._open(opens)

    def _open(self, opens: asyncio.Event) -> None:
        self._opens = None
        opens.set()  # who waits outside is woken before who wants to be alone next
        self._changed.set()
        self._next_alone.release()
