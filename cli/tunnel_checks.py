"""Why does a tunnel not come up, and what mends it?

Pure, over what was seen. The causes are looked at in the order in which they hide each other: no
interface, no handshake ever, an old one, the clock, and at last large packets that are lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.checks import DoctorCheck
from common.counted import counted
from common.wireguard.tunnel_knocks import Knock
from common.wireguard.tunnel_state import HANDSHAKE_S_DEAD, PeerHealth, TunnelHealth, parse_health

STATE_S_MAX = 60  # the keeper writes every ten seconds, and measures a path for up to a minute
CLOCK_S = 5
PEERS_SHOWN = 20

KEEPER = "systemctl status borderscout-wireguard; or type: borderscout wireguard apply"
THERE = "on the other machine, as root: borderscout doctor --tunnel /etc/borderscout/wg0.conf"
KEYS = (
    "let both have files of one rendering: borderscout inventory render FILE --out DIR, copy both"
    " wg0.conf, and type on each: borderscout wireguard apply"
)
CLOCK = (
    "set the clock: an NTP client; until it has passed that time the other side takes our"
    " handshakes for old ones. To be heard at once, type there: wg set {interface} peer KEY remove,"
    " then: borderscout wireguard apply"
)
NARROW = "set it: borderscout wireguard mtu --apply; borderscout-wireguard does it by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelFacts:
    """What was seen of a tunnel."""

    at_s: float
    health: TunnelHealth | None  # None: nobody tells
    port: int = 0  # ours
    differs: tuple[str, ...] = ()  # what would make it as its file says
    closed: frozenset[str] = frozenset()  # HOST:PORT where nothing listens
    knocks: tuple[Knock, ...] | None = None  # None: nobody listened
    carried: Mapping[str, int] = field(default_factory=dict)  # peer → octets; 0: no answer
    set_mtus: Mapping[str, int] = field(default_factory=dict)  # peer → what its route takes
    needs_all: bool = True  # whether each peer is needed; else one that is well is enough


def tunnel_checks(facts: TunnelFacts) -> Iterator[DoctorCheck]:
    """Yield what is wrong, and what is well."""
    health = facts.health
    if health is None:
        yield _fault("tunnel", "nobody tells how it fares", KEEPER)
        return
    if not health.up:
        yield _fault("tunnel", f"there is no interface {health.interface}", KEEPER)
        return
    if facts.at_s - health.at_s > STATE_S_MAX:
        age = facts.at_s - health.at_s
        yield _fault("tunnel", f"was looked after {age:.0f} s ago for the last time", KEEPER)
    if health.problem:
        yield _fault("tunnel file", health.problem, "correct it, or render and copy it anew")
    if facts.differs:
        what = f"is not as its file says, for one: {facts.differs[0]}"
        yield _fault("tunnel", what, "type: borderscout wireguard apply")
    found = [_peer(facts, health, peer) for peer in health.peers]
    if not facts.needs_all and any(check.ok for check in found):
        found = [check if check.ok else _not_needed(check) for check in found]
    yield from [check for check in found if not check.ok or check.note][:PEERS_SHOWN]
    well = sum(check.ok and not check.note for check in found)
    yield DoctorCheck(
        name="tunnel",
        ok=True,
        found=f"{health.interface}: {well} of {counted(len(found), 'peer is', 'peers are')} well",
    )


def tunnel_of_the_core(status: Mapping[str, Any], *, at_s: float) -> Iterator[DoctorCheck]:
    """Yield what a core's status tells of its tunnel, and so of the tunnels of all nodes.

    Args:
        status: what the core answered; one of before tells nothing.
    """
    told = status.get("tunnel")
    if told is None:
        return
    try:
        health = parse_health(json.dumps(told).encode())
    except ValueError:
        yield _fault("tunnel", "the core tells what nobody understands", "upgrade this command")
        return
    yield from tunnel_checks(TunnelFacts(at_s=at_s, health=health))


def _peer(facts: TunnelFacts, health: TunnelHealth, peer: PeerHealth) -> DoctorCheck:
    name = f"tunnel to {peer.name}"
    age_s = facts.at_s - peer.handshake_s
    if not peer.handshake_s:
        return _fault(name, *_never(facts, health, peer))
    if age_s < -CLOCK_S:
        what = f"shook hands {-age_s:.0f} s in the future: this machine's clock was set back"
        return _fault(name, what, CLOCK.format(interface=health.interface))
    if age_s > HANDSHAKE_S_DEAD:
        return _fault(name, *_old(facts, health, peer, age_s))
    return _size(facts, name, peer)


def _never(facts: TunnelFacts, health: TunnelHealth, peer: PeerHealth) -> tuple[str, str]:
    never = "never shook hands"
    host = peer.stated.rpartition(":")[0].strip("[]")
    if peer.unresolved:
        return (
            f"{never}: {host} has no address",
            f"look at the name: getent hosts {host}, and at /etc/resolv.conf; it is looked up again"
            " by itself",
        )
    if not peer.endpoint:
        return f"{never}, and its file says no endpoint", f"it has to begin: {THERE}"
    if peer.endpoint in facts.closed:
        return (
            f"{never}: nothing listens at {peer.endpoint}, as the machine there says",
            "start it there: systemctl start borderscout-wireguard; and compare its ListenPort",
        )
    knocks = _knocks_of(facts, health, peer)
    if knocks:
        strange = [one for one in knocks if not one.for_us]
        why = (
            "its file has another public key for us than ours"
            if strange
            else ("its key is not the one in our file")
        )
        return f"{never}: it knocks, from {(strange or knocks)[0].source}, and {why}", KEYS
    if facts.knocks is not None and not peer.sent_bytes:
        return f"{never}: nothing comes in at our UDP port {facts.port}", _port(facts, peer)
    return (
        f"{never}: {peer.sent_bytes} octets went to {peer.endpoint} and nothing came back: UDP is"
        " dropped on the way, or the keys differ",
        f"which of the two is seen {THERE}; {_port(facts, peer)}",
    )


def _port(facts: TunnelFacts, peer: PeerHealth) -> str:
    there = peer.endpoint.rpartition(":")[2]
    return (
        f"open UDP port {there} there and {facts.port or 'ours'} here in every firewall between:"
        " nft list ruleset"
    )


def _old(
    facts: TunnelFacts, health: TunnelHealth, peer: PeerHealth, age_s: float
) -> tuple[str, str]:
    what = f"shook hands {age_s:.0f} s ago for the last time"
    if any(one.for_us for one in _knocks_of(facts, health, peer)):
        return (
            f"{what}; it knocks with the right key, and is not heard: its clock was set back, or it"
            " has a new key",
            f"look at the clock there: date -u; {CLOCK.format(interface=health.interface)};"
            f" of a new key: {KEYS}",
        )
    if peer.endpoint in facts.closed:
        return (
            f"{what}; nothing listens at {peer.endpoint}",
            "start it there: systemctl start borderscout-wireguard",
        )
    return (
        f"{what}: the path is cut, or the machine is off",
        f"{THERE}; {_port(facts, peer)}",
    )


def _knocks_of(facts: TunnelFacts, health: TunnelHealth, peer: PeerHealth) -> list[Knock]:
    """Return the knocks that may be this peer's: from where it is, or from nobody's place."""
    places = {_host(one.endpoint): one.name for one in health.peers if one.endpoint}
    return [one for one in facts.knocks or () if places.get(one.source, peer.name) == peer.name]


def _host(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]")


def _size(facts: TunnelFacts, name: str, peer: PeerHealth) -> DoctorCheck:
    carried = facts.carried.get(peer.name)
    limit = facts.set_mtus.get(peer.name, 0)
    if carried == 0:
        return DoctorCheck(
            name=name,
            ok=True,
            note=True,
            found="answers no echo request: how large a packet may be is not known",
        )
    if carried and limit and carried < limit:
        what = f"carries packets of {carried} octets, and swallows those of up to {limit}"
        return _fault(name, what, NARROW)
    return DoctorCheck(name=name, ok=True, found="well")


def _not_needed(check: DoctorCheck) -> DoctorCheck:
    found = f"{check.found}; not needed as long as another one is well"
    return DoctorCheck(name=check.name, ok=True, note=True, found=found)


def _fault(name: str, what: str, remedy: str) -> DoctorCheck:
    return DoctorCheck(name=name, ok=False, found=what, remedy=remedy)
