"""Does a DNS list suddenly list far more of what it is asked about than it used to?

Pure: a memory without a clock, and bounded. Each client or name counts once an hour, so that one
that sends a thousand messages is one. A list that was given up, sold, or filled by mistake passes
its self-test; what gives it away is that it has half the world in it since a moment ago.
"""

from __future__ import annotations

from collections import OrderedDict

WINDOW_S = 3_600.0
SUBJECTS_MAX = 2_000  # of the last hour; more are a sample of it
SUBJECTS_MIN = 50  # fewer say nothing, neither of the last hour nor of what is usual
RISE = 10.0  # times what is usual
MEMORY = 5_000.0  # subjects after which what was before has faded by two thirds


class ListShare:
    """What one list was asked about in the last hour, and what is usual with it.

    Args:
        share_max: from 0 to 1; above it a list is out of hand, when it is not usual.
    """

    def __init__(self, *, share_max: float) -> None:
        self._share_max = share_max
        self._seen: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._listed = 0
        self._before = 0.0  # subjects that are older than the window
        self._usual = 0.0

    def note(self, subject: str, *, is_listed: bool, now_s: float) -> None:
        """Note what the list said of a client or a name, unless it was noted within the hour."""
        self._let_go(now_s)
        known = self._seen.get(subject)
        if known is not None:
            self._seen[subject] = (known[0], is_listed)
            self._listed += is_listed - known[1]
            return
        if len(self._seen) >= SUBJECTS_MAX:
            self._grow_old()
        self._seen[subject] = (now_s, is_listed)
        self._listed += is_listed

    def excess(self, now_s: float) -> str:
        """Return what is out of hand, in words; empty: nothing is."""
        self._let_go(now_s)
        asked = len(self._seen)
        if asked < SUBJECTS_MIN or self._before < SUBJECTS_MIN:
            return ""
        share = self._listed / asked
        if share <= self._share_max or share < RISE * self._usual:
            return ""
        return (
            f"lists {self._listed} of the last {asked} that it was asked about,"
            f" and before that {self._usual:.1%}"
        )

    def forget_the_hour(self) -> None:
        """Begin the hour anew; what is usual stays."""
        self._seen.clear()
        self._listed = 0

    def _let_go(self, now_s: float) -> None:
        while self._seen and next(iter(self._seen.values()))[0] <= now_s - WINDOW_S:
            self._grow_old()

    def _grow_old(self) -> None:
        """Make the oldest subject of the hour one of those before it."""
        _, (_, was_listed) = self._seen.popitem(last=False)
        self._listed -= was_listed
        self._before = min(self._before + 1.0, MEMORY)
        self._usual += (was_listed - self._usual) / self._before
