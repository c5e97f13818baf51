"""Is somebody outside asked, or left alone since he keeps silent?

Pure: a machine without a clock. Whoever answers nobody costs each message its whole time-out; after
``silences_max`` in a row, with no answer to anybody while they lasted, he is not asked any more
(the breaker is *open*), and what would have been asked has its verdict at once. A probe that is
answered, or a rest, lets a few through (*half open*): an answer closes the breaker, a silence opens
it again.

Source: Nygard, Release It!, chapter 5, *Circuit Breaker*.
"""

from __future__ import annotations

SILENCES_MAX = 3
TRIALS_MAX = 4  # at once while half open: one of them may be a message that nobody can finish
REST_S = 60.0  # for those whose probe never says that they are well


class Breaker:
    """What is known of one who is asked; times are seconds of a clock that only grows.

    Attributes:
        answers: how many there were.
    """

    def __init__(
        self,
        *,
        silences_max: int = SILENCES_MAX,
        trials_max: int = TRIALS_MAX,
        rest_s: float = REST_S,
    ) -> None:
        self.answers = 0
        self._silences_max = silences_max
        self._trials_max = trials_max
        self._rest_s = rest_s
        self._silences = 0  # in a row
        self._asked = 0  # and not yet answered
        self._open_since_s: float | None = None
        self._is_half_open = False

    @property
    def is_open(self) -> bool:
        """Return whether nobody is let through."""
        return self._open_since_s is not None and not self._is_half_open

    @property
    def is_suspicious(self) -> bool:
        """Return whether it is open or half open: the last ones had no answer."""
        return self._open_since_s is not None

    def admits(self, now_s: float, *, is_suspect: bool = False) -> bool:
        """Say whether to ask. Then one of the next three methods is called, once.

        Args:
            now_s: the time.
            is_suspect: this one had no answer before, and may itself be the reason: it proves
                nothing, and is let through only after a rest, when nobody better came.
        """
        if self._open_since_s is not None:
            has_rested = now_s - self._open_since_s >= self._rest_s
            self._is_half_open = self._is_half_open or has_rested
            if not self._is_half_open or self._asked >= self._trials_max:
                return False
            if is_suspect and not has_rested:
                return False
        self._asked += 1
        return True

    def answered(self) -> None:
        """He said something, whatever it is: he is there."""
        self._asked -= 1
        self.is_well()

    def is_well(self) -> None:
        """He was seen to do his work, for whomever."""
        self.answers += 1
        self._silences = 0
        self._open_since_s, self._is_half_open = None, False

    def was_silent(self, now_s: float) -> bool:
        """He did not answer; return whether the breaker opened by that."""
        self._asked -= 1
        self._silences += 1
        if self.is_open or not (self._is_half_open or self._silences >= self._silences_max):
            return False
        self._open(now_s)
        return True

    def withdrew(self) -> None:
        """He need not answer any more, or his silence says nothing of him."""
        self._asked -= 1

    def probed(self, *, answers: bool, answers_before: int, now_s: float) -> bool:
        """Take note of a probe; return whether the breaker opened by that.

        A probe alone opens nothing, since its silence may have reasons of its own: only when
        somebody waits, and nobody was answered while it lasted.

        Args:
            answers: whether it was answered.
            answers_before: ``answers`` when it began.
            now_s: the time.
        """
        if answers:
            self._is_half_open = self._open_since_s is not None
            return False
        is_silent = self._asked > 0 and self.answers == answers_before
        if self.is_open or not is_silent:
            return False
        self._open(now_s)
        return True

    def _open(self, now_s: float) -> None:
        self._open_since_s, self._is_half_open = now_s, False
