"""The processor time of one message: counted from where it begins, and spent for good."""

from __future__ import annotations

import re
import signal
import time

import pytest

from common.strangers import outcome_of_call
from satellite.scanning import unpack, yara_job
from satellite.scanning.cpu_alarm import ended_with
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.engines.yara import _shipped
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.matching import Matcher
from tests.mail.pieces import der
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import with_attachment


def test_a_budget_is_spent_by_the_processor_time_since_it_began() -> None:
    now_s = 100.0
    budget = CpuBudget(5.0, cpu_s=lambda: now_s)

    now_s = 104.5
    budget.check()
    assert budget.left_s == 0.5

    now_s = 105.0
    with pytest.raises(LimitExceeded, match="more than 5 s of processor time"):
        budget.check()
    assert budget.left_s == 0.0


# ---- what does not ask


def spent_at_once() -> CpuBudget:
    return CpuBudget(0.05, cpu_s=time.process_time)


def test_a_loop_that_never_asks_ends_with_the_budget() -> None:
    budget = spent_at_once()

    with pytest.raises(LimitExceeded, match="processor time"), ended_with(budget):
        while True:
            pass
    assert budget.left_s == 0.0


def test_a_regular_expression_ends_with_the_budget() -> None:
    with pytest.raises(LimitExceeded), ended_with(spent_at_once()):
        re.fullmatch(r"(?:a|a)*b", "a" * 50)  # would take years


def test_whoever_takes_the_end_for_a_failure_of_his_own_meets_it_again() -> None:
    budget = spent_at_once()

    with ended_with(budget):
        outcome_of_call(re.fullmatch, r"(?:a|a)*b", "a" * 50)
        with pytest.raises(LimitExceeded):
            budget.check()


def test_what_was_done_in_time_is_not_ended_later() -> None:
    budget = spent_at_once()

    with ended_with(budget):
        pass
    signal.raise_signal(signal.SIGPROF)
    assert budget.left_s > 0.0


def test_a_message_whose_reader_never_ends_is_a_limit_and_what_it_found_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> bytes:
        while True:
            pass

    monkeypatch.setattr(unpack, "held_content", never)
    message = with_attachment(EICAR, der(0x30, bytes.fromhex("06092a864886f70d010702")))

    answer = yara_job._scanned(message, Matcher(_shipped()), UnfoldingLimits(cpu_s=0.2))

    assert answer["found"]["infected"] == ["Eicar-Test-Signature"]
    assert answer["incomplete"] == ["reading it took more than 0.2 s of processor time"]
