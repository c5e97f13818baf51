"""How old is a message, whatever happens to the wall clock?

Pure. Seven days are counted by elapsed time while the worker runs, and by at most one hour for each
stop: a jump of the wall clock never expires mail. Never early, possibly late. Source:
docs/spool.md, *Seven days*.
"""

from __future__ import annotations

STOP_US_MAX = 3600 * 1_000_000  # what one stop may add


class AgeClock:
    """Microseconds of the spool's life that count.

    Args:
        saved_us: the age when it was last saved.
        saved_wall_us: the wall clock at that moment; 0 for a new spool.
        wall_us: the wall clock now.
        monotonic_s: the monotonic clock now.
    """

    def __init__(
        self, *, saved_us: int, saved_wall_us: int, wall_us: int, monotonic_s: float
    ) -> None:
        stopped_us = wall_us - saved_wall_us if saved_wall_us else 0
        self._base_us = saved_us + min(max(stopped_us, 0), STOP_US_MAX)
        self._started_s = monotonic_s

    def age_us(self, *, monotonic_s: float) -> int:
        """Return the spool's age now; it never goes back."""
        return self._base_us + int((monotonic_s - self._started_s) * 1_000_000)
