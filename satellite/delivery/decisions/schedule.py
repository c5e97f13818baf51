"""What is the retry schedule: when is a deferred recipient tried again?

Pure: the jitter arrives as ``spread``. Waits double from the first to the longest.

Source: RFC 5321 section 4.5.4.1. It asks for half an hour at least between tries by default; a
gateway stands between the sender's queue and one server that is meant to take this mail, so the
first waits are shorter and the later ones reach an hour. RFC 1047 and RFC 5321 section 4.5.3.2.6: a
server that is slow to answer the final dot has most likely taken the message, so that each further
try is a further copy.
"""

from __future__ import annotations

from dataclasses import dataclass

SPREAD_SHARE = 0.1  # of the wait, so that what was deferred together does not come back together


AMBIGUOUS_WAIT_S = 1_800.0  # after a final dot without an answer; doubles likewise
AMBIGUOUS_WAIT_S_MAX = 14_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The waits between tries, in seconds."""

    first_wait_s: float
    longest_wait_s: float

    @property
    def planned_s_max(self) -> float:
        """The longest time ahead for which a try is ever planned."""
        return max(self.longest_wait_s, AMBIGUOUS_WAIT_S_MAX) * (1.0 + SPREAD_SHARE)

    def wait_s(self, *, failures: int, spread: float, is_ambiguous: bool = False) -> float:
        """Return how long to wait after so many failed tries.

        Args:
            failures: tries so far, 1 or more.
            spread: from 0 up to 1; lengthens the wait by up to a tenth.
            is_ambiguous: the next hop may have the message already.
        """
        assert failures >= 1
        assert 0.0 <= spread <= 1.0
        doublings = min(failures - 1, 32)  # beyond it the longest wait holds in any case
        wait_s = min(self.first_wait_s * 2.0**doublings, self.longest_wait_s)
        if is_ambiguous:
            slow_s = min(AMBIGUOUS_WAIT_S * 2.0**doublings, AMBIGUOUS_WAIT_S_MAX)
            wait_s = max(wait_s, slow_s)
        return wait_s * (1.0 + spread * SPREAD_SHARE)
