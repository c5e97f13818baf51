"""Which goals are there, and which are reached?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.bench.figures import Figures, Key
from tests.bench.goals import GOALS, Others, Verdict, verdicts

PEER = Figures(
    runs=3,
    rate=100,
    rate_min=90,
    rate_max=110,
    accept_rate=100,
    accept_p50_ms=10,
    accept_p99_ms=100,
    end_p50_ms=20,
    end_p99_ms=200,
    cpu_s_per_1000=4,
    core_cpu_s_per_1000=0,
    pss_mib_max=100,
    core_pss_mib_max=0,
    missing_max=0,
    errors_max=0,
    duplicates_max=0,
    foreign_cpus_max=0,
    backlog=None,
    backlog_s=None,
)


def figures(**ours: Any) -> dict[Key, Figures]:
    """Return the figures of a peer and of ours, which differs as said, under every load."""
    found = {}
    for load in ("i", "ii", "iii", "i200", "calm"):
        found[("clamilter-unix", load)] = PEER
        found[("postfix", load)] = replace(PEER, rate=220)
        found[("scout", load)] = replace(PEER, **ours)
    return found


def about(words: str, found: dict[Key, Figures], others: Others | None = None) -> list[Verdict]:
    """Return the verdicts whose goal speaks of something."""
    given = verdicts(found, others or Others(), ours="scout")
    chosen = [verdict for verdict in given if words in verdict.goal.what]
    assert chosen
    return chosen


@pytest.mark.parametrize(("rate", "reached"), [(200, 4), (199, 1), (150, 1), (149, 0)])
def test_the_rate_is_held_against_the_peer_that_scans(rate: float, reached: int) -> None:
    found = about("to Postfix + clamav-milter", figures(rate=rate))

    rates = [verdict for verdict in found if verdict.goal.what.startswith("rate")]
    assert sum(verdict.is_reached is True for verdict in rates) == reached


def test_the_rate_is_held_against_postfix_that_scans_nothing_too() -> None:
    (verdict,) = about("scans nothing", figures(rate=198))

    assert verdict.is_reached
    assert verdict.value == pytest.approx(0.9)


@pytest.mark.parametrize(("cpu", "reached"), [(2.0, [True, True]), (2.8, [False, True])])
def test_processor_time_must_be_at_most_half_and_seven_tenths(
    cpu: float, reached: list[bool]
) -> None:
    found = about("processor time", figures(cpu_s_per_1000=cpu))

    assert [verdict.is_reached for verdict in found] == reached


def test_the_limit_itself_reaches_a_goal() -> None:
    assert all(v.is_reached for v in about("on `calm`", figures()))
    assert all(v.is_reached for v in about("memory of a node", figures(pss_mib_max=200)))
    assert not any(v.is_reached for v in about("memory of a node", figures(pss_mib_max=200.1)))


def test_a_goal_without_a_measurement_is_neither_reached_nor_missed() -> None:
    given = verdicts({}, Others(), ours="scout")

    assert len(given) == len(GOALS)
    assert {verdict.is_reached for verdict in given} == {None}


def test_what_is_measured_beside_the_loads_is_held_against_their_goals() -> None:
    good = Others(
        drain_ratio=0.8,
        ready_s=3.0,
        goodput_ratio=0.9,
        recovery_ratio=0.9,
        growth=1.0,
        unaccounted=0,
    )
    bad = Others(
        drain_ratio=0.79,
        ready_s=3.1,
        goodput_ratio=0.89,
        recovery_ratio=0.89,
        growth=1.2,
        unaccounted=1,
    )

    for words in (
        "drain",
        "goodput",
        "peak after",
        "after its start",
        "last tenth",
        "end is not known",
    ):
        assert [v.is_reached for v in about(words, {}, good)] == [True], words
        assert [v.is_reached for v in about(words, {}, bad)] == [False], words
