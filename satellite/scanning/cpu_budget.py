"""How much processor time may the reading of one message take, and is it spent?

Pure: the process's own processor clock is passed in. It is processor time and not wall time: on a
busy machine a message takes longer, and is no worse for it. Whoever reads a message asks between
parts and chunks; what has no such places is ended by ``cpu_alarm``, or by the worker from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from satellite.scanning.limits import LimitExceeded


class CpuBudget:
    """The processor time of one message.

    Args:
        seconds: how much there is.
        cpu_s: the clock, such as ``time.process_time``; what it shows now is where we begin.
    """

    def __init__(self, seconds: float, *, cpu_s: Callable[[], float]) -> None:
        self._cpu_s = cpu_s
        self._seconds = seconds
        self._until_s = cpu_s() + seconds

    @property
    def left_s(self) -> float:
        """Return the seconds that are left, 0 when it is spent."""
        return max(0.0, self._until_s - self._cpu_s())

    def check(self) -> None:
        """Return while there is some left.

        Raises:
            LimitExceeded: it is spent. Once it is, it stays so.
        """
        if self._cpu_s() >= self._until_s:
            self.end()

    def end(self) -> NoReturn:
        """Spend what is left.

        Raises:
            LimitExceeded: always.
        """
        self._until_s = float("-inf")
        raise LimitExceeded(f"reading it took more than {self._seconds:g} s of processor time")
