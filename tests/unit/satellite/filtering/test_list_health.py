"""When may a DNS list be asked?"""

from __future__ import annotations

from common.verdict import Outcome
from satellite.filtering.list_health import DISABLED_S, SILENT_S, TEST_EVERY_S, ListHealth


def test_a_list_is_tested_at_first_and_again_each_hour() -> None:
    health = ListHealth()

    assert health.needs_test(0.0)
    health.passed(0.0)
    assert not health.needs_test(TEST_EVERY_S - 1)
    assert health.needs_test(TEST_EVERY_S)


def test_a_broken_list_is_left_alone_and_then_has_to_pass_its_test() -> None:
    health = ListHealth()
    health.passed(0.0)

    health.broke(10.0, "answers 10.0.0.1")

    refusal = health.refusal(10.0 + DISABLED_S - 1)
    assert refusal is not None
    assert (refusal.outcome, refusal.reason) == (Outcome.ERROR, "answers 10.0.0.1")
    assert not health.needs_test(10.0 + DISABLED_S - 1)
    assert health.refusal(10.0 + DISABLED_S) is None
    assert health.needs_test(10.0 + DISABLED_S)


def test_one_lost_packet_does_not_silence_a_list() -> None:
    health = ListHealth()
    health.passed(0.0)

    health.was_silent(1.0, "lost")
    health.answered()
    health.was_silent(2.0, "lost")
    health.was_silent(3.0, "lost")

    assert health.refusal(3.0) is None


def test_three_silences_in_a_row_leave_a_list_alone_for_a_minute() -> None:
    health = ListHealth()
    health.passed(0.0)

    for second in (1.0, 2.0, 3.0):
        health.was_silent(second, "no answer")

    refusal = health.refusal(3.0)
    assert refusal is not None
    assert refusal.outcome is Outcome.UNAVAILABLE
    assert health.refusal(3.0 + SILENT_S) is None
    assert not health.needs_test(3.0 + SILENT_S)


def test_a_list_that_is_silent_in_its_first_test_is_left_alone_at_once() -> None:
    health = ListHealth()

    health.was_silent(0.0, "no answer")

    assert health.refusal(1.0) is not None
    assert health.needs_test(SILENT_S)
