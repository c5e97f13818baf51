"""How does a thread with very much to do leave the others of its process their turn?

Touches the thread that goes through the items, which sleeps between them. A thread that computes
gives the interpreter up every 5 ms, and whoever wants it for a short step, such as an event loop
between two system calls or a database's driver between two rows, waits so long again and again.
One that sleeps as long as it works doubles at most what the others take.

Source: docs.python.org, ``sys.setswitchinterval``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

WORK_S = 0.002
REST_S = 0.002
LOOK_ITEMS = 8  # between two looks at the clock; a document takes some 20 µs

T = TypeVar("T")


def paced(
    items: Iterable[T],
    *,
    now_s: Callable[[], float] = time.monotonic,
    rest: Callable[[float], None] = time.sleep,
) -> Iterator[T]:
    """Return the items one after the other, with a rest whenever those before took ``WORK_S``.

    Never in an event loop, which would sleep.

    Args:
        items: what is gone through.
        now_s: the monotonic clock, in seconds.
        rest: sleeps for so many seconds.
    """
    end_s = now_s() + WORK_S
    for number, item in enumerate(items):
        if not number % LOOK_ITEMS and now_s() >= end_s:
            rest(REST_S)
            end_s = now_s() + WORK_S
        yield item
