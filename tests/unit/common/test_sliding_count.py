"""How much was seen within a window: never too little, and by how much too much?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.sliding_count import AMOUNT_MAX, CELLS_MAX, KEEP_S, SlidingCount

WAITS_S = st.one_of(st.floats(0, 20), st.floats(0, 2_000), st.floats(0, 90_000))
STEPS = st.lists(st.tuples(WAITS_S, st.integers(1, 50)), max_size=60)


def test_what_was_seen_within_the_window_counts_and_nothing_older() -> None:
    count = SlidingCount()

    count.add(3, now_s=100.0)
    count.add(4, now_s=150.0)

    assert count.total(60.0, now_s=159.5) == 7
    assert count.total(60.0, now_s=165.0) == 4
    assert count.total(60.0, now_s=209.0) == 4
    assert count.total(60.0, now_s=215.0) == 0


@given(STEPS, st.sampled_from([10.0, 60.0, 600.0, 3600.0, 86_400.0]))
def test_a_total_is_never_too_little_and_too_much_by_what_is_a_little_older(
    steps: list[tuple[float, int]], window_s: float
) -> None:
    count, seen, now_s = SlidingCount(), [], 0.0
    for wait_s, amount in steps:
        now_s += wait_s
        count.add(amount, now_s=now_s)
        seen.append((now_s, amount))

    total = count.total(window_s, now_s=now_s)

    slack_s = max(5.0, window_s / 6)
    assert total >= sum(amount for at_s, amount in seen if at_s > now_s - window_s)
    assert total <= sum(amount for at_s, amount in seen if at_s > now_s - window_s - slack_s)
    assert len(count) <= CELLS_MAX


def test_a_steady_stream_over_a_week_needs_few_cells() -> None:
    count = SlidingCount()

    for second in range(0, int(KEEP_S) + 90_000, 37):
        count.add(1, now_s=float(second))

    assert len(count) <= CELLS_MAX
    assert len(count.ages(now_s=float(second))) <= CELLS_MAX


def test_it_is_the_same_count_at_the_other_end_of_a_wire() -> None:
    count = SlidingCount()
    for at_s in (0.0, 50.0, 1000.0, 1003.0):
        count.add(2, now_s=at_s)

    there = SlidingCount.of_ages(count.ages(now_s=1003.0), now_s=77_000.0)

    for window_s in (2.0, 30.0, 960.0, 5000.0):
        assert there.total(window_s, now_s=77_000.0) == count.total(window_s, now_s=1003.0)


def test_the_sum_of_two_counts_has_both() -> None:
    one, other = SlidingCount(), SlidingCount()
    one.add(1, now_s=10.0)
    one.add(1, now_s=500.0)
    other.add(5, now_s=499.0)

    both = SlidingCount.sum_of([one, other], now_s=500.0)

    assert both.total(30.0, now_s=500.0) == 6
    assert both.total(600.0, now_s=500.0) == 7


def test_nobody_counts_without_end() -> None:
    count = SlidingCount.of_ages([(1, AMOUNT_MAX * 8)], now_s=10.0)
    count.add(AMOUNT_MAX, now_s=10.0)

    assert count.total(60.0, now_s=10.0) <= 2 * AMOUNT_MAX
