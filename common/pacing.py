"""How does a thread with very much to do leave the others of its process their turn?

Touches the thread that goes through the items, which sleeps between them. A thread that computes
gives the interpreter up every 5 ms, and whoever wants it for a short step, such as an event loop
between two system calls or a database's driver between two rows, waits so long again and again.
One that sleeps as long as it works doubles at most what the others take.

What such a thread makes, and what lives on, would be looked through by the garbage collector again
and again while everybody waits: for half a million objects that is a fifth of a second.

Source: docs.python.org, ``sys.setswitchinterval``, ``gc.freeze``.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

WORK_S = 0.002
REST_S = 0.002
LOOK_ITEMS = 8  # between two looks at the clock; a document takes some 20 µs

GONE_ITEMS = 50  # freed at once

# Objects made since the last look, before another one: a message makes a few hundred that all die
# by themselves, and the default of 700 looks at them several times for each.
GC_THRESHOLDS = (20_000, 20, 50)

_NEVER = 1 << 30  # collections of the youngest objects between two of those that are older

T = TypeVar("T")


class GoesThrough(Protocol):
    """How a long row of things is gone through: at once, or with rests in between."""

    def __call__(self, items: Iterable[T], /) -> Iterator[T]: ...


_lock = threading.Lock()
_lasting: list[tuple[int, int, int]] = []  # thresholds before, of each block that is open


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


def let_go(items: list[T]) -> None:
    """Empty a list of very many things that nobody else holds, a few at a time.

    The last reference to a set of a hundred thousand documents frees all of them in one step of the
    interpreter; whoever holds them one by one beside it can let them go like this.
    """
    for _ in paced(range(0, len(items), GONE_ITEMS)):
        del items[-GONE_ITEMS:]


def settle_memory() -> None:
    """Look no more at what was made at the start of a server; it lives as long as the process.

    And look seldom at what comes: the default goes through all that lives whenever a quarter has
    come to it, and for a hundred thousand documents that is a quarter of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


@contextmanager
def lasting() -> Iterator[None]:
    """Spare what is made in a block, and lives on, the collector's long looks.

    The youngest objects are looked through as always. At the end all that is left is frozen: it
    goes when nobody holds it any more, unless it holds itself.
    """
    with _lock:
        before = gc.get_threshold()
        _lasting.append(before)
        gc.set_threshold(before[0], _NEVER, before[2])
    try:
        yield
    finally:
        with _lock:
            if len(_lasting) == 1:
                gc.freeze()
                gc.set_threshold(*_lasting[0])
            # Of blocks that overlap, the last one to end puts back what the first one found.
            _lasting.pop()
