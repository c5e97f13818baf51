"""Waits grow, stay below their limit, and spread over all of it."""

from __future__ import annotations

import pytest

from common.backoff import Backoff


@pytest.mark.parametrize(
    ("failures", "wait_s"), [(1, 0.2), (2, 0.4), (5, 3.2), (6, 5.0), (1_000_000, 5.0)]
)
def test_the_limit_doubles_until_the_longest_wait(failures: int, wait_s: float) -> None:
    assert Backoff(first_s=0.2, longest_s=5.0).wait_s(failures, spread=1.0) == wait_s


def test_the_jitter_is_full_down_to_no_wait_at_all() -> None:
    backoff = Backoff(first_s=0.2, longest_s=5.0)

    assert backoff.wait_s(10, spread=0.0) == 0.0
    assert backoff.wait_s(10, spread=0.25) == 1.25


def test_a_core_that_is_back_is_found_within_five_seconds() -> None:
    assert Backoff().wait_s(100, spread=1.0) <= 5.0
