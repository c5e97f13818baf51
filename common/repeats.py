"""Was a line of the log said a short while ago, and how often was it left out since?

Pure: the time arrives as ``now_s``, of a clock that only grows. What fails again and again costs
one line a minute, whoever makes it fail: the table has a bound, and what finds no place in it
shares one line.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

SAY_AGAIN_S = 60.0
SUBJECTS_MAX = 256
_OTHERS = object()  # all that finds no place


@dataclass(slots=True)
class _Said:
    """When a line was last said, and how often it was left out since."""

    said_s: float
    left_out: int = 0


class Repeats:
    """The lines that were said lately."""

    def __init__(self) -> None:
        self._said: dict[Hashable, _Said] = {}

    def again(self, subject: Hashable, *, now_s: float) -> int | None:
        """Return how often a line was left out since it was last said; None: leave it out now.

        Args:
            subject: whose line it is and what it says, in words that no peer chooses.
            now_s: the monotonic clock, in seconds.
        """
        known = self._said.get(subject)
        if known is None and len(self._said) >= SUBJECTS_MAX:
            self._forget(now_s)
            if len(self._said) >= SUBJECTS_MAX:
                subject, known = _OTHERS, self._said.get(_OTHERS)
        if known is None:
            self._said[subject] = _Said(now_s)
            return 0
        if now_s - known.said_s < SAY_AGAIN_S:
            known.left_out += 1
            return None
        left_out, known.said_s, known.left_out = known.left_out, now_s, 0
        return left_out

    def _forget(self, now_s: float) -> None:
        """Drop the lines that would be said again now."""
        self._said = {
            subject: said
            for subject, said in self._said.items()
            if now_s - said.said_s < SAY_AGAIN_S or subject is _OTHERS
        }
