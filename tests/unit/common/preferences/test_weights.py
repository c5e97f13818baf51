"""How many points does a test have by the operators' weights?"""

from __future__ import annotations

import pytest

from common.preferences.bodies import WeightBody
from common.preferences.documents import DocumentRefused, new_document
from common.preferences.scopes import Scope
from common.preferences.weights import AllWeights, split_weight_key, weight_key
from common.verdict import Effect, Test

ACME = [
    Scope.parse(text) for text in ("cluster", "domain/acme.example", "recipient/x@acme.example")
]


def weighed(test: Test, **entries: WeightBody) -> Test:
    """Return a test by weights of which each name is a place in ``ACME``, ``_`` and a test."""
    keyed = []
    for name, body in entries.items():
        place, _, pattern = name.partition("_")
        keyed.append((weight_key(ACME[int(place[1:])], pattern.replace("ALL", "*")), body))
    return AllWeights(keyed).of(ACME).weighed(test)


TEST = Test(name="RSPAMD_BAYES", score=4.0, detail="bayes said so")


def test_a_test_that_nobody_weighs_keeps_its_points() -> None:
    assert weighed(TEST) == TEST
    assert weighed(TEST, s0_OTHER=WeightBody(score=1)) == TEST


def test_the_nearest_scope_decides() -> None:
    found = weighed(TEST, s0_RSPAMD_BAYES=WeightBody(score=9), s1_RSPAMD_ALL=WeightBody(score=1))

    assert found.score == 1.0
    assert found.detail == "bayes said so; weight of domain/acme.example: 1.0 instead of 4.0"


def test_the_whole_name_comes_before_a_beginning_and_the_longer_one_first() -> None:
    beginnings = {"s0_RSPAMD_ALL": WeightBody(score=1), "s0_RSPAMD_BAYALL": WeightBody(score=2)}

    assert weighed(TEST, **beginnings).score == 2.0
    assert weighed(TEST, **beginnings, s0_RSPAMD_BAYES=WeightBody(score=0)).score == 0.0


def test_a_factor_multiplies_within_what_a_test_may_have() -> None:
    assert weighed(TEST, s0_RSPAMD_BAYES=WeightBody(factor=0.5)).score == 2.0
    heavy = Test(name="RSPAMD_BAYES", score=900.0)
    assert weighed(heavy, s0_RSPAMD_BAYES=WeightBody(factor=10)).score == 1000.0


def test_a_list_entry_is_not_about_points() -> None:
    listed = Test(name="LIST_WHITE", effect=Effect.ALLOW)

    assert weighed(listed, s0_LIST_WHITE=WeightBody(score=50)) == listed


@pytest.mark.parametrize(
    "body", [{}, {"score": 1, "factor": 1}, {"factor": -1}, {"score": 1e9}, {"points": 3}]
)
def test_a_weight_is_points_or_a_factor(body: dict[str, float]) -> None:
    with pytest.raises(DocumentRefused):
        new_document("weight", "cluster/RULE_X", body)


@pytest.mark.parametrize(
    "key", ["cluster/rule_x", "cluster/R*", "cluster/", "RULE_X", "x/y/RULE_X"]
)
def test_a_key_names_a_scope_and_tests(key: str) -> None:
    with pytest.raises(DocumentRefused):
        new_document("weight", key, {"score": 1})


def test_a_recipient_with_a_slash_is_a_scope_still() -> None:
    document = new_document("weight", "recipient/a/b@acme.example/RULE_X", {"score": 1})

    scope, test = split_weight_key(document.key)

    assert (str(scope), test) == ("recipient/a/b@acme.example", "RULE_X")


def test_what_is_said_of_somebody_is_listed_from_the_widest_scope_on() -> None:
    bodies = [WeightBody(score=float(number)) for number in range(4)]
    keys = [
        weight_key(scope, test)
        for scope, test in zip(ACME, ("RSPAMD_*", "RULE_X", "RULE_Y"), strict=True)
    ]
    other = weight_key(Scope.parse("domain/other.example"), "RULE_X")

    found = AllWeights(zip([*keys, other], bodies, strict=True)).of(ACME)

    assert list(found.entries()) == [
        ("cluster", "RSPAMD_*", bodies[0]),
        ("domain/acme.example", "RULE_X", bodies[1]),
        ("recipient/x@acme.example", "RULE_Y", bodies[2]),
    ]
