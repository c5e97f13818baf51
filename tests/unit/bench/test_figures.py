"""What do several runs of one load on one gateway say together?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.figures import figures_of, ratio


def record(*, peer: str = "scout", load: str = "i", rate: float = 100.0, **more: Any) -> Any:
    """Return the record of one run; what a test does not care about is harmless."""
    return {
        "peer": peer,
        "load": load,
        "rate": rate,
        "accept_rate": rate,
        "accept_ms": {"p50": 10.0, "p99": 20.0},
        "e2e_ms": {"p50": 30.0, "p99": 40.0},
        "accepted": 1000,
        "rejected_5xx": 0,
        "tempfail_4xx": 0,
        "errors": 0,
        "missing": 0,
        "duplicates": 0,
        "foreign_cpus": 0.0,
        "cpu_s": {"clamd": 0.5, "node": 1.0},
        "apart_cpu_s": {"core": 0.25},
        "pss_mib": {"clamd": 14.0, "node": 150.0, "core": 90.0},
        **more,
    }


def test_the_rate_is_the_median_of_the_runs() -> None:
    found = figures_of([record(rate=90), record(rate=300), record(rate=100)])[("scout", "i")]

    assert (found.runs, found.rate, found.rate_min, found.rate_max) == (3, 100, 90, 300)


def test_gateways_and_loads_are_kept_apart() -> None:
    found = figures_of([record(), record(load="ii"), record(peer="postfix")])

    assert set(found) == {("scout", "i"), ("scout", "ii"), ("postfix", "i")}


def test_processor_time_is_for_a_thousand_messages_and_the_core_is_apart() -> None:
    found = figures_of([record(accepted=1900, rejected_5xx=100)])[("scout", "i")]

    assert found.cpu_s_per_1000 == pytest.approx(0.75)
    assert found.core_cpu_s_per_1000 == pytest.approx(0.125)


def test_memory_is_the_gateways_without_scanner_and_core() -> None:
    found = figures_of([record(), record(pss_mib={"clamd": 1, "node": 160, "core": 95})])

    assert found[("scout", "i")].pss_mib_max == 160
    assert found[("scout", "i")].core_pss_mib_max == 95


def test_the_worst_run_says_what_went_wrong() -> None:
    found = figures_of([record(missing=2, errors=1, tempfail_4xx=3), record(duplicates=4)])

    one = found[("scout", "i")]
    assert (one.missing_max, one.errors_max, one.duplicates_max) == (2, 4, 4)


def test_a_run_without_answers_has_no_quantiles() -> None:
    found = figures_of([record(accept_ms=None)])[("scout", "i")]

    assert found.accept_p50_ms is None
    assert found.end_p50_ms == 30


def test_a_gateway_without_a_core_has_no_backlog() -> None:
    assert figures_of([record()])[("scout", "i")].backlog is None
    assert figures_of([record(backlog=7, backlog_s=1.5)])[("scout", "i")].backlog == 7


@pytest.mark.parametrize(("value", "base"), [(None, 2.0), (2.0, None), (2.0, 0.0)])
def test_there_is_no_ratio_without_both_sides(value: float | None, base: float | None) -> None:
    assert ratio(value, base) is None
    assert ratio(3.0, 2.0) == 1.5
