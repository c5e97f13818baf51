"""Waits grow to a limit, and what was deferred together does not come back together."""

from __future__ import annotations

import pytest

from satellite.delivery.decisions.schedule import Schedule

SCHEDULE = Schedule(first_wait_s=60, longest_wait_s=3600)


def test_waits_double_up_to_the_longest() -> None:
    waits = [SCHEDULE.wait_s(failures=n, spread=0.0) for n in range(1, 10)]

    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_ten_thousand_failures_are_no_overflow() -> None:
    assert SCHEDULE.wait_s(failures=10_000, spread=0.0) == 3600


def test_the_spread_lengthens_by_up_to_a_tenth() -> None:
    assert SCHEDULE.wait_s(failures=1, spread=1.0) == pytest.approx(66)


def test_after_a_dot_without_an_answer_the_waits_are_far_longer() -> None:
    waits = [SCHEDULE.wait_s(failures=n, spread=0.0, is_ambiguous=True) for n in range(1, 6)]

    assert waits == [1800, 3600, 7200, 14_400, 14_400]
    assert SCHEDULE.planned_s_max >= SCHEDULE.wait_s(failures=9, spread=1.0, is_ambiguous=True)
