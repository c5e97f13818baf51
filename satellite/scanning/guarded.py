"""What does a reader of hostile octets give, and what is noted when it gives up or fails?

Pure. Every reader of mail is run by this one loop. Whatever a reader raises is a limit of its own
reading: it ends no other one, nor the process that reads. And no reader begins, or goes on, once
the message's processor time is spent, whether or not it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from common.strangers import outcome_of_call
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import LimitExceeded

T = TypeVar("T")


def guarded(
    found: Iterator[T], reader: str, budget: CpuBudget, note: Callable[[str], None]
) -> Iterator[T]:
    """Yield what a reader finds until it has ended, has given up or has failed.

    Args:
        found: by the reader; never None.
        reader: what it reads, in words, for the note of a failure.
        budget: of the message.
        note: is told why the reading is not complete.
    """
    while True:
        one = outcome_of_call(_next, found, budget)
        if isinstance(one, LimitExceeded):
            return note(one.what)
        if isinstance(one, Exception):
            return note(f"the reader of {reader} failed: {type(one).__name__}")
        if one is None:
            return
        yield one


def _next(found: Iterator[T], budget: CpuBudget) -> T | None:
    budget.check()
    return next(found, None)
