"""What becomes of the symbols and scores of another program, among our own tests and points?

Pure. What it says is data of a stranger: names are made ours, scores finite and bounded, their
number too. The sum of our tests is its score, times a factor, within the bounds of the document;
what no symbol explains, and what is above the bounds, is a test of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from common.frozen import dataclass
from common.kinds import Options
from common.verdict import Test, printable
from satellite.filtering.filter import POINTS_MAX, name_of_test

SYMBOLS_MAX = 60  # that become tests; the weightiest
SCORE_MAX = 100.0  # of one symbol, up or down
TOTAL_MAX = 1_000.0
NAME_LENGTH_MAX = 48
DETAIL_LENGTH_MAX = 120
LEAST = 0.0005  # points that round to none

_SEPARATORS = re.compile(r"[\s,]+")

Factor = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Most = Annotated[float, Field(ge=0, le=POINTS_MAX, allow_inf_nan=False)]
Least = Annotated[float, Field(ge=-POINTS_MAX, le=0, allow_inf_nan=False)]


class TakenOverWeights(Options):
    """What the document of a filter that asks another spam filter may say in its ``options``."""

    factor: Factor = 1.0
    """What each of its points is worth here."""
    points_max: Most = 15.0
    """The most that it adds in all."""
    points_min: Least = -5.0
    """The most that it takes away in all, as a negative number."""
    ignored: Annotated[str, Field(max_length=4_000)] = ""
    """Symbols that count nothing here, with blanks or commas between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One finding of another program.

    Args:
        name: as it calls it.
        score: as it says, whatever that is.
        detail: its evidence.
    """

    name: str
    score: float
    detail: str = ""


def clamped(value: object, *, most: float = SCORE_MAX) -> float:
    """Return a number within bounds; what is none, or not a number, is 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    if isinstance(value, float) and math.isnan(value):
        return 0.0
    return float(max(-most, min(most, value)))


def as_tests(
    filter_name: str, symbols: Iterable[Symbol], *, total: float, weights: TakenOverWeights
) -> tuple[Test, ...]:
    """Return our tests for what another program found; their points add up to its score here.

    Args:
        filter_name: ours; the tests begin with it.
        symbols: what it found, in any order.
        total: its score; may differ from the sum of the symbols.
        weights: of the filter's document.
    """
    ignored = {_folded(word) for word in _SEPARATORS.split(weights.ignored) if word}
    scores: dict[str, float] = {}
    details: dict[str, str] = {}
    left_out = 0.0
    for one in symbols:
        name, score = _folded(one.name), clamped(one.score)
        if name in ignored:
            left_out += score
        else:
            scores[name] = clamped(scores.get(name, 0.0) + score)
            details.setdefault(name, one.detail)
    weightiest = sorted(scores.items(), key=lambda item: -abs(item[1]))[:SYMBOLS_MAX]
    tests = [
        Test(
            name=name_of_test(filter_name, name),
            score=round(points, 3),
            detail=printable(details[name], length_max=DETAIL_LENGTH_MAX),
        )
        for name, score in weightiest
        if abs(points := score * weights.factor) >= LEAST
    ]
    wanted = (clamped(total, most=TOTAL_MAX) - left_out) * weights.factor
    tests += _difference(tests, wanted, name_of_test(filter_name, "other"), "of no symbol above")
    capped = max(weights.points_min, min(weights.points_max, wanted))
    why = f"{wanted:.1f} points, of which {capped:.1f} count"
    tests += _difference(tests, capped, name_of_test(filter_name, "capped"), why)
    return tuple(tests)


def _difference(tests: list[Test], wanted: float, name: str, why: str) -> list[Test]:
    """Return the test that makes the sum of some others right; none where it is."""
    missing = wanted - sum(test.score for test in tests)
    if abs(missing) < 10 * LEAST:
        return []
    bounded = max(-POINTS_MAX, min(POINTS_MAX, missing))
    return [Test(name=name, score=round(bounded, 3), detail=why)]


def _folded(name: str) -> str:
    return name_of_test(name[:NAME_LENGTH_MAX] or "unnamed")
