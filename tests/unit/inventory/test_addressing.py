"""Does everything listen where it should, and nowhere else?"""

from __future__ import annotations

import pytest

from common.settings.values import endpoint
from common.wireguard_text import host_routes
from inventory.addressing import (
    core_places,
    node_places,
    peers_of_core,
    peers_of_satellite,
    wanted_ports,
)
from inventory.model import Inventory

PORTS = {
    "core": {"http": 20_001, "grpc": 20_002, "definitions": 20_005, "join": 20_006},
    "lon1": {"smtp": 20_003, "metrics": 20_004},
}


def public_keys(inventory: Inventory) -> dict[str, str]:
    return {name: f"key of {name}" for name in wanted_ports(inventory)}


def test_an_ipv6_host_stands_in_brackets() -> None:
    assert endpoint("2001:db8::1", 25) == "[2001:db8::1]:25"
    assert endpoint("192.0.2.1", 25) == "192.0.2.1:25"


def test_links_and_metrics_listen_on_vpn_addresses_alone(example: Inventory) -> None:
    core = core_places(example.core, None)
    node = node_places(example.nodes()[0][1], None)

    assert (core.http, core.grpc) == ("10.77.0.1:8080", "10.77.0.1:7443")
    assert node.metrics == "10.77.1.1:9100"


def test_smtp_listens_on_each_family_that_the_node_is_reached_by(example: Inventory) -> None:
    node = example.nodes()[0][1]
    ipv6_alone = node.model_copy(update={"public": ("2001:db8:1::10",)})

    assert node_places(node, None).listen == ("0.0.0.0:25", "[::]:25")
    assert node_places(node, None).smtp == "192.0.2.10:25"
    assert node_places(ipv6_alone, None).listen == ("[::]:25",)
    assert node_places(ipv6_alone, None).smtp == "[2001:db8:1::10]:25"


def test_on_loopback_everything_listens_on_127_0_0_1(example: Inventory) -> None:
    core = core_places(example.core, PORTS)
    node = node_places(example.nodes()[0][1], PORTS)

    assert (core.http, core.grpc) == ("127.0.0.1:20001", "127.0.0.1:20002")
    assert (core.join, core.join_public) == ("127.0.0.1:20006", ("127.0.0.1:20006",))
    assert (node.listen, node.metrics) == (("127.0.0.1:20003",), "127.0.0.1:20004")


def test_a_route_leads_to_one_host_alone() -> None:
    assert host_routes(("10.77.0.1", "2001:db8::1")) == ("10.77.0.1/32", "2001:db8::1/128")


def test_a_satellite_has_the_core_as_its_only_peer(example: Inventory) -> None:
    (peer,) = peers_of_satellite(example, example.nodes()[0][1], public_keys(example))

    assert peer.public_key == "key of core"
    assert peer.allowed == ("10.77.0.1/32", "2001:db8:77::1/128")
    assert peer.endpoint == "core.scout.example:51820"


def test_the_core_has_every_satellite_as_a_peer(example: Inventory) -> None:
    peers = peers_of_core(example, public_keys(example), example.core)

    assert [peer.name for peer in peers] == ["lon1", "lon2", "fra1", "mad1"]
    allowed = [network for peer in peers for network in peer.allowed]
    assert len(set(allowed)) == len(allowed) == 8


@pytest.mark.parametrize(
    ("core", "node", "found"),
    [
        (("192.0.2.1", "2001:db8::1"), ("2001:db8::9",), "[2001:db8::1]:51820"),
        (("192.0.2.1", "2001:db8::1"), ("192.0.2.9",), "192.0.2.1:51820"),
        (("192.0.2.1", "2001:db8::1"), ("192.0.2.9", "2001:db8::9"), "192.0.2.1:51820"),
        # A name may lead to either family, and is kept: it is resolved where it is used.
        (("192.0.2.1", "core.example"), ("2001:db8::9",), "core.example:51820"),
        (("core.example",), ("192.0.2.9",), "core.example:51820"),
        (("192.0.2.1",), ("2001:db8::9",), "192.0.2.1:51820"),
    ],
)
def test_a_node_gets_the_endpoint_of_the_core_in_a_family_that_it_has(
    example: Inventory, core: tuple[str, ...], node: tuple[str, ...], found: str
) -> None:
    one = example.nodes()[0][1].model_copy(update={"public": node})
    inventory = example.model_copy(
        update={"core": example.core.model_copy(update={"public": core})}
    )

    (peer,) = peers_of_satellite(inventory, one, public_keys(inventory))

    assert peer.endpoint == found


def test_the_core_gets_the_endpoint_of_a_node_in_a_family_that_it_has(example: Inventory) -> None:
    core = example.core.model_copy(update={"public": ("2001:db8::1",)})
    site = example.sites[0]
    node = site.nodes[0].model_copy(update={"public": ("192.0.2.9", "2001:db8::9")})
    only = site.model_copy(update={"nodes": (node,)})
    inventory = example.model_copy(update={"core": core, "sites": (only,)})

    (peer,) = peers_of_core(inventory, public_keys(inventory), inventory.core)

    assert peer.endpoint == "[2001:db8::9]:51820"
