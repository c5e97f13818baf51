"""Can a failure be read as clean?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.verdict import Outcome, Verdict, points, printable


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_outcome_has_no_truth_value(outcome: Outcome) -> None:
    with pytest.raises(TypeError):
        bool(outcome)


def test_a_verdict_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(Verdict(by="clamav", outcome=Outcome.CLEAN))


@given(st.text(max_size=400), st.integers(0, 300))
def test_what_a_stranger_says_becomes_printable_and_bounded(text: str, length_max: int) -> None:
    shown = printable(text, length_max=length_max)

    assert len(shown) <= length_max
    assert all(" " <= c <= "~" for c in shown)


@pytest.mark.parametrize(
    ("value", "text"),
    [(5.0, "5.0"), (1.2, "1.2"), (-0.1, "-0.1"), (0.0, "0.0"), (1.25, "1.25"), (4.9999, "5.0"),
     (-0.0001, "0.0"), (-0.0, "0.0"), (1e4, "10000.0")],
)  # fmt: skip
def test_points_have_one_to_three_decimals(value: float, text: str) -> None:
    assert points(value) == text
