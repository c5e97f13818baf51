"""Does a measure come to the points of the step that it reaches?"""

from __future__ import annotations

import pytest

from satellite.filtering.servers.point_steps import points_of, steps_of

STEPS = "90=10, 70=3,99.5=12.5"


@pytest.mark.parametrize(
    ("measure", "points"), [(0, 0), (69.9, 0), (70, 3), (89, 3), (90, 10), (99, 10), (100, 12.5)]
)
def test_the_highest_step_that_is_reached_counts(measure: float, points: float) -> None:
    assert points_of(STEPS, measure) == points


def test_no_steps_give_no_points() -> None:
    assert points_of("", 1e9) == 0.0


@pytest.mark.parametrize(
    "text", ["90", "a=1", "90=nan", "90=1e9", "90=9999", "-1=2", "90=1;70=2", "1=1," * 30]
)
def test_what_is_no_steps_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="step"):
        steps_of(text)
