"""Who is in the lab, at which address?"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import LocalError
from inventory.lab.topology import (
    INTERFACE_LENGTH_MAX,
    POOLS,
    LabRole,
    Topology,
    interface_of,
    topology_of,
)
from inventory.load import load_inventory
from inventory.model import Inventory

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "lab.yaml"


@pytest.fixture
def tree() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return found


def made(tree: dict[str, Any]) -> Topology:
    return topology_of(Inventory.model_validate(tree))


def test_nodes_have_the_addresses_of_the_inventory() -> None:
    found = topology_of(load_inventory(EXAMPLE))

    assert {one.name: one.addresses for one in found.of(LabRole.SATELLITE)} == {
        "lon1": ("192.0.2.10", "2001:db8:1::10"),
        "fra1": ("198.51.100.10", "2001:db8:2::10"),
        "mad1": ("203.0.113.10", "2001:db8:3::10"),
    }


def test_whom_the_inventory_only_names_gets_an_address_of_each_family(
    tree: dict[str, Any],
) -> None:
    found = made(tree)

    core, standby = found.of(LabRole.CORE)
    assert found.names == {
        "core.scout.example": core.addresses,
        "core2.scout.example": standby.addresses,
    }
    networks = [ipaddress.ip_network(pool) for pool in POOLS]
    for server in found.servers:
        if server.host not in server.addresses:
            pairs = zip(server.addresses, networks, strict=True)
            assert all(ipaddress.ip_address(address) in network for address, network in pairs)


def test_a_customers_server_is_where_deliver_to_says(tree: dict[str, Any]) -> None:
    found = made(tree)

    assert {(server.host, server.port) for server in found.servers} == {
        ("mail.acme.example", 25),
        ("mx1.fjord.example", 25),
        ("mx2.fjord.example", 25),
        ("mail.in.globex.example", 25),
        ("mail.sierra.example", 2525),
        ("2001:db8:4::25", 25),
    }
    assert found.mx_names == {"in.globex.example": "mail.in.globex.example"}


def test_a_domain_that_is_added_moves_nobody(tree: dict[str, Any]) -> None:
    before = {server.host: server.addresses for server in made(tree).servers}
    tree["customers"][0]["domains"].insert(
        0, {"name": "aaa.example", "deliver_to": "mail.aaa.example"}
    )

    after = {server.host: server.addresses for server in made(tree).servers}

    assert after.items() > before.items()


def test_no_address_of_the_inventory_is_given_to_another(tree: dict[str, Any]) -> None:
    taken = made(tree).names["core.scout.example"]
    tree["sites"][0]["nodes"][0]["public"] = list(taken)

    assert not set(made(tree).names["core.scout.example"]) & set(taken)


def test_the_machine_on_which_the_core_runs_stands_before_those_that_can_be_it(
    tree: dict[str, Any],
) -> None:
    tree["core"]["runs_on"] = "core2"

    found = made(tree).of(LabRole.CORE)

    assert [(one.name, one.vpn_address) for one in found] == [
        ("core2", "10.77.0.2"),
        ("core", "10.77.0.1"),
    ]
    assert len({address for one in found for address in one.addresses}) == 4


def test_no_standby_has_the_name_of_a_machine_of_the_lab(tree: dict[str, Any]) -> None:
    tree["core"]["standbys"][0]["name"] = "dns"

    with pytest.raises(LocalError, match="a machine dns of its own; name yours otherwise"):
        made(tree)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "sender"}, "a machine sender of its own; name yours otherwise"),
        ({"public": ["198.51.100.10"]}, "fra1 and lon1 both have the address 198.51.100.10"),
    ],
)
def test_what_cannot_be_in_a_lab_is_said(
    tree: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    tree["sites"][0]["nodes"][0] |= change

    with pytest.raises(LocalError, match=said):
        made(tree)


def test_too_many_nodes_are_refused(tree: dict[str, Any]) -> None:
    tree["sites"][0]["nodes"] = [
        {"name": f"n{one}", "public": f"192.0.2.{one}", "vpn_address": f"10.77.9.{one}"}
        for one in range(1, 60)
    ]

    with pytest.raises(LocalError, match="61 nodes and 6 domains are too many"):
        made(tree)


def test_a_lines_name_fits_and_is_no_others() -> None:
    names = ["lon1", "a" * 12, "a" * 13, "a" * 63, "a" * 62 + "b"]

    found = [interface_of(name) for name in names]

    assert len(set(found)) == len(names)
    assert max(len(name) for name in found) <= INTERFACE_LENGTH_MAX
