"""Is a call's work counted without what the collector of cycles does meanwhile?"""

from __future__ import annotations

import gc

import pytest

from tests.support.work import work_s


def test_the_collector_rests_while_work_is_counted() -> None:
    was_on: list[bool] = []

    assert work_s(lambda: was_on.append(gc.isenabled())) < 1.0
    assert was_on == [False]
    assert gc.isenabled()


def test_work_is_what_the_thread_did_and_no_wait() -> None:
    assert work_s(lambda: sum(range(200_000))) > work_s(lambda: None)


def test_what_a_call_raises_is_passed_on_and_the_collector_goes_on() -> None:
    with pytest.raises(ZeroDivisionError):
        work_s(lambda: 1 // 0)
    assert gc.isenabled()
