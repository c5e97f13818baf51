"""Has it come to be so?

Touches the clock. What other processes do is asked for again and again until a deadline, which is
there for the day on which it never comes; no test waits for a time to pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

SETTLE_S = 60.0  # for mail to end, records to arrive; a loaded machine is slow
POLL_S = 0.05

T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T | None]],
    what: str,
    *,
    deadline_s: float = SETTLE_S,
    poll_s: float = POLL_S,
) -> T:
    """Return the first thing that ``look`` finds (anything but None and False).

    Args:
        look: what is asked for; a look that costs the other process much has a longer ``poll_s``.
        what: is hoped for.
        deadline_s: seconds until it is given up.
        poll_s: seconds between two looks.

    Raises:
        AssertionError: nothing was found before the deadline; ``what`` says what was hoped for.
    """
    end_s = time.monotonic() + deadline_s
    while not (found := await look()):
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {deadline_s:.0f} s: {what}")
        await asyncio.sleep(poll_s)
    return found
