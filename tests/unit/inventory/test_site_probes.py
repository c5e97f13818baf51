"""The nodes of a site speak for it together; what is old, or of no site, is told apart."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import PeerError
from inventory.mx.measurements import Measured
from inventory.mx.site_probes import (
    FRESH_S,
    Probe,
    SiteProbe,
    fresh_by_target,
    parse_probes,
    probes_by_site,
)

A, B = "a.example:25", "b.example:25"


def told(**more: Any) -> dict[str, Any]:
    """Return what the core tells of one node and target."""
    usual: dict[str, Any] = {
        "node": "lon1",
        "site": "london",
        "target": A,
        "rtt_us": 12_000,
        "tries": 100,
        "failures": 1,
        "measured": "2026-11-30T06:00:00.000000Z",
        "age_s": 30,
    }
    return usual | more


def probes(*words: dict[str, Any]) -> list[Probe]:
    return parse_probes([told(**one) for one in words])


@pytest.mark.parametrize(
    "odd",
    [
        {"rtt_us": 999},  # below the floor
        {"rtt_us": "12"},
        {"tries": 0},
        {"tries": 1_441},
        {"failures": -1},
        {"target": ""},
        {"site": "no site!"},
        {"age_s": None},
    ],
)
def test_what_no_core_of_ours_tells_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(PeerError, match="what the core tells of probes is odd"):
        probes(odd)


def test_the_nodes_of_a_site_are_taken_together() -> None:
    found = probes_by_site(
        probes({}, {"node": "lon2", "rtt_us": 14_000, "tries": 50, "failures": 9, "age_s": 10})
    )

    assert found == [SiteProbe("london", A, Measured(14_000, 150, 10), 10, ("lon1", "lon2"))]


def test_one_node_of_several_makes_its_site_no_nearer() -> None:
    honest = [{"node": f"lon{number}", "rtt_us": 20_000} for number in (2, 3)]
    for count in (1, 2):
        (one,) = probes_by_site(probes({"node": "lon1", "rtt_us": 1_000}, *honest[:count]))
        assert one.measured.rtt_us == 20_000


def test_a_node_that_reaches_nobody_says_nothing_of_the_way() -> None:
    dead = {"node": "lon2", "rtt_us": None, "tries": 10, "failures": 10}

    (one,) = probes_by_site(probes({}, dead))

    assert one.measured == Measured(12_000, 110, 11)


def test_what_is_old_counts_only_while_nobody_knows_better() -> None:
    old = {"node": "lon2", "rtt_us": 1_000, "age_s": FRESH_S + 1}
    found = probes_by_site(probes({}, old, old | {"target": B}))

    assert [(one.target, one.measured.tries, one.is_fresh) for one in found] == [
        (A, 100, True),
        (B, 100, False),
    ]
    assert fresh_by_target(found) == {A: {"london": Measured(12_000, 100, 1)}}


def test_what_is_of_the_future_is_of_a_clock_that_was_set_back() -> None:
    assert fresh_by_target(probes_by_site(probes({"age_s": -3_600}))) == {}
    assert fresh_by_target(probes_by_site(probes({"age_s": -5})))


def test_a_node_of_no_site_has_no_word() -> None:
    assert probes_by_site(probes({"site": None})) == []
