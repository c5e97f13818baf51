"""When may a DNS list be asked?"""

from __future__ import annotations

from common.verdict import Outcome
from satellite.filtering.standing import DISABLED_S, SILENT_S, TEST_EVERY_S, ListStanding


def test_a_list_is_tested_at_first_and_again_each_hour() -> None:
    standing = ListStanding()

    assert standing.needs_test(0.0)
    standing.passed(0.0)
    assert not standing.needs_test(TEST_EVERY_S - 1)
    assert standing.needs_test(TEST_EVERY_S)


def test_a_broken_list_is_left_alone_and_then_has_to_pass_its_test() -> None:
    standing = ListStanding()
    standing.passed(0.0)

    standing.broke(10.0, "answers 10.0.0.1")

    refusal = standing.refusal(10.0 + DISABLED_S - 1)
    assert refusal is not None
    assert (refusal.outcome, refusal.reason) == (Outcome.ERROR, "answers 10.0.0.1")
    assert not standing.needs_test(10.0 + DISABLED_S - 1)
    assert standing.refusal(10.0 + DISABLED_S) is None
    assert standing.needs_test(10.0 + DISABLED_S)


def test_one_lost_packet_does_not_silence_a_list() -> None:
    standing = ListStanding()
    standing.passed(0.0)

    standing.was_silent(1.0, "lost")
    standing.answered()
    standing.was_silent(2.0, "lost")
    standing.was_silent(3.0, "lost")

    assert standing.refusal(3.0) is None


def test_three_silences_in_a_row_leave_a_list_alone_for_a_minute() -> None:
    standing = ListStanding()
    standing.passed(0.0)

    for second in (1.0, 2.0, 3.0):
        standing.was_silent(second, "no answer")

    refusal = standing.refusal(3.0)
    assert refusal is not None
    assert refusal.outcome is Outcome.UNAVAILABLE
    assert standing.refusal(3.0 + SILENT_S) is None
    assert not standing.needs_test(3.0 + SILENT_S)


def test_a_list_that_is_silent_in_its_first_test_is_left_alone_at_once() -> None:
    standing = ListStanding()

    standing.was_silent(0.0, "no answer")

    assert standing.refusal(1.0) is not None
    assert standing.needs_test(SILENT_S)
