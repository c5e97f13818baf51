"""Is a ``wg0.conf`` read as it was meant, and nothing else ever taken from it?"""

from __future__ import annotations

import pytest

from common.errors import SettingsError
from common.wireguard.tunnel_file import (
    PEERS_MAX,
    Endpoint,
    is_interface,
    parse_endpoint,
    parse_tunnel_file,
)
from common.wireguard_text import WireGuardPeer, wireguard_text

KEY, OTHER, THIRD = (f"{letter * 42}A=" for letter in "ABC")
RENDERED = wireguard_text(
    private_key=KEY,
    vpn_addresses=("10.77.1.1", "fd77::1"),
    port=51820,
    peers=[
        WireGuardPeer(
            name="core",
            public_key=OTHER,
            allowed=("10.77.0.1/32", "fd77::/128"),
            endpoint="core.example:51820",
            keepalive_s=25,
        )
    ],
)
INTERFACE = f"[Interface]\nPrivateKey = {KEY}\nAddress = 10.0.0.1/32\n"


def complaints(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_tunnel_file(text, file="wg0.conf")
    return caught.value.complaints


def test_what_is_rendered_is_read_again() -> None:
    file = parse_tunnel_file(RENDERED, file="wg0.conf")
    (peer,) = file.peers

    assert (file.private_key, file.port, file.mtu) == (KEY, 51820, 1420)
    assert file.addresses == ("10.77.1.1/32", "fd77::1/128")
    assert (peer.name, peer.public_key, peer.keepalive_s) == ("core", OTHER, 25)
    assert peer.allowed == ("10.77.0.1/32", "fd77::/128")
    assert peer.endpoint == Endpoint(host="core.example", port=51820)
    assert peer.hosts() == ("10.77.0.1", "fd77::")


def test_no_key_is_shown_with_the_file() -> None:
    assert KEY not in repr(parse_tunnel_file(RENDERED, file="x"))


@pytest.mark.parametrize(
    ("text", "host", "is_name"),
    [
        ("192.0.2.1:51820", "192.0.2.1", False),
        ("[2001:DB8::1]:51820", "2001:db8::1", False),
        ("Core.Example:51820", "core.example", True),
    ],
)
def test_an_endpoint_is_an_address_or_a_name(text: str, host: str, is_name: bool) -> None:
    found = parse_endpoint(text)

    assert (found.host, found.port, found.is_name) == (host, 51820, is_name)


@pytest.mark.parametrize(
    "text",
    ["", ":1", "a", "a:0", "a:65536", "a:x", "-a:1", "a b:1", "2001:db8::1:1", "[a]:1", "a\0:1",
     "a:１", f"{'a' * 254}:1", "[fe80::1%eth0 x]:1"],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse_endpoint(text)


@pytest.mark.parametrize("hook", ["PreUp", "PostUp", "PreDown", "PostDown"])
def test_a_hook_is_refused(hook: str) -> None:
    (said,) = complaints(f"{INTERFACE}{hook} = reboot\n")

    assert said == (f"wg0.conf:4:1: {hook.lower()} runs programs as root; take the line out")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Table = 7", "table is nothing that is gone by here"),
        ("MTU = 1279", "mtu: is no number from 1280 to 9000"),
        ("MTU = 1400\nMTU = 1300", "mtu: stands here a second time"),
        ("ListenPort = 99999", "listenport: is no number"),
        ("Address = --help", "address: is no address"),
        ("Address = fe80::1%a b/64", "address: is no address"),
        ("nonsense", "is no KEY = VALUE"),
        ("[Wrong]", "no such section"),
        ("[Interface]", "there is an [Interface] already"),
        ("[Peer]\nPublicKey = x", "publickey: is no key"),
        ("[Peer]", "a [Peer] has no PublicKey"),
        (f"[Peer]\nPublicKey = {OTHER}\nAllowedIPs = 0.0.0.0/0", "is the whole Internet"),
        (f"[Peer]\nPublicKey = {OTHER}\nAllowedIPs = 10.0.0.1/8", "is no network"),
        (f"[Peer]\nPublicKey = {OTHER}\nPersistentKeepalive = -1", "is no number"),
        (f"[Peer]\nPublicKey = {OTHER}\n[Peer]\nPublicKey = {OTHER}", "has the key of another"),
        (
            f"[Peer]\nPublicKey = {OTHER}\nAllowedIPs = 10.0.0.2/32\n"
            f"[Peer]\nPublicKey = {THIRD}\nAllowedIPs = 10.0.0.2/32",
            "have both 10.0.0.2/32",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_do(line: str, said: str) -> None:
    found = complaints(f"{INTERFACE}{line}\n")

    assert any(said in one for one in found), found
    assert all("; " in one and one.startswith("wg0.conf:") for one in found)
    assert KEY not in str(found)


def test_too_many_of_anything_is_refused() -> None:
    many = "".join("[Peer]\n" for _ in range(PEERS_MAX + 1))
    addresses = ", ".join(f"10.0.1.{n}/32" for n in range(65))

    assert f"has more than {PEERS_MAX} peers" in complaints(INTERFACE + many)[0]
    assert "are more than 64" in complaints(f"{INTERFACE}Address = {addresses}\n")[0]
    assert len(complaints("wrong\n" * 1000)) == 20


def test_a_comment_names_the_peer_after_it_only_if_it_is_a_name() -> None:
    text = f"{INTERFACE}# lon1; rm -rf\n[Peer]\nPublicKey = {OTHER}\n"

    assert parse_tunnel_file(text, file="x").peers[0].name == OTHER[:8]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("wg0", True), ("-wg0", False), ("a" * 16, False), ("", False), ("a/b", False), ("é", False)],
)
def test_an_interface_has_a_name_that_is_no_option(name: str, is_one: bool) -> None:
    assert is_interface(name) is is_one
