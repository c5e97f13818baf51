"""A node is told of every machine that can be the core, by whichever of them is the core."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from common.joining import JoinAnswer, MemberAnswer, Tunnel
from common.preferences import Preferences
from common.settings.core import CoreSettings
from core.joining.core_ends import OwnEnd, machines_of, tunnel_of
from core.joining.node_terms import NodeTerms, own_hosts, terms_of


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


HERE = OwnEnd(key=key("a"), addresses=("10.77.0.1",), port=51820)
THERE = OwnEnd(key=key("b"), addresses=("10.77.0.2",), port=51821)
STANDBY = {
    "name": "core2",
    "link": "10.77.0.2:7443",
    "vpn_addresses": ["10.77.0.2"],
    "tunnel": ["198.51.100.2:51821", "[2001:db8::2]:51822"],
    "wireguard_key": key("b"),
}
FIRST = {
    "name": "core",
    "link": "10.77.0.1:7443",
    "vpn_addresses": ["10.77.0.1"],
    "tunnel": ["192.0.2.1:51820"],
    "wireguard_key": key("a"),
}


def core_settings(*others: dict[str, Any], doors: tuple[str, ...] = ()) -> CoreSettings:
    return CoreSettings.model_validate(
        {
            "cluster": "example",
            "name": "core",
            "http": "10.77.0.1:7444",
            "grpc": "10.77.0.1:7443",
            "tls": {"certificate": "c", "key": "k", "authority": "a"},
            "nodes": [
                {
                    "name": "lon1",
                    "site": "london",
                    "addresses": ["192.0.2.10", "10.77.1.1"],
                    "vpn_addresses": ["10.77.1.1"],
                }
            ],
            "wireguard": {"file": "wg0.conf"},
            "join": {"public": list(doors)},
            "other_cores": list(others),
        }
    )


TERMS = NodeTerms(
    node="lon1",
    settings={},
    public=("192.0.2.10",),
    vpn_addresses=("10.77.1.1",),
    core_public=("192.0.2.1",),
    core_port=51820,
    core_vpn_addresses=("10.77.0.1",),
)


def told(terms: NodeTerms, settings: CoreSettings, own: OwnEnd) -> Tunnel:
    found = tunnel_of(terms, settings, own)
    assert found is not None
    return found


def test_a_node_is_told_of_the_machine_that_answers_and_of_the_others() -> None:
    tunnel = told(TERMS, core_settings(STANDBY), HERE)

    assert (tunnel.core_name, tunnel.core_key, tunnel.core_endpoint, tunnel.core_addresses) == (
        "core", key("a"), "192.0.2.1:51820", ["10.77.0.1"]
    )  # fmt: skip
    [other] = tunnel.other_cores
    assert (other.name, other.key, other.endpoint, other.addresses) == (
        "core2", key("b"), "198.51.100.2:51821", ["10.77.0.2"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("public", "endpoint"),
    [
        (("2001:db8::9",), "[2001:db8::2]:51822"),
        (("192.0.2.10", "2001:db8::9"), "198.51.100.2:51821"),
        ((), "198.51.100.2:51821"),
    ],
)
def test_another_machine_is_reached_in_a_family_that_the_node_has(
    public: tuple[str, ...], endpoint: str
) -> None:
    [other] = told(replace(TERMS, public=public), core_settings(STANDBY), HERE).other_cores

    assert other.endpoint == endpoint


def test_a_document_that_came_from_another_machine_says_nothing_of_this_one() -> None:
    settings = core_settings(FIRST, doors=("198.51.100.2:7445", "192.0.2.1:7445"))

    tunnel = told(TERMS, settings, THERE)

    assert (tunnel.core_key, tunnel.core_endpoint, tunnel.core_addresses) == (
        key("b"), "198.51.100.2:51821", ["10.77.0.2"]
    )  # fmt: skip
    [other] = tunnel.other_cores
    assert (other.key, other.endpoint) == (key("a"), "192.0.2.1:51820")
    assert (tunnel.core_name, other.name) == ("core-1", "core")  # metrics tell them apart


@pytest.mark.parametrize(
    ("doors", "own"),
    [
        (("[2001:db8::1]:7445", "198.51.100.2:7445"), ("2001:db8::1",)),
        (("192.0.2.1:1", "[2001:db8::1]:1", "198.51.100.2:1", "c:1"), ("192.0.2.1", "2001:db8::1")),
        (
            ("192.0.2.1:7445", "core2.example:7445"),
            ("192.0.2.1",),
        ),  # whose the second is, who knows
        (("198.51.100.2:7445", "[2001:db8::2]:7445"), ("198.51.100.2",)),  # a name that moved
        ((), ()),
    ],
)
def test_the_doors_of_others_are_no_place_where_this_machine_is(
    doors: tuple[str, ...], own: tuple[str, ...]
) -> None:
    assert own_hosts(core_settings(STANDBY, doors=doors)) == own


def test_without_a_document_the_tunnel_ends_at_this_machines_own_door() -> None:
    doors = ("[2001:db8::1]:7445", "198.51.100.2:7445")  # and the node has IPv4 alone
    terms = terms_of("lon1", core_settings(STANDBY, doors=doors), Preferences())
    assert terms is not None

    tunnel = told(terms, core_settings(STANDBY, doors=doors), HERE)

    assert tunnel.core_endpoint == "[2001:db8::1]:51820"  # not the other one, with this one's key
    assert own_hosts(core_settings(doors=("a:1", "b:1"))) == ("a", "b")


def test_a_machine_without_a_tunnel_is_not_told() -> None:
    for lacking in ("vpn_addresses", "tunnel", "wireguard_key"):
        rest = {name: value for name, value in STANDBY.items() if name != lacking}
        assert told(TERMS, core_settings(rest), HERE).other_cores == []
    assert tunnel_of(replace(TERMS, vpn_addresses=()), core_settings(STANDBY), HERE) is None
    assert tunnel_of(TERMS, core_settings(STANDBY), OwnEnd()) is None


def test_a_member_hears_of_the_machine_that_answers_first_and_of_all_doors() -> None:
    doors = ("192.0.2.1:7445", "198.51.100.2:7445")

    said = machines_of(TERMS, core_settings(STANDBY, doors=doors), HERE)

    assert [one.name for one in said.machines] == ["core", "core2"]
    assert (said.core, said.doors) == ("core", list(doors))
    assert machines_of(TERMS, core_settings(STANDBY), OwnEnd()).machines == []


def test_the_least_settings_of_a_node_name_where_else_the_core_takes_links() -> None:
    alone, several = (
        terms_of("lon1", core_settings(*others), Preferences()) for others in ((), (STANDBY,))
    )
    assert alone is not None
    assert several is not None

    assert several.settings["core"]["standbys"] == ["10.77.0.2:7443"]
    assert "standbys" not in alone.settings["core"]  # a version before does not know the key


def test_a_node_of_the_version_before_is_told_nothing_that_it_does_not_know() -> None:
    tunnel = told(TERMS, core_settings(), HERE)
    member = MemberAnswer(node="lon1", rotate=False, wireguard="", wireguard_beside="")

    assert set(tunnel.said()) == {
        "addresses", "port", "core_name", "core_key", "core_endpoint", "core_addresses"
    }  # fmt: skip
    assert set(member.said()) == {"node", "rotate", "wireguard", "wireguard_beside"}
    assert "other_cores" in told(TERMS, core_settings(STANDBY), HERE).said()
    assert JoinAnswer.model_fields["wireguard"].default is None
