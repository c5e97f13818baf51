"""What spam score do the filters' tests come to for one recipient?

Pure. A test that names a recipient counts for that one alone, so that nobody's list or rule shows
in another's copy. White beats black between filters; inside the lists the nearer scope has already
decided.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.address import fold
from common.verdict import Effect, Test, Verdict
from satellite.judging.disposition import NO_TESTS, Scoring


class Scores:
    """The points of one message, recipient by recipient.

    Most recipients have none of their own, and share one answer: a message may have a thousand, and
    two tests for each.

    Args:
        verdicts: what the filters said of the message; engines' verdicts have no tests.
    """

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self._shared: list[tuple[int, Test]] = []  # with the place, which is their order
        self._own: dict[str, list[tuple[int, Test]]] = {}
        tests = (test for verdict in verdicts for test in verdict.tests)
        for place, test in enumerate(tests):
            own = self._shared
            if test.recipient is not None:
                own = self._own.setdefault(test.recipient, [])
            own.append((place, test))
        self._of_all_others = _scoring(self._shared) if self._shared else NO_TESTS

    def of(self, recipient: str) -> Scoring:
        """Return the points, the tests that made them and the list entry that applies.

        Args:
            recipient: one recipient's address as it stands in the envelope.
        """
        own = self._own.get(fold(recipient)) if self._own else None
        if own is None:
            return self._of_all_others
        return _scoring(sorted([*self._shared, *own], key=_place))


def _place(one: tuple[int, Test]) -> int:
    return one[0]


def _scoring(placed: Iterable[tuple[int, Test]]) -> Scoring:
    tests = tuple([test for _, test in placed])
    allowed = next((test for test in tests if test.effect is Effect.ALLOW), None)
    blocked = next((test for test in tests if test.effect is Effect.BLOCK), None)
    return Scoring(
        total=round(sum(test.score for test in tests), 3) + 0.0,  # no minus zero in a header
        tests=tests,
        allowed=allowed,
        blocked=blocked if allowed is None else None,
    )
