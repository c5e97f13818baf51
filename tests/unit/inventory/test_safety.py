"""Is a plan refused that would leave a domain without what it needs?"""

from __future__ import annotations

from typing import Any

import pytest

from inventory.model import Customer, Inventory, MailDomain, SiteState
from inventory.mx.plan import Entry, MxPlan, differences, make_plan
from inventory.mx.safety import fitness_of, too_much_change


def with_domain(inventory: Inventory, *, off: tuple[str, ...] = (), **wishes: Any) -> Inventory:
    domain = MailDomain(name="a.example", deliver_to=("mail.example.net:25",), **wishes)
    sites = tuple(
        site.model_copy(update={"state": SiteState.OFF}) if site.name in off else site
        for site in inventory.sites
    )
    customers = (Customer(name="c", domains=(domain,)),)
    return inventory.model_copy(update={"customers": customers, "sites": sites})


def test_a_plan_that_gives_all_what_they_need_is_none_to_speak_of(example: Inventory) -> None:
    found = fitness_of(example, make_plan(example))

    assert (found.errors, found.warnings) == ((), ())


def test_no_domain_is_left_without_mx_whatever_the_reason(example: Inventory) -> None:
    inventory = with_domain(
        example, off=("london",), regions=("uk",), fewer_sites_reason="until spring"
    )

    assert fitness_of(inventory, make_plan(inventory)).errors == (
        "a.example would have no MX: activate a site in uk, or let it have others",
    )


def test_fewer_sites_than_asked_for_are_an_error_until_somebody_says_why(
    example: Inventory,
) -> None:
    inventory = with_domain(example, off=("london",), sites_min=3)
    what = "a.example would have 2 sites, and its sites_min is 3: "
    assert fitness_of(inventory, make_plan(inventory)).errors[0].startswith(what)

    inventory = with_domain(example, off=("london",), sites_min=3, fewer_sites_reason="moving")
    found = fitness_of(inventory, make_plan(inventory))
    assert (found.errors, found.warnings) == ((), (f"{what}moving",))


def test_a_pinned_site_that_is_off_is_a_warning(example: Inventory) -> None:
    inventory = with_domain(example, off=("london",), pinned="london")

    assert fitness_of(inventory, make_plan(inventory)).warnings == (
        "a.example is pinned to london, which is not active: the next best comes first",
    )


def test_two_mx_that_one_outage_takes_are_a_warning(example: Inventory) -> None:
    first, second, third = example.sites
    node = second.nodes[0].model_copy(update={"public": ("192.0.2.99",)})
    sites = (first, second.model_copy(update={"nodes": (node,)}), third)
    inventory = example.model_copy(update={"sites": sites})

    assert fitness_of(inventory, make_plan(inventory)).warnings == (
        "5 domains have both frankfurt and london, which share 192.0.2.0/24: one outage takes both",
    )


@pytest.mark.parametrize(("changed", "is_too_much"), [(30, False), (31, True)])
def test_more_than_thirty_per_cent_are_too_much(
    example: Inventory, changed: int, is_too_much: bool
) -> None:
    one = make_plan(example).domains[0]
    before = MxPlan(domains=tuple(Entry.stated(f"d{n}.example", one.mx) for n in range(100)))
    after = MxPlan(
        domains=tuple(
            Entry.stated(entry.domain, entry.mx[:2]) if number < changed else entry
            for number, entry in enumerate(before.domains)
        )
    )
    found = too_much_change(before, differences(before, after))

    assert (found is not None) is is_too_much


def test_new_domains_are_no_change_and_ones_that_go_are(example: Inventory) -> None:
    one = make_plan(example).domains[0]
    few = MxPlan(domains=tuple(Entry.stated(f"d{n}.example", one.mx) for n in range(10)))
    many = MxPlan(domains=tuple(Entry.stated(f"d{n}.example", one.mx) for n in range(20)))

    assert too_much_change(few, differences(few, many)) is None
    assert too_much_change(many, differences(many, few)) is not None


def test_of_a_few_domains_each_difference_is_read(example: Inventory) -> None:
    plan = make_plan(example)

    assert too_much_change(plan, differences(plan, MxPlan(domains=()))) is None
