"""Is what one look adds bounded, whatever a satellite says took how long?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.verdict import Outcome, Verdict
from core.records.look_report import quantile_ms
from core.records.looks import COMPARED_MAX, MS_MAX, LookCounts, bucket_of, highest_ms


@given(st.integers(0, 3_000_000))  # the last bucket ends where all longer times are
def test_a_bucket_tells_no_time_that_is_too_short_or_more_than_a_quarter_too_long(ms: int) -> None:
    highest = highest_ms(bucket_of(ms))

    assert ms <= highest <= ms * 1.25
    assert bucket_of(highest) == bucket_of(ms) == bucket_of(highest + 1) - 1


@pytest.mark.parametrize("ms", [MS_MAX + 1, (1 << 63) - 1, 1 << 70])
def test_no_time_is_longer_than_an_hour_is(ms: int) -> None:
    assert bucket_of(ms) == bucket_of(MS_MAX) == 82
    assert bucket_of(-5) == 0


def test_what_many_engines_say_of_each_others_finds_is_compared_of_a_few() -> None:
    counts = LookCounts()
    many = [Verdict(by=str(number), outcome=Outcome.INFECTED) for number in range(64)]

    counts.add(many, day=1, counts_finds=True)

    assert len(counts.answers) == 64
    assert len(counts.pairs) == COMPARED_MAX**2


@pytest.mark.parametrize(
    ("percent", "ms"), [(1, 3), (50, 3), (51, 5), (95, 5), (96, 31), (100, 31)]
)
def test_so_many_of_a_hundred_took_no_longer(percent: int, ms: int) -> None:
    times = {bucket_of(3): 50, bucket_of(5): 45, bucket_of(30): 5}

    assert quantile_ms(times, percent) == ms


def test_where_nobody_worked_there_is_no_time() -> None:
    assert quantile_ms({}, 50) is None
