"""How long does somebody wait who has taken a lot at once?

Pure. What is not used gathers up to a burst. Whoever has nothing left waits and is not refused, so
that what is honest gets through, and what is not costs the others no more than the rate.
"""

from __future__ import annotations


class TokenBucket:
    """A rate with a burst.

    Args:
        per_s: what may be taken in a second for ever.
        burst: and at once after a rest.
    """

    def __init__(self, *, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at_s: float | None = None

    def wait_s(self, *, now_s: float) -> float:
        """Return for how long nothing may be taken, in seconds; 0: something may be.

        Args:
            now_s: the monotonic clock, in seconds.
        """
        if self._at_s is not None:
            grown = self._left + max(0.0, now_s - self._at_s) * self._per_s
            self._left = min(self._burst, grown)
        self._at_s = now_s
        # Whole again within a nanosecond is whole: a sleep of no length would come back for ever.
        missing = 1.0 - self._left
        return missing / self._per_s if missing > 1e-9 * max(1.0, self._burst) else 0.0

    def take(self, amount: float = 1.0) -> None:
        """Take an amount after ``wait_s`` was 0; one that is larger than what is left is owed."""
        self._left -= amount
