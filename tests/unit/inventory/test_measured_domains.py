"""What sites measured to servers is said of the domains whose mail goes there, or is left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.mx.measured_domains import MeasuredDomains, measured_domains
from inventory.mx.measurements import Measured, parse_measurements
from inventory.mx.plan import make_plan
from inventory.mx.site_probes import FRESH_S, Probe

MADE = datetime(2026, 11, 30, 6, tzinfo=UTC)
MAIL, NEXT = "mail.acme.example:25", "next.acme.example:25"

Change = Callable[..., Path]


def probe(site: str | None, target: str = MAIL, rtt_us: int | None = 12_000, **more: Any) -> Probe:
    usual = {
        "node": f"{(site or 'old')[:3]}1",
        "site": site,
        "target": target,
        "rtt_us": rtt_us,
        "tries": 100,
        "failures": 100 if rtt_us is None else 0,
        "age_s": 60,
    }
    return Probe.model_validate(usual | more)


def found(path: Path, *told: Probe) -> MeasuredDomains:
    return measured_domains(load_inventory(path), list(told), made=MADE)


def row(of: MeasuredDomains, domain: str = "acme.example") -> dict[str, Measured]:
    return dict(of.measurements.of(domain) or {})


def test_every_domain_of_a_server_has_what_is_measured_to_it(changed: Change) -> None:
    path = changed(
        ("      - {name: acme", "      - {name: b.example, deliver_to: MAIL.acme.example}\n"
         "      - {name: acme"),
    )  # fmt: skip
    both = found(path, probe("london"), probe("paris", rtt_us=5_000))

    wanted = {"london": Measured(12_000, 100, 0), "paris": Measured(5_000, 100, 0)}
    assert row(both) == row(both, "b.example") == wanted
    assert both.warnings == ()


def test_the_text_is_what_a_file_of_measurements_is(small: Path) -> None:
    made = found(small, probe("london"), probe("paris", rtt_us=None))

    assert parse_measurements(made.text.encode(), name="x") == made.measurements
    assert found(small, probe("london"), probe("paris", rtt_us=None)).text == made.text


def test_the_reason_of_a_plan_has_the_numbers(small: Path) -> None:
    inventory = load_inventory(small)
    near = found(small, probe("london", rtt_us=90_000), probe("paris", rtt_us=2_000))

    before, after = (
        make_plan(inventory, measurements=measured).domains[0]
        for measured in (None, near.measurements)
    )

    assert (before.mx[0].site, after.mx[0].site) == ("london", "paris")
    assert "paris: 2.000 ms, 134.000 km " in after.reason


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ((12_000, 100, 10), (5_000, 100, 0), 12_000),  # one in ten is still the one
        ((12_000, 100, 11), (5_000, 100, 0), 5_000),
        ((12_000, 100, 50), (5_000, 100, 60), 12_000),  # the better of two that fail
        ((None, 100, 100), (5_000, 100, 60), 5_000),
        (None, (5_000, 100, 0), 5_000),  # the first was not measured
    ],
)
def test_of_several_servers_the_first_good_one_counts(
    changed: Change, first: Any, second: Any, counts: int
) -> None:
    path = changed(('["mail.acme.example:25"]', f'["{MAIL}", "{NEXT}"]'))
    told = [
        probe("london", target, one[0], tries=one[1], failures=one[2])
        for target, one in ((MAIL, first), (NEXT, second))
        if one is not None
    ]

    assert row(found(path, *told))["london"].rtt_us == counts


def test_what_is_old_is_said_and_not_used(small: Path) -> None:
    made = found(small, probe("london", age_s=FRESH_S + 1), probe("paris"))

    assert row(made).keys() == {"paris"}
    assert made.warnings == (
        "london: 1 server was not measured in the last 24 hours, and left out",
        "london has told of no server lately: its distance counts",
    )


def test_a_node_of_no_site_is_named_and_passed_over(small: Path) -> None:
    made = found(small, probe("london"), probe("paris"), probe(None, rtt_us=1_000))

    assert row(made).keys() == {"london", "paris"}
    assert made.warnings == ("old1 measured, and is no node any more; it is passed over",)


def test_a_site_that_does_not_measure_is_not_on_the_other_side_of_the_globe(
    changed: Change,
) -> None:
    path = changed((", location: [52.37, 4.89]", ""))
    made = found(path, probe("paris"))

    assert row(made) == {}
    assert made.warnings[-1] == (
        "1 domain without a location is planned without measurements, since not every site has"
        " measured it"
    )
    assert row(found(path, probe("paris"), probe("london"))).keys() == {"london", "paris"}


def test_a_site_that_a_domain_may_not_have_need_not_measure_it(changed: Change) -> None:
    path = changed(
        ("location: [52.37, 4.89]", "regions: fr"),
        ("    location: [48.8566", "    region: fr\n    location: [48.8566"),
    )

    assert row(found(path, probe("paris"))).keys() == {"paris"}


def test_words_that_light_contradicts_make_no_site_near(changed: Change) -> None:
    both = [probe("london", rtt_us=1_000, failures=3), probe("paris", rtt_us=1_200)]
    path = changed()
    made = found(path, *both, probe("london", NEXT), probe("paris", NEXT))

    assert row(made) == {"london": Measured(None, 100, 3), "paris": Measured(None, 100, 0)}
    assert made.warnings == (
        "london and paris contradict each other about 1 server: light needs 2.292 ms from one to"
        " the other and back; their distance counts, and where these are many, look at their nodes",
    )
    nowhere = changed((", location: [52.37, 4.89]", ""))
    assert row(found(nowhere, *both)) == {}


def test_a_claim_is_believed_as_far_as_light_allows(small: Path) -> None:
    made = found(small, probe("london", rtt_us=1_000), probe("paris", rtt_us=1_300))

    assert row(made)["london"].rtt_us == 1_000
    assert made.warnings == ()


def test_a_stolen_node_gets_no_mail_of_servers_that_are_near_another_site(
    example: Inventory,
) -> None:
    far = example.sites[0]
    targets = {text for _, domain in example.domains() for text in domain.deliver_to}
    honest = [
        probe(site.name, target, rtt_us=1_000)
        for site in example.sites[1:2]
        for target in sorted(targets)
    ]
    lies = [probe(far.name, target, rtt_us=1_000) for target in sorted(targets)]

    made = measured_domains(example, [*honest, *lies], made=MADE)

    assert all(one[far.name].rtt_us is None for one in made.measurements.by_domain.values())
    assert made.measurements.by_domain


def test_what_one_site_says_changes_what_that_site_costs_and_nothing_else(
    example: Inventory,
) -> None:
    sites = [site.name for site in example.sites]
    targets = sorted({text for _, domain in example.domains() for text in domain.deliver_to})
    honest = [probe(site, target, rtt_us=20_000) for site in sites for target in targets]
    lies = [
        one.model_copy(update={"rtt_us": 1_000}) if one.site == sites[0] else one for one in honest
    ]

    orders = []
    for told in (honest, lies):
        measured = measured_domains(example, told, made=MADE).measurements
        plan = make_plan(example, measurements=measured)
        orders.append([[mx.site for mx in one.mx if mx.site != sites[0]] for one in plan.domains])

    for before, after in zip(*orders, strict=True):
        # The others stay in the order of before, whoever is put in front of them.
        assert after == before[: len(after)]
