"""What time is it?

Touches the system's clocks. Everything that needs the time takes a ``Clock``, so that a test can
let seven days pass in a second.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from typing import Protocol

from common.ids import ULID_RANDOM_BYTES, ulid


class Clock(Protocol):
    """Time as the rooms see it."""

    def now_us(self) -> int:
        """Return microseconds since the epoch, UTC: for records and screens, never for ordering."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that only ever grow: for waits and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    monotonic_s = staticmethod(time.monotonic)  # as it is: asked many times for each message

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def new_id(clock: Clock) -> str:
    """Return a fresh ULID."""
    return ulid(now_us=clock.now_us(), randomness=_randomness())


_POOL_BYTES = 64 * ULID_RANDOM_BYTES  # a system call for each id costs more than the id
_pool = bytearray()
# A forked process must not make the ids that its parent, or its sibling, is going to make.
os.register_at_fork(after_in_child=_pool.clear)


def _randomness() -> bytes:
    """Return random octets that are used once."""
    if not _pool:
        _pool.extend(secrets.token_bytes(_POOL_BYTES))
    taken = bytes(_pool[-ULID_RANDOM_BYTES:])
    del _pool[-ULID_RANDOM_BYTES:]
    return taken
