"""The limit of a destination follows its answers, and a rate is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.delivery.decisions.reply import HopReply
from satellite.delivery.queue.pace import GROWTH_SUCCESSES, Bucket, Pace, is_pushback


def test_a_refusal_halves_and_successes_bring_one_back_at_a_time() -> None:
    pace = Pace(most=10)
    pace.pushed_back(pace.round)
    assert pace.limit == 5

    for _ in range(GROWTH_SUCCESSES - 1):
        pace.succeeded()
    assert pace.limit == 5
    pace.succeeded()
    assert pace.limit == 6


def test_refusals_of_one_burst_count_once() -> None:
    pace = Pace(most=16)
    began_in = pace.round
    for _ in range(16):
        pace.pushed_back(began_in)

    assert pace.limit == 8


def test_after_a_hold_the_limit_doubles_with_each_round() -> None:
    pace = Pace(most=10)
    pace.restart()
    limits = [pace.limit]
    for _ in range(4):
        for _ in range(pace.limit):
            pace.succeeded()
        limits.append(pace.limit)

    assert limits == [1, 2, 4, 8, 10]


def test_a_refusal_to_a_turn_from_before_the_hold_does_not_count() -> None:
    pace = Pace(most=10)
    began_in = pace.round
    pace.restart()
    pace.succeeded()

    pace.pushed_back(began_in)

    assert pace.limit == 2


@given(st.integers(1, 50), st.lists(st.sampled_from(["success", "refusal", "restart"])))
def test_the_limit_stays_between_one_and_what_is_configured(most: int, steps: list[str]) -> None:
    pace = Pace(most=most)
    for step in steps:
        if step == "success":
            pace.succeeded()
        elif step == "refusal":
            pace.pushed_back(pace.round)
        else:
            pace.restart()

        assert 1 <= pace.limit <= most


@given(st.floats(0.1, 100_000), st.floats(0, 1e7), st.integers(1, 200))
def test_a_rate_is_neither_passed_nor_missed(rate: float, start_s: float, count: int) -> None:
    bucket = Bucket(rate)
    now_s = start_s
    for _ in range(count):
        while not bucket.take(now_s):
            wait_s = max(bucket.next_s() - now_s, 1e-6)  # no clock is finer
            now_s += wait_s
    expected_s = (count - 1) / rate

    passed_s = now_s - start_s
    burst = max(1.0, rate / 10)
    assert passed_s >= (count - burst) / rate * 0.999 - 1e-5
    assert passed_s <= expected_s * 1.001 + 1e-5 * count


def test_an_idle_rate_saves_up_no_more_than_its_burst() -> None:
    bucket = Bucket(100.0)
    assert bucket.take(0.0)

    taken = sum(bucket.take(1000.0) for _ in range(100))

    assert taken == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("421 4.7.0 Too busy", True),
        ("450 4.7.1 Too many connections from your host", True),
        ("451 4.3.0 too many concurrent sessions", True),
        ("451 4.7.1 Greylisted", False),
        ("452 4.5.3 Too many recipients", False),
        ("550 5.7.1 Too many connections", False),
        ("250 2.0.0 Ok", False),
    ],
)
def test_what_asks_for_fewer_connections(text: str, expected: bool) -> None:
    reply = HopReply(code=int(text[:3]), lines=(text[4:],))

    assert is_pushback(reply) is expected
    assert not is_pushback(None)
