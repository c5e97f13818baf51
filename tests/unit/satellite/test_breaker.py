"""The breaker: who keeps silent is left alone, and tried again gently."""

from __future__ import annotations

import pytest

from satellite.breaker import Breaker


def opened() -> Breaker:
    breaker = Breaker(silences_max=3, trials_max=2, rest_s=60.0)
    for _ in range(3):
        assert breaker.admits(0.0)
        breaker.was_silent(0.0)
    assert breaker.is_open
    return breaker


def test_it_opens_after_so_many_silences_in_a_row() -> None:
    breaker = Breaker(silences_max=3)
    told = []

    for _ in range(3):
        breaker.admits(0.0)
        told.append(breaker.was_silent(0.0))

    assert told == [False, False, True]
    assert not breaker.admits(1.0)


def test_an_answer_between_silences_keeps_it_closed() -> None:
    breaker = Breaker(silences_max=2)

    for _ in range(10):
        breaker.admits(0.0)
        breaker.admits(0.0)
        breaker.was_silent(0.0)
        breaker.answered()

    assert not breaker.is_suspicious


def test_a_probe_that_is_answered_lets_a_few_through_and_an_answer_all() -> None:
    breaker = opened()

    breaker.probed(answers=True, answers_before=0, now_s=5.0)

    assert not breaker.is_open
    assert [breaker.admits(5.0) for _ in range(3)] == [True, True, False]
    breaker.answered()
    assert not breaker.is_suspicious
    assert all(breaker.admits(5.0) for _ in range(10))


def test_one_silence_while_half_open_opens_it_again() -> None:
    breaker = opened()
    breaker.probed(answers=True, answers_before=0, now_s=5.0)
    breaker.admits(5.0)

    assert breaker.was_silent(65.0)

    assert not breaker.admits(66.0)


def test_a_rest_is_as_good_as_a_probe() -> None:
    breaker = opened()

    assert not breaker.admits(59.0)
    assert breaker.admits(60.0)


@pytest.mark.parametrize(
    ("waits", "answered", "opens"), [(1, 0, True), (0, 0, False), (2, 1, False)]
)
def test_a_silent_probe_opens_it_only_when_somebody_waits_in_vain(
    waits: int, answered: int, opens: bool
) -> None:
    breaker = Breaker()
    for _ in range(waits):
        breaker.admits(0.0)
    before = breaker.answers
    for _ in range(answered):
        breaker.answered()

    assert breaker.probed(answers=False, answers_before=before, now_s=10.0) is opens
    assert breaker.is_open is opens


def test_who_withdraws_says_nothing_of_him() -> None:
    breaker = Breaker(silences_max=1)
    breaker.admits(0.0)

    breaker.withdrew()

    assert not breaker.is_suspicious
    assert not breaker.probed(answers=False, answers_before=0, now_s=0.0)


def test_a_suspect_is_let_through_only_after_a_rest() -> None:
    breaker = opened()
    breaker.probed(answers=True, answers_before=0, now_s=5.0)

    assert not breaker.admits(5.0, is_suspect=True)
    assert breaker.admits(60.0, is_suspect=True)
