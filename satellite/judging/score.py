"""What spam score do the filters' tests come to for one recipient?

Pure. A test that names a recipient counts for that one alone, so that nobody's list or rule shows
in another's copy. White beats black between filters; inside the lists the nearer scope has already
decided. The operators' weights come first: each test counts what they say of it, for whom they
say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from common.address import fold
from common.preferences.weights import NO_WEIGHTS, Weights
from common.verdict import Effect, Outcome, Test, Verdict
from satellite.judging.disposition import NO_TESTS, Scoring

_ASKED = (Effect.ASK_QUARANTINE, Effect.ASK_REJECT)  # the stronger one last


class Scores:
    """The points of one message, recipient by recipient.

    Most recipients have none of their own, and share one answer: a message may have a thousand, and
    two tests for each.

    Args:
        verdicts: what the filters said of the message; engines' verdicts have no tests.
        weights: gives those that hold for a recipient.

    Attributes:
        has_none: nobody has a test, as of nearly all mail.
    """

    def __init__(
        self,
        verdicts: Iterable[Verdict],
        weights: Callable[[str], Weights] = lambda _recipient: NO_WEIGHTS,
    ) -> None:
        self._weights = weights
        self._shared: list[tuple[int, Test]] = []  # with the place, which is their order
        self._own: dict[str, list[tuple[int, Test]]] = {}
        self._failed: set[int] = set()  # places of tests that tell of a failure: nothing to weigh
        tests: list[tuple[Verdict, Test]] = []
        for verdict in verdicts:
            tests += [(verdict, test) for test in verdict.tests]
        self.has_none = not tests
        for place, (verdict, test) in enumerate(tests):
            if verdict.outcome is not Outcome.SCORED:
                self._failed.add(place)
            own = self._shared
            if test.recipient is not None:
                own = self._own.setdefault(test.recipient, [])
            own.append((place, test))
        self._of_all_others = _scoring(self._shared) if self._shared else NO_TESTS
        # A few weights speak for most recipients: what they make of the shared tests is made once.
        self._by_weights: dict[Weights, tuple[list[tuple[int, Test]], Scoring]] = {}

    def of(self, recipient: str) -> Scoring:
        """Return the points, the tests that made them and the list entry that applies.

        Args:
            recipient: one recipient's address as it stands in the envelope.
        """
        own = self._own.get(fold(recipient)) if self._own else None
        if own is None and not self._shared:
            return self._of_all_others
        weights = self._weights(recipient)
        if not weights:
            if own is None:
                return self._of_all_others
            return _scoring(sorted([*self._shared, *own], key=_place))
        shared, of_all_others = self._of_weights(weights)
        if own is None:
            return of_all_others
        return _scoring(sorted([*shared, *self._weighed(own, weights)], key=_place))

    def _of_weights(self, weights: Weights) -> tuple[list[tuple[int, Test]], Scoring]:
        known = self._by_weights.get(weights)
        if known is None:
            shared = self._weighed(self._shared, weights)
            known = self._by_weights[weights] = shared, _scoring(shared)
        return known

    def _weighed(
        self, tests: Iterable[tuple[int, Test]], weights: Weights
    ) -> list[tuple[int, Test]]:
        return [
            (place, test if place in self._failed else weights.weighed(test))
            for place, test in tests
        ]


def _place(one: tuple[int, Test]) -> int:
    return one[0]


def _scoring(placed: Iterable[tuple[int, Test]]) -> Scoring:
    tests = tuple([test for _, test in placed])
    allowed = next((test for test in tests if test.effect is Effect.ALLOW), None)
    blocked = next((test for test in tests if test.effect is Effect.BLOCK), None)
    asked = [test for test in tests if test.effect in _ASKED] if allowed is None else []
    return Scoring(
        total=round(sum(test.score for test in tests), 3) + 0.0,  # no minus zero in a header
        tests=tests,
        allowed=allowed,
        blocked=blocked if allowed is None else None,
        asked=max(asked, key=lambda test: _ASKED.index(test.effect), default=None),
    )
