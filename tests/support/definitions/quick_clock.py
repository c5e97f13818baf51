"""How does a test live through minutes of waiting in a second, beside a program that needs its own?

Touches the event loop. Each sleep takes a moment and counts in full, so that a deadline of minutes
is over after some hundred looks, while the other program had real time to work in.
"""

from __future__ import annotations

import asyncio

from common.clock import SystemClock

MOMENT_S = 0.005


class QuickClock(SystemClock):
    """A clock on which sleeping is what makes time pass."""

    def __init__(self) -> None:
        self._slept_s = 0.0

    def monotonic_s(self) -> float:
        return self._slept_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(MOMENT_S)
        self._slept_s += seconds
