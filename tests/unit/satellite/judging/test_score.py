"""What do the tests come to for one recipient?"""

from __future__ import annotations

from common.preferences.bodies import WeightBody
from common.preferences.scopes import Scope
from common.preferences.weights import NO_WEIGHTS, AllWeights, Weights
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


def test_a_weight_counts_for_those_it_is_made_for_alone() -> None:
    acme = AllWeights([("domain/acme.example/A", WeightBody(score=1))])

    def weights(recipient: str) -> Weights:
        is_theirs = recipient.endswith("@acme.example")
        return acme.of([Scope.parse("domain/acme.example")]) if is_theirs else NO_WEIGHTS

    scores = Scores([said(Test(name="A", score=7), Test(name="B", score=2))], weights)

    assert scores.of("x@acme.example").total == 3.0
    assert scores.of("x@other.example").total == 9.0


def test_a_weight_gives_no_points_to_a_filter_that_failed() -> None:
    of_cluster = AllWeights([("cluster/DNSBL_ZEN", WeightBody(score=9))])
    failed = said(Test(name="DNSBL_ZEN", detail="no answer"), outcome=Outcome.UNAVAILABLE)

    scores = Scores([failed], lambda _: of_cluster.of([Scope.parse("cluster")]))

    assert scores.of("x@acme.example").total == 0.0


def test_of_what_authors_domains_ask_for_the_stronger_counts_unless_a_white_entry_applies() -> None:
    asking = said(
        Test(name="R", effect=Effect.ASK_REJECT), Test(name="Q", effect=Effect.ASK_QUARANTINE)
    )
    white = said(Test(name="W", effect=Effect.ALLOW))

    found = score([asking], "x@acme.example").asked

    assert found is not None
    assert found.name == "R"
    assert score([asking, white], "x@acme.example").asked is None


class _CountingWeights(Weights):
    """Weights that say how often they were asked."""

    weighings = 0

    def weighed(self, test: Test) -> Test:
        self.weighings += 1
        return super().weighed(test)


def test_what_all_share_is_weighed_once_for_all_who_have_the_same_weights() -> None:
    weights = AllWeights([("cluster/A", WeightBody(score=3))]).of([Scope.parse("cluster")])
    counting = _CountingWeights(weights._scopes)
    own = Test(name="OWN", score=1, recipient="r1@acme.example")
    scores = Scores(
        [said(Test(name="A", score=1), own, Test(name="B", score=1))], lambda _: counting
    )

    found = [scores.of(f"r{number}@acme.example") for number in range(1_000)]

    assert {each.total for each in found} == {4.0, 5.0}
    assert [test.name for test in found[1].tests] == ["A", "OWN", "B"]
    assert counting.weighings == 3
