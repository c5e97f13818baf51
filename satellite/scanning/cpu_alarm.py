"""How is a reader ended that does not ask whether the message's processor time is spent?

Touches the process: the timer of its processor time, and that timer's signal. Readers ask between
parts and chunks; nobody could prove of each loop, and of each regular expression, that it is short
for whatever comes. What the signal raises reaches them between two of Python's steps, and in the
middle of a regular expression. Only what a library does in one piece cannot be ended from inside:
that is for the worker, which ends the helper.

Source: setitimer(2), ITIMER_PROF; signal(7).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from satellite.scanning.cpu_budget import CpuBudget

_SOONEST_S = 0.001  # 0 would turn the timer off


@contextmanager
def ended_with(budget: CpuBudget) -> Iterator[None]:
    """End what is done meanwhile once a budget is spent; in the first thread alone.

    It rings once: whoever takes what it raises for a failure of his own meets a budget that is
    spent, at the next look at it.

    Raises:
        LimitExceeded: the budget is spent; also while the alarm is turned off.
    """
    is_on = True

    def ring(*_: object) -> None:
        if is_on:
            budget.end()

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, max(budget.left_s, _SOONEST_S))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        is_on = False
