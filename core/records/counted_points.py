"""How many points did a test count, where the operators gave it others than its own?

Pure. A record tells a test's own points, which are the same for all recipients; what a weight made
of them depends on the scopes that a recipient stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from common.address import fold
from common.preferences.scopes import Scope
from common.preferences.weights import AllWeights, Weights
from common.records.items import ToldTest
from common.records.shape import reader_of
from common.verdict import Effect, Outcome, Test

_read = reader_of(ToldTest)


def tell_points_that_counted(
    message: dict[str, Any], weights: AllWeights, scopes: Callable[[str], list[Scope]]
) -> None:
    """Let each test of ``track --json`` that a weight changed say what counted, and for whom.

    Args:
        message: as its records tell; its tests get ``counted``: scope and points of each weight
            that held for one of the recipients.
        weights: those that were in force.
        scopes: gives those that a recipient stands in, the widest first.
    """
    if not weights:
        return
    addresses = [fold(each["address"]) for each in message["recipients"]]
    # Most recipients share their weights: one object, whose tests are weighed once.
    of_recipient = {each: weights.of(scopes(each)) for each in addresses}
    for verdict in message["verdicts"]:
        if verdict["outcome"] != Outcome.SCORED or not isinstance(verdict.get("tests"), list):
            continue
        verdict["tests"] = [_told(test, of_recipient) for test in verdict["tests"]]


def _told(told: object, of_recipient: dict[str, Weights]) -> object:
    if not isinstance(told, dict):
        return told
    test = _read(told)
    whose: Iterable[Weights] = of_recipient.values()
    if test.recipient is not None:
        whose = [of_recipient[test.recipient]] if test.recipient in of_recipient else []
    counted: dict[str, float] = {}
    for each in {id(one): one for one in whose}.values():
        said = each.said_of(Test(name=test.name, score=test.score, effect=_effect(test.effect)))
        if said is not None and said[1] != test.score:
            counted[said[0]] = said[1]
    if not counted:
        return told
    return told | {"counted": [{"scope": one, "score": counted[one]} for one in sorted(counted)]}


def _effect(word: str) -> Effect:
    return Effect(word) if word in set(Effect) else Effect.SCORE
