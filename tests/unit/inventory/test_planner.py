"""Does a domain get the same sites whatever else there is?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.model import Location, MailDomain, Node, Site, SiteState
from inventory.mx.distances import distances_m, point_of
from inventory.mx.draws import CELLS, SPREAD_M, draw_range_m, draws_m, worth_m
from inventory.mx.measurements import Measured, Measurements
from inventory.mx.planner import FAILED_M, RTT_M_PER_US, Planner

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
domains = st.text("abcdef", min_size=1, max_size=12).map(lambda text: f"{text}.example")


def domain(name: str, location: Location | None = None, **wishes: Any) -> MailDomain:
    plain = MailDomain(name="x.example", deliver_to=("mail.x.example:25",), location=location)
    return replace(plain, name=name, **wishes)


def order(planner: Planner, one: MailDomain, *, best: int = 3) -> list[str]:
    return [name for _, name in planner.ranked(one, best=best)[:best]]


def reason(planner: Planner, one: MailDomain, *names: str) -> str:
    costs = {name: cost for cost, name in planner.ranked(one, best=len(planner.sites))}
    return planner.reason(one, [(costs[name], name) for name in names])


def order_of(name: str, location: Location | None, sites: Sequence[Site]) -> list[str]:
    return order(Planner(sites), domain(name, location))


def distance_m(here: Location, there: Location) -> int:
    return distances_m(point_of(here), [point_of(there)])[0]


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


def test_the_draws_are_logarithms_and_no_machine_rounds_them_otherwise() -> None:
    exact = [SPREAD_M * math.log(-math.log((cell + 0.5) / CELLS)) for cell in range(CELLS)]

    assert list(draws_m()) == [round(one) for one in exact]
    assert list(draws_m()) == sorted(draws_m(), reverse=True)
    # A logarithm is wrong by 10^-10 m at most; none is that near to the half of a metre.
    assert min(abs(one - math.floor(one) - 0.5) for one in exact) > 1e-6


@settings(deadline=None)
@given(st.integers(1, 1_000_000))
def test_no_machine_rounds_what_a_capacity_is_worth_otherwise(capacity: int) -> None:
    exact = SPREAD_M * math.log(capacity / 100)

    assert worth_m(capacity) == round(exact)
    assert abs(exact - math.floor(exact) - 0.5) > 1e-8


def test_the_nearest_site_comes_first() -> None:
    assert order_of("acme.example", PARIS, FOUR) == ["paris", "london", "madrid"]


def test_the_reason_holds_the_numbers() -> None:
    planner = Planner([*FOUR[:2], site("oslo", OSLO, state=SiteState.DRAIN)])
    found = reason(planner, domain("acme.example", PARIS), "paris", "london")
    first, second, third = found.split("; ")

    assert first.startswith("paris: 0.000 km away ")
    assert second.startswith("london: 343.5")
    assert " drawn at capacity 100 = " in second
    assert third == "oslo: drain"


def test_a_reason_names_the_best_that_was_not_chosen_and_counts_the_others() -> None:
    found = reason(Planner(FOUR), domain("acme.example"), "paris", "london", "madrid")

    assert found.startswith("no location; paris: ")
    assert found.endswith("; 1 more")


def test_the_numbers_of_a_reason_are_those_of_the_order() -> None:
    planner = Planner(FOUR)
    one = domain("acme.example", OSLO)

    for cost_m, name in planner.ranked(one):
        text = planner.reason(one, [(cost_m, name)]).split("; ")[0]
        assert text.endswith(f" = {cost_m / 1000:.3f} km")
        # The quick way to a text and the whole one say the same.
        candidate = planner.ground(one).candidate(one, None, name, cost_m)
        assert text == str(candidate)
        assert candidate.cost_m == cost_m


@pytest.mark.parametrize("state", [SiteState.DRAIN, SiteState.OFF])
def test_only_active_sites_get_mail(state: SiteState) -> None:
    sites = [site("paris", PARIS, state=state), *FOUR[:1], *FOUR[2:]]

    assert "paris" not in order_of("acme.example", PARIS, sites)


@settings(deadline=None)
@given(domains, st.none() | locations, sites_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_sites_in_the_file_decides_nothing(
    name: str, location: Location | None, sites: list[Site], random: object
) -> None:
    shuffled = list(sites)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = domain(name, location)

    assert Planner(shuffled).ranked(one) == Planner(sites).ranked(one)


@settings(deadline=None)
@given(domains, st.none() | locations, sites_lists)
def test_what_is_left_out_of_a_ranking_is_none_of_the_best(
    name: str, location: Location | None, sites: list[Site]
) -> None:
    planner = Planner(sites)
    one = domain(name, location)

    assert planner.ranked(one, best=2)[:2] == planner.ranked(one, best=len(sites))[:2]


@settings(deadline=None)
@given(domains, st.none() | locations, sites_lists, st.data())
def test_a_site_that_drains_or_is_gone_leaves_all_others_in_their_order(
    name: str, location: Location | None, sites: list[Site], data: st.DataObject
) -> None:
    one, count = domain(name, location), len(sites)
    before = order(Planner(sites), one, best=count)
    away = data.draw(st.sampled_from(sites))
    drained = [
        each.model_copy(update={"state": SiteState.DRAIN}) if each is away else each
        for each in sites
    ]
    gone = [each for each in sites if each is not away]
    left = [each for each in before if each != away.name]

    assert order(Planner(drained), one, best=count) == left
    assert order(Planner(gone), one, best=count) == left


@settings(deadline=None)
@given(domains, locations, sites_lists)
def test_no_domain_goes_much_farther_than_it_must(
    name: str, location: Location, sites: Sequence[Site]
) -> None:
    chosen = order_of(name, location, sites)
    known = {one.name: one for one in sites}

    for better, worse in pairwise(known[each] for each in chosen):
        allowance_m = draw_range_m() + worth_m(better.capacity) - worth_m(worse.capacity)
        assert distance_m(location, better.location) <= allowance_m + distance_m(
            location, worse.location
        )


def test_equal_sites_share_domains_evenly() -> None:
    counts = Counter(order_of(f"d{n}.example", None, FOUR)[0] for n in range(3000))

    # Four standard deviations of a fair draw: 4 * sqrt(3000 * 0.25 * 0.75) = 95.
    assert all(abs(count - 750) < 95 for count in counts.values()), counts


@pytest.mark.parametrize("scale", [1, 30])
def test_domains_divide_in_proportion_to_capacity(scale: int) -> None:
    sites = [
        site("a", LONDON, capacity=300 * scale),
        site("b", PARIS, capacity=100 * scale),
        site("c", OSLO, capacity=100 * scale),
    ]
    planner = Planner(sites)
    counts = Counter(order(planner, domain(f"d{n}.example"))[0] for n in range(3000))

    assert abs(counts["a"] - 1800) < 4 * math.sqrt(3000 * 0.6 * 0.4), counts
    assert abs(counts["b"] - 600) < 4 * math.sqrt(3000 * 0.2 * 0.8), counts


def test_what_a_site_carried_goes_to_the_others_in_proportion_to_their_capacity() -> None:
    sites = [site("a", LONDON, capacity=200), site("b", LONDON), site("c", LONDON, capacity=300)]
    planner = Planner(sites)
    orders = [order(planner, domain(f"d{n}.example", OSLO)) for n in range(6000)]
    moved = Counter(second for first, second, _ in orders if first == "a")

    # Of what a had, b takes 1/4 and c 3/4.
    count = moved.total()
    assert abs(moved["b"] - count / 4) < 4 * math.sqrt(count * 0.25 * 0.75), moved


def test_a_larger_site_takes_more_of_what_is_about_as_near() -> None:
    nearby = Location(51.6, -0.2)
    sites = [site("large", LONDON, capacity=400), site("little", nearby), site("far", SYDNEY)]
    counts = Counter(order_of(f"d{n}.example", LONDON, sites)[0] for n in range(1000))

    assert counts["large"] > 2 * counts["little"] > 0
    assert counts["far"] == 0


def test_a_site_that_is_added_moves_only_what_it_takes() -> None:
    names = [f"d{number}.example" for number in range(2000)]
    before = {name: order_of(name, None, FOUR[:3])[0] for name in names}
    after = {name: order_of(name, None, FOUR)[0] for name in names}
    moved = {name for name in names if before[name] != after[name]}

    assert {after[name] for name in moved} == {"oslo"}
    assert abs(len(moved) - 500) < 4 * math.sqrt(2000 * 0.25 * 0.75)


def measured(**found: Measured) -> Measurements:
    return Measurements(datetime(2026, 11, 30, tzinfo=UTC), "0" * 64, {"acme.example": found})


def test_a_round_trip_takes_the_place_of_the_distance() -> None:
    rows = measured(madrid=Measured(1_000, 100, 0), paris=Measured(40_000, 100, 0))
    planner = Planner(FOUR, rows)
    one = domain("acme.example", PARIS)

    assert order(planner, one)[0] == "madrid"
    assert planner.way_m(one, "madrid") == 1_000 * RTT_M_PER_US
    assert planner.way_m(one, "london") == distance_m(PARIS, LONDON)
    assert "madrid: 1.000 ms, 67.000 km " in reason(planner, one, "madrid")


def test_a_site_that_reaches_nobody_is_behind_the_farthest() -> None:
    planner = Planner([*FOUR, site("sydney", SYDNEY)], measured(paris=Measured(None, 50, 50)))
    one = domain("acme.example", PARIS)

    assert order(planner, one, best=5)[-1] == "paris"
    assert "30000.000 km for 50 of 50 tries failed" in reason(planner, one, "paris")


def test_one_failure_among_few_tries_is_no_verdict() -> None:
    planner = Planner(FOUR, measured(paris=Measured(1_000, 1, 1)))

    assert planner.way_m(domain("acme.example", PARIS), "paris") == 67_000 + FAILED_M // 20


def test_without_a_location_a_site_that_measured_goes_before_those_that_did_not() -> None:
    rows = measured(oslo=Measured(90_000, 9, 0))

    assert order(Planner(FOUR, rows), domain("acme.example"))[0] == "oslo"
    assert Planner(FOUR, rows).ranked(domain("b.example")) == Planner(FOUR).ranked(
        domain("b.example")
    )


def test_only_sites_in_the_regions_are_asked() -> None:
    sites = [
        one.model_copy(update={"region": "eu" if one.name in ("paris", "madrid") else "other"})
        for one in FOUR
    ]
    planner = Planner(sites)
    one = domain("acme.example", LONDON, regions=("eu",))

    assert order(planner, one) == ["paris", "madrid"]
    assert reason(planner, one, "paris").startswith("only eu; paris: ")


def test_a_pinned_site_comes_first_and_the_others_keep_their_order() -> None:
    planner = Planner(FOUR)
    one = domain("acme.example", PARIS, pinned="oslo")
    others = order(planner, domain("acme.example", PARIS), best=4)

    assert order(planner, one, best=4) == ["oslo", *(name for name in others if name != "oslo")]
    assert reason(planner, one, "oslo").startswith("pinned: oslo; oslo: ")


def test_a_pinned_site_is_never_too_far_away_to_be_asked() -> None:
    planner = Planner([*FOUR, site("sydney", SYDNEY)])

    assert order(planner, domain("acme.example", PARIS, pinned="sydney"), best=1) == ["sydney"]


def test_a_pinned_site_that_drains_leaves_it_to_the_next() -> None:
    sites = [*FOUR[:3], site("oslo", OSLO, state=SiteState.DRAIN)]

    assert order(Planner(sites), domain("acme.example", PARIS, pinned="oslo"))[0] == "paris"
