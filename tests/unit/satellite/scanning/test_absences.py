"""Who is away is known by what it says of mail and of probes, and its return is told of once."""

from __future__ import annotations

import pytest

from common.verdict import Outcome
from satellite.scanning.absences import FAILURES_MAX, Absences

Step = tuple[str, Outcome | bool]


@pytest.mark.parametrize(
    ("steps", "returns", "unavailable"),
    [
        ([("a", Outcome.UNAVAILABLE)], 0, True),
        ([("a", Outcome.UNAVAILABLE), ("a", Outcome.CLEAN)], 1, False),
        ([("a", Outcome.UNAVAILABLE), ("a", Outcome.CLEAN), ("a", Outcome.CLEAN)], 1, False),
        ([("a", Outcome.UNAVAILABLE), ("b", Outcome.CLEAN)], 0, True),
        ([("a", Outcome.UNAVAILABLE), ("a", Outcome.SKIPPED)], 0, True),
        ([("a", Outcome.UNAVAILABLE), ("a", Outcome.ERROR), ("a", Outcome.INFECTED)], 1, False),
        ([("a", Outcome.UNAVAILABLE), ("a", True)], 1, False),
        ([("a", False)], 0, True),
        ([("a", False), ("a", False), ("a", True), ("a", True)], 1, False),
        # One failure may be the message's own; many in a row are the engine's.
        ([("a", Outcome.TIMEOUT), ("a", Outcome.CLEAN)], 0, False),
        ([*[("a", Outcome.ERROR), ("a", Outcome.CLEAN)] * FAILURES_MAX], 0, False),
        ([*[("a", Outcome.ERROR)] * FAILURES_MAX, ("a", Outcome.LIMITS)], 1, False),
        ([*[("a", Outcome.ERROR)] * FAILURES_MAX, ("a", True)], 0, False),  # a probe proves nothing
    ],
)
def test_a_return_is_told_of_once(steps: list[Step], returns: int, unavailable: bool) -> None:
    told: list[None] = []
    absences = Absences()
    absences.on_return = lambda: told.append(None)

    for name, said in steps:
        if isinstance(said, bool):
            absences.probed(name, answers=said)
        else:
            absences.heard(name, said)

    assert len(told) == returns
    assert absences.any_unavailable is unavailable
