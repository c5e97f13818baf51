"""What do the tests come to for one recipient?"""

from __future__ import annotations

from common.verdict import Effect, Outcome, Test, Verdict
from satellite.judging.disposition import Scoring
from satellite.judging.score import Scores


def score(verdicts: list[Verdict], recipient: str) -> Scoring:
    return Scores(verdicts).of(recipient)


def said(*tests: Test, outcome: Outcome = Outcome.SCORED) -> Verdict:
    return Verdict(by="f", outcome=outcome, tests=tests)


def test_points_are_summed_over_all_verdicts() -> None:
    verdicts = [
        said(Test(name="A", score=0.1), Test(name="B", score=0.2)),
        said(Test(name="C", score=4)),
    ]

    assert score(verdicts, "x@acme.example").total == 4.3


def test_a_test_of_another_recipient_neither_counts_nor_shows() -> None:
    verdicts = [said(Test(name="A", score=7, recipient="y@acme.example"), Test(name="B", score=1))]

    scoring = score(verdicts, "x@acme.example")

    assert (scoring.total, [test.name for test in scoring.tests]) == (1.0, ["B"])
    assert score(verdicts, "Y@acme.example").total == 8.0


def test_white_beats_black_between_filters() -> None:
    verdicts = [
        said(Test(name="B", effect=Effect.BLOCK)),
        said(Test(name="W", effect=Effect.ALLOW)),
    ]

    scoring = score(verdicts, "x@acme.example")

    assert scoring.allowed is not None
    assert scoring.blocked is None


def test_a_black_entry_alone_blocks() -> None:
    scoring = score([said(Test(name="B", effect=Effect.BLOCK))], "x@acme.example")

    assert scoring.blocked is not None
    assert scoring.allowed is None


def test_no_verdict_at_all_scores_nothing() -> None:
    assert score([], "x@acme.example").total == 0.0
    assert str(score([said(Test(name="A", score=-0.0001))], "x@a.example").total) == "0.0"
