"""Who has used up a burst waits for the rate, and a rest gives the burst back."""

from __future__ import annotations

from common.token_bucket import TokenBucket


def test_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(per_s=0.5, burst=3.0)

    for _ in range(3):
        assert bucket.wait_s(now_s=10.0) == 0.0
        bucket.take()

    assert bucket.wait_s(now_s=10.0) == 2.0
    assert bucket.wait_s(now_s=11.0) == 1.0
    assert bucket.wait_s(now_s=12.0) == 0.0


def test_what_is_taken_beyond_what_is_left_is_owed() -> None:
    bucket = TokenBucket(per_s=10.0, burst=5.0)
    assert bucket.wait_s(now_s=0.0) == 0.0

    bucket.take(24.0)

    assert bucket.wait_s(now_s=0.0) == 2.0
    assert bucket.wait_s(now_s=2.0) == 0.0


def test_a_rest_gives_back_no_more_than_the_burst_and_a_clock_that_went_back_nothing() -> None:
    bucket = TokenBucket(per_s=1.0, burst=2.0)
    assert bucket.wait_s(now_s=100.0) == 0.0
    bucket.take(2.0)
    assert bucket.wait_s(now_s=50.0) > 0.0

    assert bucket.wait_s(now_s=1_000.0) == 0.0
    bucket.take(2.0)
    assert bucket.wait_s(now_s=1_000.0) == 1.0


def test_a_sleep_of_the_length_that_it_asks_for_is_enough() -> None:
    bucket = TokenBucket(per_s=8 / 30, burst=24.0)
    now_s = 1_000_000.1
    for _ in range(200):
        wait_s = bucket.wait_s(now_s=now_s)
        if wait_s:
            now_s += wait_s
            assert bucket.wait_s(now_s=now_s) == 0.0
        bucket.take()
