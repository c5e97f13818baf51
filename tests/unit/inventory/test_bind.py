"""Does BIND take what is rendered for it, and does every name lead somewhere?"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import dns.zone
import pytest

from inventory.model import Inventory, SiteState
from inventory.mx.formats.bind import render
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan
from inventory.mx.records import Whose, records_of

ORIGIN = "mx.scout.example"
HEAD = """\
$TTL 300
@ IN SOA ns1 hostmaster 1 7200 900 1209600 300
@ IN NS ns1
ns1 IN A 192.0.2.53
"""


def rendered(inventory: Inventory, naming: Naming) -> str:
    records = records_of(inventory, make_plan(inventory, naming=naming), naming=naming)
    return render(records, whose=Whose.OURS).files[f"{ORIGIN}.zone"]


def addresses(text: str, name: str) -> list[str]:
    zone = dns.zone.from_text(HEAD + text, origin=ORIGIN)
    return sorted(
        str(record) for kind in ("A", "AAAA") for record in zone.get_rdataset(name, kind) or ()
    )


def published(text: str) -> list[tuple[str, str]]:
    """Return the MX records that customers are told to publish: preference and host."""
    lines = [line.split() for line in text.splitlines() if " IN MX " in line]
    return [(line[-2], line[-1]) for line in lines]


def with_state(inventory: Inventory, name: str, state: SiteState) -> Inventory:
    sites = tuple(
        site.model_copy(update={"state": state}) if site.name == name else site
        for site in inventory.sites
    )
    return inventory.model_copy(update={"sites": sites})


@pytest.mark.parametrize("naming", list(Naming))
def test_the_examples_zone_is_as_ever(
    example: Inventory, golden: Callable[[str, str], None], naming: Naming
) -> None:
    golden(f"{naming}.zone", rendered(example, naming))


@pytest.mark.parametrize("naming", list(Naming))
def test_named_checkzone_finds_nothing_wrong(
    example: Inventory, tmp_path: Path, naming: Naming
) -> None:
    tool = shutil.which("named-checkzone")
    if tool is None:
        pytest.skip("named-checkzone is not installed (Debian: apt-get install bind9-utils)")
    (tmp_path / "fragment").write_text(rendered(example, naming))
    (tmp_path / "zone").write_text(f'{HEAD}$INCLUDE "{tmp_path}/fragment"\n')

    found = subprocess.run(
        [tool, "-k", "fail", "-i", "full", ORIGIN, str(tmp_path / "zone")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout
    assert "ignoring" not in found.stdout + found.stderr


@pytest.mark.parametrize("naming", list(Naming))
def test_every_mx_that_a_customer_publishes_has_an_address(
    example: Inventory, naming: Naming
) -> None:
    text = rendered(example, naming)

    assert len(published(text)) == 3 * 5
    for _, host in published(text):
        assert addresses(text, host.removesuffix(f".{ORIGIN}."))


def test_a_name_leads_to_all_nodes_of_its_site(example: Inventory) -> None:
    text = rendered(example, Naming.SITES)

    assert addresses(text, "mx-london") == [
        "192.0.2.10",
        "192.0.2.11",
        "2001:db8:1::10",
        "2001:db8:1::11",
    ]
    assert addresses(text, "lon2") == ["192.0.2.11", "2001:db8:1::11"]


def test_with_fixed_names_a_drain_needs_nothing_from_a_customer(example: Inventory) -> None:
    before = rendered(example, Naming.FIXED)
    after = rendered(with_state(example, "london", SiteState.DRAIN), Naming.FIXED)

    assert published(after) == published(before)
    for _, host in published(after):
        found = addresses(after, host.removesuffix(f".{ORIGIN}."))
        assert found
        assert "192.0.2.10" not in found


def test_with_sites_names_a_draining_site_keeps_its_address(example: Inventory) -> None:
    text = rendered(with_state(example, "london", SiteState.DRAIN), Naming.SITES)

    assert "mx-london.mx.scout.example." not in [host for _, host in published(text)]
    assert addresses(text, "mx-london")
