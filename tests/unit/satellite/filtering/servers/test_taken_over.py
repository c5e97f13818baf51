"""Do the symbols of another program become tests that cannot do harm?"""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from common.verdict import Outcome, Verdict
from satellite.filtering.filter import check_verdicts
from satellite.filtering.servers.taken_over import (
    SYMBOLS_MAX,
    Symbol,
    TakenOverWeights,
    as_tests,
    clamped,
)

WEIGHTS = TakenOverWeights()


def made(*symbols: Symbol, total: float, weights: TakenOverWeights = WEIGHTS) -> dict[str, float]:
    tests = as_tests("rspamd", symbols, total=total, weights=weights)
    check_verdicts((Verdict(by="rspamd", outcome=Outcome.SCORED, tests=tests),))
    assert len({test.name for test in tests}) == len(tests)
    return {test.name: test.score for test in tests}


def symbol(name: str, score: float) -> Symbol:
    return Symbol(name=name, score=score)


def test_each_symbol_with_points_is_a_test() -> None:
    found = made(symbol("BAD", 4.5), symbol("GOOD", -1), symbol("NOTED", 0), total=3.5)

    assert found == {"RSPAMD_BAD": 4.5, "RSPAMD_GOOD": -1.0}


def test_what_no_symbol_explains_is_a_test_of_its_own() -> None:
    assert made(symbol("BAD", 2), total=5) == {"RSPAMD_BAD": 2.0, "RSPAMD_OTHER": 3.0}


def test_a_factor_weighs_all() -> None:
    weights = TakenOverWeights(factor=0.5)

    assert made(symbol("BAD", 2), total=5, weights=weights) == {
        "RSPAMD_BAD": 1.0,
        "RSPAMD_OTHER": 1.5,
    }
    assert made(symbol("BAD", 2), total=2, weights=TakenOverWeights(factor=0)) == {}


@pytest.mark.parametrize(("total", "counts"), [(50.0, 15.0), (-50.0, -5.0), (3.0, 3.0)])
def test_the_sum_is_capped_by_the_document(total: float, counts: float) -> None:
    assert sum(made(symbol("IT", total), total=total).values()) == pytest.approx(counts)


def test_a_symbol_may_be_ignored() -> None:
    weights = TakenOverWeights(ignored="bad, OTHER_ONE")

    assert made(symbol("BAD", 2), symbol("ILL", 1), total=3, weights=weights) == {"RSPAMD_ILL": 1.0}


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (math.nan, 0.0),
        (math.inf, 100.0),
        (-math.inf, -100.0),
        (1e308, 100.0),
        (10**400, 100.0),
        (-(10**400), -100.0),
        (True, 0.0),
        ("7", 0.0),
        (None, 0.0),
        ([], 0.0),
        (2, 2.0),
    ],
)
def test_a_score_is_finite_and_bounded(value: object, becomes: float) -> None:
    assert clamped(value) == becomes


@pytest.mark.parametrize("total", [math.nan, math.inf, -math.inf, 1e308])
def test_no_total_goes_beyond_the_bounds(total: float) -> None:
    points = sum(made(symbol("IT", total), total=total).values())

    assert -5.0 <= points <= 15.0


def test_a_name_of_a_stranger_is_made_ours() -> None:
    found = made(
        symbol("x\r\nX-Evil: 1", 1),
        symbol("ü" * 500, 2),
        symbol("", 3),
        symbol("a:b,c", 4),
        total=10,
    )

    assert "RSPAMD_X__X_EVIL__1" in found
    assert sum(found.values()) == pytest.approx(10)


def test_symbols_of_one_name_in_ours_are_one_test() -> None:
    assert made(symbol("a-b", 1), symbol("A_B", 2), total=3) == {"RSPAMD_A_B": 3.0}


def test_of_very_many_symbols_the_weightiest_are_told() -> None:
    found = made(*(symbol(f"S{n}", n / 1000) for n in range(5000)), total=9.0)

    assert len(found) <= SYMBOLS_MAX + 2
    assert "RSPAMD_S4999" in found
    assert sum(found.values()) == pytest.approx(9.0)


def test_evidence_is_printable_and_short() -> None:
    (test,) = as_tests(
        "sa", [Symbol(name="A", score=1, detail="a\r\nb\x00ü" * 500)], total=1, weights=WEIGHTS
    )

    assert test.detail.isprintable()
    assert test.detail.isascii()
    assert len(test.detail) <= 120


@pytest.mark.parametrize("options", [{"factor": math.nan}, {"factor": -1}, {"points_max": 1e9}])
def test_weights_that_could_do_harm_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        TakenOverWeights.model_validate(options)
