"""Does the doctor name why a tunnel does not come up? The real causes: tests/integration."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cli import tunnel_look
from cli.tunnel_checks import PEERS_SHOWN, TunnelFacts, tunnel_checks, tunnel_of_the_core
from common.wireguard.tunnel_knocks import Knock, knock_in
from common.wireguard.tunnel_state import PeerHealth, TunnelHealth

CORE = PeerHealth(
    name="core", endpoint="192.0.2.1:51820", stated="192.0.2.1:51820", handshake_s=1000
)
HEALTH = TunnelHealth(interface="wg0", at_s=1010, up=True, mtu=1420, peers=(CORE,))
WELL = TunnelFacts(at_s=1010.0, health=HEALTH, port=51820)


def faults(facts: TunnelFacts) -> list[str]:
    return [f"{one.name}: {one.found}; {one.remedy}" for one in tunnel_checks(facts) if not one.ok]


def with_peer(**changes: object) -> TunnelFacts:
    peer = replace(CORE, **changes)  # type: ignore[arg-type]
    return replace(WELL, health=replace(HEALTH, peers=(peer,)))


def test_of_what_is_well_nothing_is_said_but_that() -> None:
    assert faults(WELL) == []
    assert [one.found for one in tunnel_checks(WELL)] == ["wg0: 1 of 1 peer is well"]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(WELL, health=None), "nobody tells how it fares; systemctl status"),
        (replace(WELL, health=replace(HEALTH, up=False)), "there is no interface wg0"),
        (replace(WELL, at_s=1071.0), "was looked after 61 s ago for the last time"),
        (replace(WELL, health=replace(HEALTH, problem="wrong")), "tunnel file: wrong"),
        (replace(WELL, differs=("add peer x",)), "is not as its file says, for one: add peer x"),
        (with_peer(handshake_s=0, unresolved=True, stated="c.example:1"), "c.example has no addr"),
        (with_peer(handshake_s=0, sent_bytes=9), "9 octets went to 192.0.2.1:51820 and nothing"),
        (with_peer(handshake_s=0, endpoint=""), "and its file says no endpoint"),
        (with_peer(handshake_s=829), "shook hands 181 s ago for the last time: the path is cut"),
        # The handshake is told by this machine's clock, which is before it now.
        (with_peer(handshake_s=4610), "shook hands 3600 s in the future: this machine's clock was"),
        (replace(WELL, carried={"core": 1300}, set_mtus={"core": 1420}), "packets of 1300 octets"),
    ],
)
def test_each_cause_is_named_with_what_mends_it(facts: TunnelFacts, said: str) -> None:
    (found,) = faults(facts)

    assert said in found
    assert len(found.rpartition("; ")[2]) > 10


def test_a_peer_whose_clock_was_set_back_knocks_with_the_right_key_and_is_not_heard() -> None:
    """WireGuard takes a handshake that is older than the last one for a replay."""
    old = replace(with_peer(handshake_s=500), knocks=(Knock("192.0.2.1", True),))

    (found,) = faults(old)

    assert "it knocks with the right key, and is not heard: its clock was set back" in found
    assert "wg set wg0 peer KEY remove" in found


def test_a_knock_from_another_peer_s_place_says_nothing_of_this_one() -> None:
    other = replace(CORE, name="other", endpoint="192.0.2.2:1")
    silent = replace(CORE, handshake_s=0)
    facts = replace(
        WELL,
        health=replace(HEALTH, peers=(silent, other)),
        knocks=(Knock("192.0.2.2", False),),
    )

    (found,) = faults(facts)

    assert "tunnel to core: never shook hands: nothing comes in at our UDP port" in found


def test_no_answer_to_an_echo_is_no_fault() -> None:
    facts = replace(WELL, carried={"core": 0}, set_mtus={"core": 1420})

    assert faults(facts) == []
    assert any(one.note and "answers no echo" in one.found for one in tunnel_checks(facts))


def test_of_machines_that_can_be_the_core_one_that_is_well_is_enough() -> None:
    off = replace(CORE, name="standby", handshake_s=0, endpoint="192.0.2.9:51820")
    both = replace(WELL, health=replace(HEALTH, peers=(off, CORE)), needs_all=False)
    neither = replace(both, health=replace(HEALTH, peers=(off, replace(CORE, handshake_s=0))))

    note, summary = tunnel_checks(both)

    assert faults(replace(both, needs_all=True)) != []
    assert (note.name, note.ok, note.note) == ("tunnel to standby", True, True)
    assert note.found.endswith("; not needed as long as another one is well")
    assert summary.found == "wg0: 1 of 2 peers are well"
    assert len(faults(neither)) == 2


def test_not_more_peers_are_told_of_than_anybody_reads() -> None:
    many = tuple(replace(CORE, name=f"n{n}", handshake_s=0) for n in range(100))

    found = list(tunnel_checks(replace(WELL, health=replace(HEALTH, peers=many))))

    assert len(found) == PEERS_SHOWN + 1
    assert found[-1].found == "wg0: 0 of 100 peers are well"


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\0" * 8, b"\0\1\0\7\0\0\0\0" + b"\1\0\0\0", b"\0\1\0\7\0\0\0\0" + b"\2\0\0\0" * 37],
)
def test_what_is_no_first_packet_is_no_knock(datagram: bytes) -> None:
    assert knock_in(datagram, source="x", port=7, public_key="A" * 43 + "=") is None


def test_a_core_tells_of_all_nodes_tunnels() -> None:
    cut = replace(HEALTH, peers=(replace(CORE, name="lon1", handshake_s=500),))

    (found, well) = tunnel_of_the_core({"tunnel": asdict(cut)}, at_s=1010.0)

    assert found.name == "tunnel to lon1"
    assert "shook hands 510 s ago" in found.found
    assert well.ok
    assert list(tunnel_of_the_core({}, at_s=1010.0)) == []
    assert list(tunnel_of_the_core({"tunnel": None}, at_s=1010.0)) == []
    (strange,) = tunnel_of_the_core({"tunnel": {"up": 5}}, at_s=1010.0)
    assert not strange.ok


def test_a_file_that_leads_elsewhere_is_no_reason_to_apply_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, within = tmp_path / "none0.conf", tmp_path / "tunnel.networks"
    key = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
    config.write_text(
        f"[Interface]\nPrivateKey = {key}\nAddress = 10.77.1.1/32\n"
        f"[Peer]\nPublicKey = {key}\nAllowedIPs = 203.0.113.0/24\n"
    )
    monkeypatch.setattr(tunnel_look, "WITHIN", within)

    unbounded = list(tunnel_look.look_at_tunnel(config))
    within.write_text("10.77.0.0/16\n")
    (bounded,) = tunnel_look.look_at_tunnel(config)

    assert unbounded[-1].note
    assert "nothing bounds where it leads" in unbounded[-1].found
    assert (bounded.name, bounded.ok) == ("tunnel file", False)
    assert "203.0.113.0/24 lies outside what the tunnel may lead to" in bounded.found
