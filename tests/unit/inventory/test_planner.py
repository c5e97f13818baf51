"""Does a domain get the same sites whatever else there is?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.model import Location, Node, Site, SiteState
from inventory.mx.planner import (
    SPREAD_LIMIT_M,
    Plan,
    _minus_log2,
    distance_m,
    plan_domain,
)

LONDON = Location(51.5072, -0.1276)
PARIS = Location(48.8566, 2.3522)
MADRID = Location(40.4168, -3.7038)
OSLO = Location(59.9139, 10.7522)
SYDNEY = Location(-33.8688, 151.2093)
NODES = (Node(name="n", public=("192.0.2.1",), vpn_address=("10.0.0.1",)),)


def site(
    name: str, place: Location, *, capacity: int = 100, state: SiteState = SiteState.ACTIVE
) -> Site:
    return Site(name=name, location=place, capacity=capacity, state=state, nodes=NODES)


FOUR = [site("london", LONDON), site("paris", PARIS), site("madrid", MADRID), site("oslo", OSLO)]

locations = st.builds(
    Location,
    st.floats(-90, 90, allow_nan=False),
    st.floats(-180, 180, allow_nan=False),
)
sites_lists = st.lists(
    st.builds(
        site,
        st.text("abcdefgh", min_size=1, max_size=4),
        locations,
        capacity=st.integers(1, 10_000),
        state=st.sampled_from(SiteState),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.name,
)
domains = st.text("abcdef.", min_size=1, max_size=12)


def order(plan: Plan) -> list[str]:
    return [choice.site for choice in plan.choices]


@pytest.mark.parametrize(
    ("here", "there", "km"),
    [
        (LONDON, PARIS, 344),
        (LONDON, SYDNEY, 16_994),
        (LONDON, LONDON, 0),
        (Location(0, 0), Location(0, 180), 20_015),
        (Location(90, 0), Location(-90, 0), 20_015),
        (Location(0, 179.5), Location(0, -179.5), 111),
    ],
)
def test_distances_are_those_of_the_globe(here: Location, there: Location, km: int) -> None:
    assert distance_m(here, there) == pytest.approx(km * 1000, abs=1000)
    assert distance_m(here, there) == distance_m(there, here)


@settings(deadline=None)  # the machine may be busy
@given(st.integers(1, 2**64))
def test_the_logarithm_in_whole_numbers_is_the_logarithm(number: int) -> None:
    assert _minus_log2(number) / 65_536 == pytest.approx(64 - math.log2(number), abs=1 / 16_384)


def test_the_nearest_site_comes_first_and_the_numbers_have_gaps() -> None:
    plan = plan_domain("acme.example", PARIS, FOUR)

    assert order(plan) == ["paris", "london", "madrid"]
    assert [choice.preference for choice in plan.choices] == [10, 20, 30]


def test_the_reason_holds_the_numbers() -> None:
    plan = plan_domain(
        "acme.example", PARIS, [*FOUR[:2], site("oslo", OSLO, state=SiteState.DRAIN)]
    )

    first, second, third = plan.reason.split("; ")
    assert first.startswith("paris: 0.000 km away + ")
    assert second.startswith("london: 343.5")
    assert "for capacity 100 = " in second
    assert third == "oslo: drain"


def test_a_domain_without_a_location_says_so() -> None:
    assert plan_domain("acme.example", None, FOUR).reason.startswith("no location; ")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_there_are_as_many_as_sites_and_at_most_three(count: int) -> None:
    assert len(order(plan_domain("acme.example", OSLO, FOUR[:count]))) == min(3, count)


@pytest.mark.parametrize("state", [SiteState.DRAIN, SiteState.OFF])
def test_only_active_sites_get_mail(state: SiteState) -> None:
    sites = [site("paris", PARIS, state=state), *FOUR[:1], *FOUR[2:]]

    assert "paris" not in order(plan_domain("acme.example", PARIS, sites))


@settings(deadline=None)
@given(domains, st.none() | locations, sites_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_sites_in_the_file_decides_nothing(
    domain: str, location: Location | None, sites: list[Site], random: object
) -> None:
    shuffled = list(sites)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert plan_domain(domain, location, shuffled) == plan_domain(domain, location, sites)


@settings(deadline=None)
@given(domains, locations, sites_lists)
def test_no_domain_goes_much_farther_than_it_must(
    domain: str, location: Location, sites: Sequence[Site]
) -> None:
    chosen = order(plan_domain(domain, location, sites))
    away = {one.name: distance_m(location, one.location) for one in sites}

    for better, worse in pairwise(chosen):
        assert away[better] <= away[worse] + SPREAD_LIMIT_M


def test_three_thousand_domains_are_planned_the_same_twice() -> None:
    names = [f"customer-{number}.example" for number in range(3000)]
    first = [plan_domain(name, None, FOUR) for name in names]
    again = [plan_domain(name, None, list(reversed(FOUR))) for name in reversed(names)]

    assert list(reversed(again)) == first


def test_equal_sites_share_domains_evenly() -> None:
    counts = Counter(order(plan_domain(f"d{n}.example", None, FOUR))[0] for n in range(3000))

    # Four standard deviations of a fair draw: 4 * sqrt(3000 * 0.25 * 0.75) = 95.
    assert all(abs(count - 750) < 95 for count in counts.values()), counts


def test_domains_divide_in_proportion_to_capacity() -> None:
    sites = [site("a", LONDON, capacity=300), site("b", PARIS), site("c", OSLO)]
    counts = Counter(order(plan_domain(f"d{n}.example", None, sites))[0] for n in range(3000))

    assert abs(counts["a"] - 1800) < 4 * math.sqrt(3000 * 0.6 * 0.4), counts
    assert abs(counts["b"] - 600) < 4 * math.sqrt(3000 * 0.2 * 0.8), counts


def test_a_larger_site_takes_more_of_what_is_about_as_near() -> None:
    nearby = Location(51.6, -0.2)
    sites = [site("large", LONDON, capacity=400), site("little", nearby), site("far", SYDNEY)]
    counts = Counter(order(plan_domain(f"d{n}.example", LONDON, sites))[0] for n in range(1000))

    assert counts["large"] > 2 * counts["little"] > 0
    assert counts["far"] == 0


def test_a_site_that_is_added_moves_only_what_it_takes() -> None:
    names = [f"d{number}.example" for number in range(2000)]
    before = {name: order(plan_domain(name, None, FOUR[:3]))[0] for name in names}
    after = {name: order(plan_domain(name, None, FOUR))[0] for name in names}
    moved = {name for name in names if before[name] != after[name]}

    assert {after[name] for name in moved} == {"oslo"}
    assert abs(len(moved) - 500) < 4 * math.sqrt(2000 * 0.25 * 0.75)
