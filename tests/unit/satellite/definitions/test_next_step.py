"""What is done next about definitions, at each point of their way?"""

from __future__ import annotations

from typing import Any

import pytest

from satellite.definitions.next_step import (
    LONGEST_RETRY_S,
    FailedTry,
    NextStep,
    after_failure,
    next_step,
)
from satellite.definitions.set_name import SetName

OLD, NEW = SetName(1, "a" * 64), SetName(2, "b" * 64)


def step(offered: SetName | None, **facts: Any) -> NextStep:
    usual: dict[str, Any] = {
        "may_load": False,
        "current": OLD,
        "fetched": {OLD},
        "failed": None,
        "now_s": 100.0,
    }
    return next_step(offered, **usual | facts)


def test_without_an_offer_nothing_changes() -> None:
    assert step(None) is NextStep.REST


def test_what_is_in_use_is_left_alone() -> None:
    assert step(OLD, may_load=True) is NextStep.REST


def test_what_is_not_here_is_fetched_before_its_turn() -> None:
    assert step(NEW) is NextStep.FETCH


def test_what_is_here_waits_for_its_turn() -> None:
    assert step(NEW, fetched={OLD, NEW}) is NextStep.AWAIT_TURN
    assert step(NEW, fetched={OLD, NEW}, may_load=True) is NextStep.LOAD


def test_a_lower_number_is_taken_like_a_higher_one() -> None:
    assert step(OLD, current=NEW, fetched={OLD, NEW}, may_load=True) is NextStep.LOAD


def test_a_number_that_was_given_twice_is_another_set() -> None:
    assert step(SetName(1, "c" * 64), may_load=True) is NextStep.FETCH


@pytest.mark.parametrize(
    ("again_s", "expected"),
    [(101.0, NextStep.REST), (100.0, NextStep.FETCH), (None, NextStep.REST)],
)
def test_what_failed_is_tried_again_when_its_time_has_come(
    again_s: float | None, expected: NextStep
) -> None:
    failed = FailedTry(name=NEW, detail="", is_tried=True, tries=1, again_s=again_s)

    assert step(NEW, failed=failed) is expected


def test_the_failure_of_another_set_holds_up_nothing() -> None:
    failed = FailedTry(name=OLD, detail="", is_tried=True, tries=1, again_s=None)

    assert step(NEW, failed=failed) is NextStep.FETCH


def test_each_further_failure_doubles_the_wait_up_to_a_bound() -> None:
    failed = after_failure(NEW, "x", before=None, is_tried=True, is_final=False, now_s=0.0)
    waits = []
    for _ in range(12):
        assert failed.again_s is not None
        waits.append(failed.again_s)
        failed = after_failure(NEW, "x", before=failed, is_tried=True, is_final=False, now_s=0.0)

    assert waits[:3] == [15.0, 30.0, 60.0]
    assert waits[-1] == LONGEST_RETRY_S
    assert (
        after_failure(OLD, "x", before=failed, is_tried=True, is_final=False, now_s=0.0).again_s
        == 15.0
    )
    assert (
        after_failure(NEW, "x", before=None, is_tried=True, is_final=True, now_s=0.0).again_s
        is None
    )


@pytest.mark.parametrize(
    "text", ["", "1", f"0-{'a' * 64}", f"1-{'A' * 64}", f"1-{'a' * 64}/..", "../1"]
)
def test_nothing_else_is_the_name_of_a_set(text: str) -> None:
    assert SetName.parse(text) is None
    assert SetName.parse(str(NEW)) == NEW
