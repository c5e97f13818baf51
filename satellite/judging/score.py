"""What spam score do the filters' tests come to for one recipient?

Pure. A test that names a recipient counts for that one alone, so that nobody's list or rule shows
in another's copy. White beats black between filters; inside the lists the nearer scope has already
decided.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.address import fold
from common.verdict import Effect, Verdict
from satellite.judging.disposition import Scoring


def score(verdicts: Iterable[Verdict], recipient: str) -> Scoring:
    """Return the points, the tests that made them and the list entry that applies.

    Args:
        verdicts: what the filters said of the message; engines' verdicts have no tests.
        recipient: one recipient's address as it stands in the envelope.
    """
    folded = fold(recipient)
    tests = tuple(
        test
        for verdict in verdicts
        for test in verdict.tests
        if test.recipient is None or test.recipient == folded
    )
    allowed = next((test for test in tests if test.effect is Effect.ALLOW), None)
    blocked = next((test for test in tests if test.effect is Effect.BLOCK), None)
    return Scoring(
        total=round(sum(test.score for test in tests), 3) + 0.0,  # no minus zero in a header
        tests=tests,
        allowed=allowed,
        blocked=blocked if allowed is None else None,
    )
