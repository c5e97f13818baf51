"""Does what is new come before what is old goes, with the time that senders remember it between?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

import cli.mx
from inventory.model import Inventory, SiteState
from inventory.mx.names import Naming
from inventory.mx.plan import Entry, MxPlan, make_plan
from inventory.mx.records import ADDRESS_TTL_S, MX_TTL_S
from inventory.mx.steps import SENDER_RETRY_S, Actor, PlanStep, steps_between


def plans(example: Inventory, naming: Naming) -> tuple[MxPlan, MxPlan]:
    """Return the plan of the example, and the one without London."""
    sites = tuple(
        site.model_copy(update={"state": SiteState.DRAIN}) if site.name == "london" else site
        for site in example.sites
    )
    without = example.model_copy(update={"sites": sites})
    return make_plan(example, naming=naming), make_plan(without, naming=naming)


def place(steps: list[PlanStep], words: str) -> int:
    [found] = [number for number, step in enumerate(steps) if words in step.what]
    return found


def moved(plan: MxPlan, domain: str) -> MxPlan:
    entries = tuple(
        Entry.stated(
            entry.domain,
            [mx._replace(host=f"{mx.host.partition('.')[0]}.{domain}") for mx in entry.mx],
        )
        for entry in plan.domains
    )
    return MxPlan(domains=entries)


def test_the_same_plan_needs_nothing(example: Inventory) -> None:
    plan = make_plan(example)

    assert steps_between(plan, plan, naming=Naming.FIXED, names=3, has_policy=True) == []


def test_with_fixed_names_customers_do_nothing_while_names_stay(example: Inventory) -> None:
    before = make_plan(example)
    entries = tuple(
        Entry.stated(
            entry.domain,
            [
                mx._replace(site=other.site)
                for mx, other in zip(entry.mx, reversed(entry.mx), strict=True)
            ],
        )
        for entry in before.domains
    )
    after = MxPlan(domains=entries)
    steps = steps_between(before, after, naming=Naming.FIXED, names=3, has_policy=True)

    assert {step.actor for step in steps} == {Actor.US}
    assert sum(step.wait_s for step in steps) == ADDRESS_TTL_S


def test_new_records_come_before_old_ones_go_and_both_before_the_drain(example: Inventory) -> None:
    before, after = plans(example, Naming.SITES)
    steps = steps_between(before, after, naming=Naming.SITES, names=3, has_policy=True)

    names, come, go = (
        place(steps, words) for words in ("names of all sites", "new MX", "Remove the old MX")
    )
    forget, drain = place(steps, "no sender remembers london"), place(steps, "Drain")
    assert names < come < go < forget < drain
    assert steps[come].wait_s == MX_TTL_S
    assert steps[go].wait_s == MX_TTL_S + SENDER_RETRY_S
    assert steps[forget].wait_s == ADDRESS_TTL_S + SENDER_RETRY_S


def test_every_record_that_goes_is_named(example: Inventory) -> None:
    before, after = plans(example, Naming.SITES)
    steps = steps_between(before, after, naming=Naming.SITES, names=3, has_policy=False)
    gone = {line for step in steps for line in step.records if line.startswith("- ")}

    for entry in before.domains:
        assert any(
            line.startswith(f"- {entry.domain}. MX ") and "mx-london." in line for line in gone
        )


def test_the_policy_names_a_host_before_an_mx_does_and_until_it_is_drained(
    example: Inventory,
) -> None:
    before = make_plan(example)
    after = moved(before, "mx.new.example")
    steps = steps_between(before, after, naming=Naming.FIXED, names=3, has_policy=True)

    named, told, come = (
        place(steps, words) for words in ("Let the policy name", "new id in TXT", "new MX")
    )
    assert named < told < come
    assert steps[told].wait_s == MX_TTL_S
    assert place(steps, "out of the policy") > place(steps, "Remove the old MX")
    without = steps_between(before, after, naming=Naming.FIXED, names=3, has_policy=False)
    assert not [step for step in without if "policy" in step.what]


def test_with_fixed_names_a_drain_needs_nothing_from_a_customer(example: Inventory) -> None:
    before, after = plans(example, Naming.FIXED)
    steps = steps_between(before, after, naming=Naming.FIXED, names=3, has_policy=True)

    assert {step.actor for step in steps} == {Actor.US}
    assert place(steps, "addresses of the names") < place(steps, "Drain the nodes of london")


def test_a_third_site_gives_customers_a_third_name_to_publish(example: Inventory) -> None:
    _, before = plans(example, Naming.FIXED)
    steps = steps_between(
        before, make_plan(example), naming=Naming.FIXED, names=3, has_policy=False
    )

    asked = steps[place(steps, "new MX")]
    assert asked.actor is Actor.CUSTOMER
    assert len(asked.records) == 5
    assert all(" MX 30 p3-" in line for line in asked.records)


def test_the_command_lists_the_steps(changed: Callable[..., Path], tmp_path: Path) -> None:
    path, plan = changed(), tmp_path / "plan.json"
    plan.write_text(CliRunner().invoke(cli.mx.app, ["plan", str(path), "--json"]).stdout)
    nothing = CliRunner().invoke(cli.mx.app, ["steps", str(path), "--against", str(plan)])
    changed(("capacity: 200", "state: drain"))
    some = CliRunner().invoke(cli.mx.app, ["steps", str(path), "--against", str(plan)])
    as_json = CliRunner().invoke(cli.mx.app, ["steps", str(path), "--against", str(plan), "--json"])

    assert (nothing.exit_code, nothing.stdout) == (0, "nothing to do\n")
    assert some.exit_code == 2
    assert some.stdout.startswith("1. us: See that every site takes mail\n")
    assert "   then wait 5 min\n" in some.stdout
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["steps"][0].keys() == {
        *("actor", "what", "reason", "command", "records", "wait_s")
    }
