"""How long to wait before trying again what failed?

Pure: the randomness comes in as ``spread``. Full jitter: the wait is anywhere between nothing and
the limit, so that a hundred shards that lost the core together do not come back together.

Source: docs/design/link-guarantees.md, G12; M. Brooker, "Exponential Backoff And Jitter", 2015.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A rule for waits; durations are in seconds."""

    first_s: float = 0.2
    longest_s: float = 5.0  # a core that is back is found within this

    def wait_s(self, failures: int, *, spread: float) -> float:
        """Return how long to wait after so many failures in a row.

        Args:
            failures: 1 or more.
            spread: from 0 up to 1, drawn anew each time.
        """
        assert failures >= 1
        assert 0.0 <= spread <= 1.0
        doublings = min(failures - 1, 32)  # beyond it the limit holds in any case
        return spread * min(self.longest_s, self.first_s * 2.0**doublings)
