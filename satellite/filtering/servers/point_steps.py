"""How many points does a measure come to, by the steps that a document names?

Pure. A step is ``FROM=POINTS``; the highest that the measure reaches counts.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from satellite.filtering.filter import POINTS_MAX

STEPS_MAX = 20
_STEP = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)=(-?[0-9]{1,4}(?:\.[0-9]{1,3})?)")


def steps_of(text: str) -> tuple[tuple[float, float], ...]:
    """Return the steps of a text such as ``90=10, 70=3``, the highest first.

    Raises:
        ValueError: it is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = [_STEP.fullmatch(word) for word in words]
    if len(words) > STEPS_MAX or not all(found):
        raise ValueError(f"{text[:80]!r} are no steps; write FROM=POINTS, FROM=POINTS")
    steps = [(float(match[1]), float(match[2])) for match in found if match is not None]
    if any(abs(points) > POINTS_MAX for _, points in steps):
        raise ValueError(f"a step has more than {POINTS_MAX:g} points; write fewer")
    return tuple(sorted(steps, reverse=True))


def points_of(text: str, measure: float) -> float:
    """Return the points of the highest step that a measure reaches; 0 below all of them."""
    return next((points for from_, points in steps_of(text) if measure >= from_), 0.0)


def _checked(text: str) -> str:
    steps_of(text)
    return text


PointSteps = Annotated[str, AfterValidator(_checked)]
