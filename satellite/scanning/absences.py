"""Which engines do no work now, and who is told when one is back?

Pure. What waits for an engine must not sleep on when it is there again. An engine is *away* that
could not be had, or failed on the last ``FAILURES_MAX`` messages; one of these alone may be the
message's own. It is back when it has read a message, or answers its probe after it could not be
had: a probe says nothing of who takes each message and fails on it.
"""

from __future__ import annotations

from collections.abc import Callable

from common.verdict import Outcome

FAILURES_MAX = 3
_FAILURES = frozenset({Outcome.ERROR, Outcome.TIMEOUT})


class Absences:
    """The engines that do no work now; each that comes back is told of once.

    Attributes:
        on_return: called when one is back.
    """

    def __init__(self) -> None:
        self.on_return: Callable[[], None] = lambda: None
        self._unavailable: set[str] = set()
        self._failures: dict[str, int] = {}  # in a row

    @property
    def any_unavailable(self) -> bool:
        """Whether one cannot be had, so that it is worth asking often whether it is back."""
        return bool(self._unavailable)

    def heard(self, name: str, outcome: Outcome) -> None:
        """Take note of an engine's verdict on a message."""
        if outcome is Outcome.SKIPPED:
            return
        if outcome is Outcome.UNAVAILABLE:
            self._unavailable.add(name)
        elif outcome in _FAILURES:
            self._failures[name] = self._failures.get(name, 0) + 1
        else:
            self._is_back(name)

    def probed(self, name: str, *, answers: bool) -> None:
        """Take note of a probe, and of whether it scans, where that is in doubt."""
        if not answers:
            self._unavailable.add(name)
        elif name in self._unavailable:
            self._is_back(name)

    def _is_back(self, name: str) -> None:
        failures = self._failures.pop(name, 0)
        was_away = name in self._unavailable or failures >= FAILURES_MAX
        self._unavailable.discard(name)
        if was_away:
            self.on_return()
