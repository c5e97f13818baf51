"""A node's tunnel follows the machines that can be the core, and nobody takes more by that."""

from __future__ import annotations

import base64
import ipaddress

import pytest
from pydantic import ValidationError

from common.joining import MACHINES_MAX, CoreEnd, CoreEnds, Tunnel
from common.wireguard.tunnel_bounds import parse_networks
from common.wireguard.tunnel_file import TunnelPeer, parse_tunnel_file
from satellite.joining.core_peers import (
    REMARK,
    TunnelNotFollowed,
    followed_doors,
    followed_text,
    tunnel_text,
)


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


def machine(name: str, letter: str, address: str, **other: str) -> CoreEnd:
    endpoint = other.get("endpoint", f"{name}.example:51820")
    return CoreEnd(name=name, key=key(letter), endpoint=endpoint, addresses=[address])


A = machine("core", "a", "10.77.0.1")
B = machine("core2", "b", "10.77.0.2")
C = machine("core3", "c", "10.77.0.3")
BY_HAND = f"\n# watch\n[Peer]\nPublicKey = {key('w')}\nAllowedIPs = 10.77.9.0/24\n"


def said(*machines: CoreEnd) -> CoreEnds:
    return CoreEnds(core="core", machines=list(machines), doors=[])


def joined(*others: CoreEnd, here: CoreEnd = A) -> str:
    tunnel = Tunnel(
        addresses=["10.77.1.1"],
        port=51820,
        core_name=here.name,
        core_key=here.key,
        core_endpoint=here.endpoint,
        core_addresses=here.addresses,
        other_cores=list(others),
    )
    return tunnel_text(key("p"), tunnel)


def of_before(text: str) -> str:
    """Return a file as a node of the version before made it when it joined."""
    return text.replace(f"# {REMARK}\n# core\n", "# core\n")


def followed(text: str, *machines: CoreEnd, within: str | None = None) -> str:
    networks = None if within is None else parse_networks(within, file="n")
    return followed_text(text, said(*machines), core="core", within=networks)


def peers(text: str) -> dict[str, TunnelPeer]:
    return {one.public_key: one for one in parse_tunnel_file(text, file="wg0.conf").peers}


def names(text: str) -> list[str]:
    return [one.name for one in peers(text).values()]


def test_a_node_that_joins_has_a_peer_for_each_machine() -> None:
    found = peers(joined(B, C))

    assert [one.name for one in found.values()] == ["core", "core2", "core3"]
    assert found[key("b")].allowed == ("10.77.0.2/32",)
    assert str(found[key("b")].endpoint) == "core2.example:51820"
    assert {one.keepalive_s for one in found.values()} == {25}


def test_a_standby_that_was_added_comes_in_and_all_else_stays() -> None:
    before = of_before(joined()) + BY_HAND

    after = followed(before, A, B)

    assert after.startswith(before.rstrip("\n"))
    assert after == before + joined(B).removeprefix(joined())
    assert followed(after, A, B) == after
    assert names(after) == ["core", "watch", "core2"]


def test_a_standby_that_is_gone_goes_and_a_peer_by_hand_stays() -> None:
    before = joined(B, C) + BY_HAND

    after = followed(before, A, C)

    assert names(after) == ["core", "core3", "watch"]
    assert names(followed(before, A)) == ["core", "watch"]


@pytest.mark.parametrize(
    "changed",
    [
        machine("core2", "n", "10.77.0.2"),
        machine("core2", "b", "10.77.0.8"),
        machine("core2", "b", "10.77.0.2", endpoint="198.51.100.7:443"),
        machine("lyon", "b", "10.77.0.2", endpoint=B.endpoint),
    ],
)
def test_a_standby_with_another_key_address_endpoint_or_name_is_changed(
    changed: CoreEnd,
) -> None:
    after = followed(joined(B), A, changed)

    assert peers(after) == peers(joined(changed))
    assert followed(after, A, changed) == after


def test_the_peer_of_the_machine_that_answers_stays_as_it_is() -> None:
    moved = machine("other", "a", "10.77.0.77", endpoint="evil.example:1")

    assert followed(joined(B), moved, B) == joined(B)


@pytest.mark.parametrize("text", [joined(B), of_before(joined(B))])
def test_it_is_all_the_same_by_which_machine_it_is_told(text: str) -> None:
    at_b = machine("core-1", "b", "10.77.0.2", endpoint=B.endpoint)

    assert followed(followed(text, at_b, A), A, B) == text


def test_a_node_that_joined_elsewhere_learns_the_names_where_the_core_goes_on() -> None:
    at_b = machine("core-1", "b", "10.77.0.2", endpoint=B.endpoint)

    after = followed(joined(A, here=at_b), A, B)

    assert names(after) == ["core2", "core"]
    assert followed(after, at_b, A) == after


@pytest.mark.parametrize("text", [joined(B), of_before(joined(B))])
def test_the_first_machine_gets_another_key_while_another_one_is_the_core(text: str) -> None:
    renewed = machine("core", "n", "10.77.0.1")

    after = followed(text, B, renewed)

    assert set(peers(after)) == {key("b"), key("n")}
    assert followed(after, renewed, B) == after


@pytest.mark.parametrize("text", [joined(B), of_before(joined(B))])
def test_the_first_machine_goes_for_ever_once_another_one_is_the_core(text: str) -> None:
    assert set(peers(followed(text + BY_HAND, B))) == {key("b"), key("w")}


def test_a_machine_that_was_never_told_of_is_added_and_takes_nothing_away() -> None:
    evil = machine("core", "a", "10.77.0.1", endpoint="evil.example:1")

    after = followed(joined(C), B, evil)

    assert names(after) == ["core", "core3", "core2"]
    assert after.startswith(joined(C))
    assert names(followed(after, B, A)) == ["core", "core2"]  # by now it has a peer


@pytest.mark.parametrize(
    ("machines", "why"),
    [
        ((A, machine("x", "x", "10.77.1.1")), "this node's own address"),
        ((A, machine("x", "x", "10.77.0.1")), "have both"),
        ((A, B, machine("x", "x", "10.77.0.2")), "have both"),
        ((A, B, machine("x", "b", "10.77.0.9")), "two of them have one key"),
        ((A, machine("x", "a", "10.77.0.9")), "two of them have one key"),
        ((A, machine("x", "w", "10.77.0.9")), "the key of another peer, watch"),
        ((A, machine("x", "x", "10.77.9.9")), "is in a network of watch"),
        ((machine("x", "x", "10.77.0.1"),), "have both"),  # it says that it is the core
        ((A, machine("x", "x", "10.77.0.9", endpoint="a_;b:1")), "is no HOST:PORT"),
    ],
)
def test_a_core_takes_no_address_or_key_that_is_anothers(
    machines: tuple[CoreEnd, ...], why: str
) -> None:
    with pytest.raises(TunnelNotFollowed, match=why):
        followed(joined() + BY_HAND, *machines)


def test_a_machine_gets_routes_to_single_addresses_and_there_are_few() -> None:
    for address in ("0.0.0.0/0", "10.77.0.0/16", "fe80::1%eth0", "x"):
        with pytest.raises(ValidationError):
            machine("x", "x", address)
    with pytest.raises(ValidationError):
        machine("x", "x", "10.77.0.9", endpoint="a:1\n[Peer]")
    with pytest.raises(ValidationError):
        said(*[A] * (MACHINES_MAX + 1))
    allowed = [net for one in peers(followed(joined(), A, B, C)).values() for net in one.allowed]
    assert {ipaddress.ip_network(one).num_addresses for one in allowed} == {1}


def test_a_name_that_another_peer_has_gets_a_number() -> None:
    after = followed(joined() + BY_HAND, A, machine("watch", "b", "10.77.0.2"))

    assert names(after) == ["core", "watch", "watch-1"]
    assert names(joined(B, machine("core2", "c", "10.77.0.3"))) == ["core", "core2", "core2-1"]
    assert followed(after, A, machine("watch", "b", "10.77.0.2")) == after


def test_nothing_is_written_that_roots_bounds_would_refuse_and_the_remedy_is_said() -> None:
    of_joining = "10.77.1.1/32\n10.77.0.1/32\n"

    with pytest.raises(TunnelNotFollowed, match=r"10\.77\.0\.2/32.*run `sh install\.sh`"):
        followed(joined(), A, B, within=of_joining)

    assert followed(joined(), A, within=of_joining) == joined()
    assert names(followed(joined(), A, B, within="10.77.0.0/16\n")) == ["core", "core2"]


def test_a_core_without_a_tunnel_changes_none() -> None:
    assert followed(joined(B)) == joined(B)


def test_a_file_that_is_wrong_already_is_left_to_people() -> None:
    with pytest.raises(TunnelNotFollowed, match="runs programs as root"):
        followed(joined() + "PostUp = x\n", A, B)


def test_a_join_that_names_one_machine_twice_writes_no_file() -> None:
    with pytest.raises(TunnelNotFollowed, match=r"other_cores in core\.yaml"):
        joined(machine("core2", "b", "10.77.0.1"))


def test_the_door_that_answered_stays_until_another_one_answers() -> None:
    known, new = ["old:1"], ["a:1", "b:1"]

    first = followed_doors(known, new, answered="old:1")

    assert first == ["old:1", "a:1", "b:1"]
    assert followed_doors(first, new, answered="a:1") == new
    assert followed_doors(new, ["b:1", "a:1"], answered="b:1") == ["b:1", "a:1"]
    assert followed_doors(known, [], answered="old:1") == known
    assert followed_doors(known, [f"h{n}:1" for n in range(8)], answered="old:1")[0] == "old:1"
    assert len(followed_doors(known, [f"h{n}:1" for n in range(8)], answered="old:1")) == 8
