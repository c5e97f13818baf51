"""Does an order change only when another one is worth it?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from inventory.load import load_inventory
from inventory.model import Inventory, SiteState
from inventory.mx.keeping import Keeping, chosen_moves, kept_order
from inventory.mx.measurements import Measured, Measurements
from inventory.mx.plan import MxPlan, make_plan

EXAMPLE = Path(__file__).parents[3] / "inventory" / "example.yaml"

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)

costs = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-1000, 1000), min_size=1)
orders = st.lists(st.sampled_from("abcdefghxy"), unique=True, max_size=4)


def ranked(found: dict[str, int]) -> list[tuple[int, str]]:
    return sorted((cost, name) for name, cost in found.items())


def test_noise_changes_nothing_and_a_gain_does() -> None:
    sites = ranked({"a": 100, "b": 90, "c": 300})

    assert kept_order(sites, "abc", count=3, room_m=lambda _: 10) == (("a", "b", "c"), 0)
    assert kept_order(sites, "abc", count=3, room_m=lambda _: 9) == (("b", "a", "c"), 10)


def test_who_is_gone_makes_room_and_no_other_moves() -> None:
    sites = ranked({"a": 100, "c": 50, "d": 10})

    assert kept_order(sites, "abc", count=3) == (("a", "c", "d"), 0)


def test_a_pinned_site_comes_first_at_once() -> None:
    sites = ranked({"a": 1, "b": 2, "c": 3})

    assert kept_order(sites, "abc", count=3, pinned="c") == (("c", "a", "b"), 0)


@given(costs, orders, st.integers(0, 300), st.integers(1, 3))
def test_what_was_kept_is_kept_again(
    found: dict[str, int], before: list[str], room_m: int, count: int
) -> None:
    sites = ranked(found)
    once = kept_order(sites, before, count=count, room_m=lambda _: room_m)
    again = kept_order(sites, once.order, count=count, room_m=lambda _: room_m)

    assert again == (once.order, 0)
    assert len(once.order) == min(count, len(found))
    assert set(once.order) <= set(found)


@given(costs, orders, st.integers(1, 3))
def test_without_room_the_best_order_is_taken(
    found: dict[str, int], before: list[str], count: int
) -> None:
    sites = ranked(found)
    order, _ = kept_order(sites, before, count=count, room_m=lambda _: 0)

    assert [found[name] for name in order] == [cost for cost, _ in sites[:count]]


def test_those_that_gain_most_go_first() -> None:
    assert chosen_moves({"a": 1, "b": 3, "c": 3}.items(), moves_max=2) == {"b", "c"}
    assert chosen_moves({"a": 1, "b": 3}.items(), moves_max=None) == {"a", "b"}


def measured(**rtts_us: int) -> Measurements:
    """Return what all sites measured to acme.example and globex.example."""
    row = {site: Measured(rtt_us, 100, 0) for site, rtt_us in rtts_us.items()}
    return Measurements(NOW, "0" * 64, {"acme.example": row, "globex.example": row})


def orders_of(plan: MxPlan) -> dict[str, tuple[str, ...]]:
    return {entry.domain: entry.order for entry in plan.domains}


def example() -> Inventory:
    return load_inventory(EXAMPLE)


def test_a_plan_is_kept_until_a_way_is_a_fifth_shorter() -> None:
    inventory = example()
    first = make_plan(inventory, measurements=measured(london=10_000, frankfurt=12_000))
    noise = measured(london=11_000, frankfurt=10_500)
    kept = make_plan(inventory, measurements=noise, earlier=first, keeping=Keeping(now=NOW))
    better = measured(london=20_000, frankfurt=10_000)
    changed = make_plan(inventory, measurements=better, earlier=first, keeping=Keeping(now=NOW))

    assert orders_of(kept) == orders_of(first)
    assert orders_of(changed)["acme.example"][0] == "frankfurt"
    assert {entry.since for entry in changed.domains if entry.domain == "acme.example"} == {NOW}


def test_an_order_stands_a_while_before_it_changes_again() -> None:
    inventory, keeping = example(), Keeping(now=NOW, dwell_h=24)
    first = make_plan(inventory, measurements=measured(london=10_000, frankfurt=90_000))
    other = measured(london=90_000, frankfurt=10_000)
    second = make_plan(inventory, measurements=other, earlier=first, keeping=keeping)
    back = measured(london=10_000, frankfurt=90_000)
    soon = Keeping(now=NOW + timedelta(hours=23), dwell_h=24)
    later = Keeping(now=NOW + timedelta(hours=24), dwell_h=24)

    assert orders_of(second)["acme.example"] != orders_of(first)["acme.example"]
    assert orders_of(
        make_plan(inventory, measurements=back, earlier=second, keeping=soon)
    ) == orders_of(second)
    assert orders_of(
        make_plan(inventory, measurements=back, earlier=second, keeping=later)
    ) == orders_of(first)


def test_no_more_domains_change_than_a_run_may_and_the_others_are_named() -> None:
    inventory, keeping = example(), Keeping(now=NOW, moves_max=1)
    first = make_plan(inventory, measurements=measured(london=10_000, frankfurt=90_000))
    other = measured(london=90_000, frankfurt=10_000)
    second = make_plan(inventory, measurements=other, earlier=first, keeping=keeping)

    moved = [name for name, order in orders_of(second).items() if order != orders_of(first)[name]]
    assert len(moved) == 1
    assert {*moved, *second.waiting} == {"acme.example", "globex.example"}
    later = Keeping(now=NOW, moves_max=1)
    third = make_plan(inventory, measurements=other, earlier=second, keeping=later)
    assert third.waiting == ()


def test_a_site_that_drains_leaves_at_once_whatever_may_move() -> None:
    inventory = example()
    first = make_plan(inventory)
    sites = tuple(
        site.model_copy(update={"state": SiteState.DRAIN}) if site.name == "london" else site
        for site in inventory.sites
    )
    drained = inventory.model_copy(update={"sites": sites})
    kept = make_plan(drained, earlier=first, keeping=Keeping(now=NOW, moves_max=0))

    assert kept.waiting == ()
    assert orders_of(kept) == {
        name: tuple(site for site in order if site != "london")
        for name, order in orders_of(first).items()
    }


def test_keeping_a_plan_of_the_same_inputs_changes_nothing_but_times() -> None:
    inventory = example()
    first = make_plan(inventory, earlier=MxPlan(domains=()), keeping=Keeping(now=NOW))
    later = Keeping(now=NOW + timedelta(days=9))
    again = make_plan(inventory, earlier=first, keeping=later)

    assert again.domains == first.domains
    assert again.inputs["against"] == first.digest
