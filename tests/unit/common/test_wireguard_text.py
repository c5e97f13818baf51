"""Does a file of WireGuard keep what it says while some of its peers change?"""

from __future__ import annotations

from common.wireguard_text import (
    WireGuardPeer,
    free_name,
    interface_values,
    peer_with_key,
    remarked,
    wireguard_text,
    with_keys,
    with_peers,
)

RENDERED = wireguard_text(
    private_key="cHJpdmF0ZQ==",
    vpn_addresses=("10.77.0.1", "fd00::1"),
    port=51820,
    peers=[
        WireGuardPeer(name="lon1", public_key="b2xk=", allowed=("10.77.1.1/32",), endpoint="a:1"),
        WireGuardPeer(name="par1", public_key="cGFy=", allowed=("10.77.2.1/32",), endpoint="b:1"),
    ],
)


def peer(name: str, key: str, *allowed: str) -> WireGuardPeer:
    return WireGuardPeer(name=name, public_key=key, allowed=allowed)


def test_a_peer_takes_the_place_of_the_one_before_and_all_else_stays() -> None:
    changed = with_peers(RENDERED, [peer("lon1", "bmV3=", "10.77.1.1/32")])

    assert "b2xk=" not in changed
    assert "PublicKey = bmV3=" in changed
    assert "PublicKey = cGFy=" in changed
    assert interface_values(changed)["privatekey"] == "cHJpdmF0ZQ=="
    assert with_peers(changed, [peer("lon1", "bmV3=", "10.77.1.1/32")]) == changed


def test_a_second_key_beside_the_first_has_no_network_yet() -> None:
    two = [peer("lon1", "b2xk=", "10.77.1.1/32"), peer("lon1", "bmV3=")]

    changed = with_peers(RENDERED, two)

    assert changed.count("# lon1\n[Peer]\n") == 2
    assert changed.count("10.77.1.1/32") == 1
    assert with_peers(changed, two[:1]).count("[Peer]") == 2


def test_a_peer_that_is_gone_and_one_whose_network_another_has_are_taken_out() -> None:
    assert "lon1" not in with_peers(RENDERED, [], gone=["lon1"])
    assert "par1" not in with_peers(RENDERED, [peer("par9", "bmV3=", "10.77.2.1/32")])


def test_what_people_wrote_into_a_file_stays() -> None:
    head = "# by hand\n\n[Interface]\nMTU = 1380\nAddress=10.0.0.1/32\n"
    written = f"{head}\n# x\n[Peer]\nPublicKey=k=\n"

    changed = with_peers(written, [peer("lon1", "bmV3=", "10.77.1.1/32")])

    assert changed.startswith(written)
    assert interface_values(changed)["address"] == "10.0.0.1/32"


def test_a_peer_is_changed_by_its_key_whoever_has_its_name() -> None:
    other = peer("par1", "b2xk=", "10.77.3.1/32")

    changed = with_keys(RENDERED, [other, peer("new", "bmV3=", "10.77.4.1/32")])

    assert changed.count("# par1\n[Peer]\n") == 2
    assert "lon1" not in changed
    assert changed.endswith("# new\n[Peer]\nPublicKey = bmV3=\nAllowedIPs = 10.77.4.1/32\n")
    assert with_keys(RENDERED, [], gone=["b2xk="]) == with_peers(RENDERED, [], gone=["lon1"])
    assert with_keys(RENDERED, []) == RENDERED


def test_a_remark_stands_above_the_name_and_hides_it_from_nobody() -> None:
    marked = WireGuardPeer(name="core2", public_key="bmV3=", allowed=(), remark="kept")

    text = with_keys(RENDERED, [marked])

    assert "# kept\n# core2\n[Peer]\n" in text
    assert remarked(text, "kept") == {"bmV3="}
    assert remarked(text, "core2") == frozenset()
    assert peer_with_key(text, "bmV3=") == "core2"


def test_a_name_that_is_taken_gets_the_first_free_number() -> None:
    assert free_name("core", ["lon1"]) == "core"
    assert free_name("core", ["core", "core-1"]) == "core-2"
    assert len(free_name("c" * 63, ["c" * 63])) <= 63
