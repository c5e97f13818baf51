"""Is what differs changed, and nothing else?"""

from __future__ import annotations

from dataclasses import replace

from common.wireguard.tunnel_changes import (
    PEERS_AT_ONCE,
    InterfaceNow,
    RouteNow,
    TunnelWanted,
    changes,
    endpoint_of,
    parse_interface,
    route_to,
)
from common.wireguard.tunnel_file import Endpoint, TunnelFile, TunnelPeer
from common.wireguard.tunnel_state import PeerNow, TunnelNow

HERE = Endpoint(host="192.0.2.1", port=51820)
MOVED = Endpoint(host="192.0.2.9", port=40000)
PEER = TunnelPeer(name="core", public_key="K", allowed=("10.0.0.1/32",), endpoint=HERE)
FILE = TunnelFile(private_key="P", addresses=("10.0.0.2/32",), port=51820, mtu=1420, peers=(PEER,))
PEER_NOW = PeerNow(public_key="K", allowed=("10.0.0.1/32",), endpoint=HERE, handshake_s=1000)
NOW = TunnelNow(private_key="P", port=51820, peers=(PEER_NOW,))
THERE = InterfaceNow(
    up=True, mtu=1420, addresses=("10.0.0.2/32",), routes=(RouteNow(network="10.0.0.1/32"),)
)
WANTED = TunnelWanted(mtu=1420, at_s=1010.0)


def said(file: TunnelFile, now: TunnelNow, there: InterfaceNow, wanted: TunnelWanted) -> list[str]:
    return [line for one in changes("wg0", file, now, there, wanted) for line in one.said]


def test_nothing_is_done_to_what_is_as_it_should_be() -> None:
    assert changes("wg0", FILE, NOW, THERE, WANTED) == []


def test_no_command_and_no_line_holds_a_secret() -> None:
    secret = replace(FILE, private_key="SECRET", peers=(replace(PEER, preshared_key="SECRET"),))

    found = changes("wg0", secret, TunnelNow(), InterfaceNow(), WANTED)

    assert "SECRET" not in str(found)
    assert "SECRET" not in " ".join(word for one in found for word in one.argv)
    assert [one.given for one in found if one.given] == ["SECRET\n", "SECRET\n"]


def test_everything_of_an_empty_interface_is_done_in_a_safe_order() -> None:
    assert said(FILE, TunnelNow(), InterfaceNow(mtu=1500), WANTED) == [
        "set the private key",
        "listen on UDP port 51820",
        "add peer core",
        "reach core at 192.0.2.1:51820",
        "add address 10.0.0.2/32",
        "set MTU 1420",
        "bring it up",
        "set route 10.0.0.1/32",
    ]


def test_a_peer_that_was_seen_to_move_is_left_where_it_is_while_it_answers() -> None:
    """Behind a translator it is found nowhere else: `wg syncconf` sent it back each time."""
    moved = replace(PEER_NOW, endpoint=MOVED)

    assert endpoint_of(PEER, moved, WANTED) is None
    assert endpoint_of(PEER, moved, replace(WANTED, at_s=1181.0)) == HERE
    assert endpoint_of(PEER, moved, replace(WANTED, moved={"K"})) == HERE


def test_a_name_without_an_address_leaves_the_endpoint() -> None:
    named = replace(PEER, endpoint=Endpoint(host="core.example", port=51820))

    assert endpoint_of(named, None, WANTED) is None
    assert endpoint_of(named, None, replace(WANTED, resolved={"core.example": ("192.0.2.1",)})) == (
        HERE
    )


def test_of_several_addresses_the_one_after_that_which_led_nowhere_is_tried() -> None:
    named = replace(PEER, endpoint=Endpoint(host="core.example", port=51820))
    silent = replace(PEER_NOW, handshake_s=0)
    wanted = replace(WANTED, resolved={"core.example": ("192.0.2.1", "2001:db8::1")})

    assert endpoint_of(named, silent, wanted) is None
    failed = replace(wanted, failed={"K": "192.0.2.1"})
    assert endpoint_of(named, silent, failed) == Endpoint(host="2001:db8::1", port=51820)
    alone = replace(failed, resolved={"core.example": ("192.0.2.1",)})
    assert endpoint_of(named, silent, alone) is None


def test_what_the_file_no_longer_has_goes() -> None:
    empty = replace(FILE, peers=(), addresses=("10.0.0.3/32",))

    assert said(empty, NOW, THERE, WANTED) == [
        "remove peer K",
        "add address 10.0.0.3/32",
        "remove address 10.0.0.2/32",
        "remove route 10.0.0.1/32",
    ]


def test_many_peers_take_few_commands() -> None:
    peers = tuple(
        TunnelPeer(name=f"n{n}", public_key=f"K{n}", allowed=()) for n in range(PEERS_AT_ONCE + 1)
    )
    found = changes("wg0", replace(FILE, peers=peers), TunnelNow(), THERE, WANTED)

    assert len([one for one in found if one.argv[:2] == ("wg", "set")]) == 4


def test_a_narrow_path_narrows_the_route_to_its_peer() -> None:
    assert route_to("10.0.0.1/32", 1300, 1420) == RouteNow(
        network="10.0.0.1/32", mtu=1300, advmss=1260
    )
    assert route_to("fd00::1/128", 1140, 1420) == RouteNow(
        network="fd00::1/128", mtu=1280, advmss=1080
    )
    assert route_to("10.0.0.1/32", 1420, 1420) == RouteNow(network="10.0.0.1/32")
    assert route_to("10.0.0.1/32", 0, 1420) == RouteNow(network="10.0.0.1/32")


def test_what_ip_prints_is_read() -> None:
    found = parse_interface(
        addresses='[{},{"mtu":1420,"flags":["NOARP","UP"],"addr_info":['
        '{"local":"10.0.0.2","prefixlen":32,"scope":"global"},'
        '{"local":"fe80::1","prefixlen":64,"scope":"link"}]}]',
        routes='[{"dst":"10.0.0.1","scope":"link","metrics":[{"mtu":1300,"advmss":1260}]}]',
        routes_v6='[{"dst":"fe80::/64","protocol":"kernel"},{"dst":"fd00::1","protocol":"boot"}]',
    )

    assert found == InterfaceNow(
        up=True,
        mtu=1420,
        addresses=("10.0.0.2/32",),
        routes=(
            RouteNow(network="10.0.0.1/32", mtu=1300, advmss=1260),
            RouteNow(network="fd00::1/128"),
        ),
    )
