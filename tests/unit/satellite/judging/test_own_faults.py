"""A message that no engine can finish is told from an engine that is away."""

from __future__ import annotations

import pytest

from common.verdict import Outcome, Verdict
from satellite.judging.own_faults import ERROR_LOOK_BACK_S, FAULTS_MAX, blamed
from satellite.scanning.deaths import DEATHS_UNSURE_MAX

BEGAN_S = 1_000.0


class AnsweredAt:
    """An engine that read some other message at that time."""

    def __init__(self, seconds: float, *, dies_alone: bool = True) -> None:
        self._seconds = seconds
        self._dies_alone = dies_alone

    def answered_since(self, name: str, began_s: float, *, size: int) -> bool:
        return self._seconds >= began_s

    def died_alone(self, name: str, sha256: bytes) -> bool:
        return self._dies_alone


BUSY = AnsweredAt(BEGAN_S + 1)
AWAY = AnsweredAt(float("-inf"))


def tried(
    outcome: Outcome, faults: dict[str, int], scanner: AnsweredAt
) -> tuple[Outcome, dict[str, int]]:
    verdicts, counted = blamed(
        (Verdict(by="clamav", outcome=outcome, detail="no answer within 60 s"),),
        faults,
        scanner=scanner,
        began_s=BEGAN_S,
        size=100,
        sha256=b"",
    )
    return verdicts[0].outcome, counted


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.ERROR])
def test_what_an_engine_cannot_finish_is_limits_after_so_many_tries(outcome: Outcome) -> None:
    faults: dict[str, int] = {}
    said = []

    for _ in range(FAULTS_MAX):
        one, faults = tried(outcome, faults, BUSY)
        said.append(one)

    assert said == [outcome] * (FAULTS_MAX - 1) + [Outcome.LIMITS]


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.ERROR])
def test_an_engine_that_answers_nobody_is_away_however_often(outcome: Outcome) -> None:
    assert tried(outcome, {"clamav": FAULTS_MAX - 1}, AWAY) == (
        outcome,
        {"clamav": FAULTS_MAX - 1},
    )


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.UNAVAILABLE])
def test_what_an_engine_died_of_twice_is_limits(outcome: Outcome) -> None:
    died = Verdict(by="clamav", outcome=outcome, detail="closed", died=True)
    faults: dict[str, int] = {}
    said = []

    for _ in range(2):
        (verdict,), faults = blamed(
            (died,), faults, scanner=BUSY, began_s=BEGAN_S, size=100, sha256=b""
        )
        said.append(verdict.outcome)

    assert said == [outcome, Outcome.LIMITS]
    assert faults == {"clamav": 0, "clamav/died": 2}  # a suspect, and why


def test_a_death_beside_others_is_blamed_on_nobody_before_it_is_no_chance_any_more() -> None:
    died = Verdict(by="clamav", outcome=Outcome.ERROR, detail="closed", died=True)
    beside = AnsweredAt(BEGAN_S + 1, dies_alone=False)
    faults: dict[str, int] = {}
    said = []

    for _ in range(DEATHS_UNSURE_MAX):
        (verdict,), faults = blamed(
            (died,), faults, scanner=beside, began_s=BEGAN_S, size=100, sha256=b""
        )
        said.append(verdict.outcome)

    assert said == [Outcome.ERROR] * (DEATHS_UNSURE_MAX - 1) + [Outcome.LIMITS]


def test_an_engine_that_dies_and_answers_nobody_is_away_however_often() -> None:
    died = Verdict(by="clamav", outcome=Outcome.ERROR, died=True)

    (verdict,), _ = blamed(
        (died,), {"clamav/died": 5}, scanner=AWAY, began_s=BEGAN_S, size=100, sha256=b""
    )

    assert verdict.outcome is Outcome.ERROR


def test_an_engine_that_is_not_there_is_no_fault_of_a_message() -> None:
    assert tried(Outcome.UNAVAILABLE, {}, BUSY) == (Outcome.UNAVAILABLE, {})


def test_an_error_comes_at_once_and_is_compared_with_a_moment_before() -> None:
    a_moment_ago = AnsweredAt(BEGAN_S - ERROR_LOOK_BACK_S + 1)

    assert tried(Outcome.ERROR, {}, a_moment_ago)[1] == {"clamav": 1}
    assert tried(Outcome.TIMEOUT, {}, a_moment_ago)[1] == {"clamav": 0}


def test_a_verdict_is_a_verdict_whatever_was_before() -> None:
    assert tried(Outcome.CLEAN, {"clamav": 2}, BUSY) == (Outcome.CLEAN, {"clamav": 2})
