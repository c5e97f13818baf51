"""Is a plan of all domains whole, stable, and comparable with an earlier one?"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.load import load_inventory
from inventory.model import Customer, Inventory, Location, MailDomain
from inventory.mx.names import Naming, identifier
from inventory.mx.plan import Entry, MxPlan, differences, make_plan, shares
from inventory.mx.plan_file import plan_lines

EXAMPLE = Path(__file__).parents[3] / "inventory" / "example.yaml"

names = st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True)
places = st.none() | st.builds(Location, st.floats(-90, 90), st.floats(-180, 180))


@cache
def shipped() -> Inventory:
    """Return the example, parsed once for all of hypothesis's tries."""
    return load_inventory(EXAMPLE)


def with_domains(inventory: Inventory, found: dict[str, Location | None]) -> Inventory:
    domains = tuple(
        MailDomain(name=name, deliver_to=("mail.example.net:25",), location=place)
        for name, place in found.items()
    )
    return inventory.model_copy(update={"customers": (Customer(name="c", domains=domains),)})


def test_the_examples_plan_is_as_ever(
    example: Inventory, golden: Callable[[str, str], None]
) -> None:
    golden("plan.json", "".join(plan_lines(make_plan(example), {})))


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(names, places, min_size=1, max_size=20), names, places)
def test_adding_a_domain_moves_no_other(
    domains: dict[str, Location | None], name: str, place: Location | None
) -> None:
    inventory = shipped()
    domains.pop(name, None)
    before = make_plan(with_domains(inventory, domains)) if domains else MxPlan(domains=())
    after = make_plan(with_domains(inventory, domains | {name: place}))

    assert [entry for entry in after.domains if entry.domain != name] == list(before.domains)


def test_names_of_ours_are_labels_of_their_own() -> None:
    found = {identifier(f"d{number}.example") for number in range(5000)}

    assert len(found) == 5000
    assert all(len(one) == 16 and one.isalnum() and one == one.lower() for one in found)


def test_the_two_ways_of_naming_choose_the_same_sites(example: Inventory) -> None:
    fixed = make_plan(example)
    sites = make_plan(example, naming=Naming.SITES)

    assert [[mx.site for mx in e.mx] for e in fixed.domains] == [
        [mx.site for mx in e.mx] for e in sites.domains
    ]
    assert sites.domains[0].mx[0].host == "mx-frankfurt.mx.scout.example"
    assert fixed.domains[0].mx[0].host.startswith("p1-")


def test_a_plan_does_not_differ_from_itself(example: Inventory) -> None:
    assert differences(make_plan(example), make_plan(example)) == []


def test_a_reason_alone_is_no_difference(example: Inventory) -> None:
    plan = make_plan(example)
    other = MxPlan(domains=tuple(Entry.stated(e.domain, e.mx) for e in plan.domains))

    assert differences(other, plan) == []


def test_differences_name_what_came_went_and_changed(example: Inventory) -> None:
    plan = make_plan(example)
    acme, globex, *rest = plan.domains
    turned = Entry.stated(acme.domain, acme.mx[:2])
    found = differences(MxPlan(domains=(acme, *rest)), MxPlan(domains=(turned, globex, *rest[1:])))

    assert [(one.domain, one.before is None, one.after is None) for one in found] == [
        ("acme.example", False, False),
        ("globex.example", True, False),
        (rest[0].domain, False, True),
    ]


def test_shares_count_each_site_at_each_place(example: Inventory) -> None:
    assert sum(counts[0] for _, counts in shares(make_plan(example))) == 5
