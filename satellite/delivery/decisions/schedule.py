"""What is the retry schedule: when is a deferred recipient tried again?

Pure: the jitter arrives as ``spread``. Waits double from the first to the longest.

Source: RFC 5321 section 4.5.4.1. It asks for half an hour at least between tries by default; a
gateway stands between the sender's queue and one server that is meant to take this mail, so the
first waits are shorter and the later ones reach an hour.
"""

from __future__ import annotations

from dataclasses import dataclass

SPREAD_SHARE = 0.1  # of the wait, so that what was deferred together does not come back together


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The waits between tries, in seconds."""

    first_wait_s: float
    longest_wait_s: float

    def wait_s(self, *, failures: int, spread: float) -> float:
        """Return how long to wait after so many failed tries.

        Args:
            failures: tries so far, 1 or more.
            spread: from 0 up to 1; lengthens the wait by up to a tenth.
        """
        assert failures >= 1
        assert 0.0 <= spread <= 1.0
        doublings = min(failures - 1, 32)  # beyond it the longest wait holds in any case
        wait_s = min(self.first_wait_s * 2.0**doublings, self.longest_wait_s)
        return wait_s * (1.0 + spread * SPREAD_SHARE)
