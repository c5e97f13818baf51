"""Which peers has a node's tunnel for the machines that can be the core, as the core says?

Pure. The core is one of several machines, and a node has a peer for each of them all the time. Of
those it is told again whenever it looks at its keys, and then only these peers change. A peer of
ours bears a remark, by which it is known once the core does not name it any more.

Whoever answers may have been taken over, or be out of date. So the node's own key and addresses are
not for him to say, the peer of the machine that answers stays as it is, no peer by hand loses its
key or networks, and each machine gets routes to single addresses. Within root's bounds: a file that
leads beyond them would be refused whole, and with it the change of a key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from itertools import product

from common.errors import EnvironmentFailure, LocalError
from common.join_token import DOORS_MAX
from common.joining import CoreEnd, CoreEnds, Tunnel
from common.wireguard.tunnel_bounds import NETWORKS_PLACE, Network, outside
from common.wireguard.tunnel_file import TunnelFile, TunnelPeer, parse_endpoint, parse_tunnel_file
from common.wireguard_text import (
    KEEPALIVE_S,
    WireGuardPeer,
    free_name,
    host_routes,
    remarked,
    wireguard_text,
    with_keys,
)

REMARK = "a machine that can be the core: this peer is kept as the core says"
_FILE = "wg0.conf"


class TunnelNotFollowed(EnvironmentFailure):
    """The tunnel has other peers than the core has machines, and stays so."""


def tunnel_text(private_key: str, tunnel: Tunnel) -> str:
    """Return a joining node's ``wg0.conf``: its peers are the machines that can be the core.

    Raises:
        TunnelNotFollowed: two of them have one key or address, or one has the node's own.
    """
    here = CoreEnd(
        name=tunnel.core_name,
        key=tunnel.core_key,
        endpoint=tunnel.core_endpoint,
        addresses=tunnel.core_addresses,
    )
    text = wireguard_text(
        private_key=private_key,
        vpn_addresses=tunnel.addresses,
        port=tunnel.port,
        peers=_named([here, *tunnel.other_cores], set()),
    )
    _checked(text, [here, *tunnel.other_cores])
    return text


def followed_text(text: str, said: CoreEnds, *, core: str, within: Sequence[Network] | None) -> str:
    """Return a node's ``wg0.conf`` as it is once the core was followed; the same: it is so already.

    Args:
        text: the file now.
        said: by the core, of its machines.
        core: its name, which the peer of joining bears.
        within: what root allows; None: nothing is bounded.

    Raises:
        TunnelNotFollowed: it cannot become so.
    """
    if not said.machines:
        return text
    if len({one.key for one in said.machines}) < len(said.machines):
        raise _not_followed("two of them have one key")
    tunnel = _parsed(text)
    there = {one.public_key: one for one in tunnel.peers}
    meant, gone = _meant(there, said, _ours(tunnel, core, remarked(text, REMARK)))
    changing = gone | {one.key for one in meant}
    taken = {one.name for key, one in there.items() if key not in changing}
    differing = [one for one in _named(meant, taken) if not _is_as(there.get(one.public_key), one)]
    if not differing and not gone:
        return text
    changed = with_keys(text, differing, gone=gone)
    found = _checked(changed, said.machines)
    beyond = [] if within is None else outside(found, within)
    if beyond:
        raise TunnelNotFollowed(
            f"the core names a machine that can be the core, and {beyond[0]} lies outside what"
            f" {NETWORKS_PLACE} allows",
            hint="as root, run `sh install.sh` of this node's folder, rendered anew",
        )
    return changed


def followed_doors(known: Sequence[str], said: Sequence[str], *, answered: str) -> list[str]:
    """Return the join doors that a node keeps: those that the core names.

    The one that answered stays until another one has answered: a core that names its doors wrongly
    could be told better through no other one.

    Args:
        known: those that it has now.
        said: those that the core names; none: it does not say.
        answered: the one that it said so at.
    """
    if not said:
        return list(known)
    doors = list(dict.fromkeys(said))
    return doors if answered in doors else [answered, *doors][:DOORS_MAX]


def _ours(tunnel: TunnelFile, core: str, marked: frozenset[str]) -> frozenset[str]:
    """Return the keys of the peers that are of machines of the core, and none by hand.

    Where a version before has joined, there is one without the remark, that has the core's name.
    """
    return marked | {one.public_key for one in tunnel.peers if one.name == core}


def _meant(
    there: Mapping[str, TunnelPeer], said: CoreEnds, ours: frozenset[str]
) -> tuple[list[CoreEnd], frozenset[str]]:
    """Return the machines whose peers are to be as the core says, and the keys of those to go.

    Nothing that is there changes before the machine that answers, the first one, has a peer: one
    that has none may be anybody's idea of the core.
    """
    answering, *others = said.machines
    is_known = answering.key in there
    meant = others if is_known else [one for one in said.machines if one.key not in there]
    by_hand = [peer for key, peer in there.items() if key not in ours | {answering.key}]
    for machine, peer in product(meant, by_hand):
        if machine.key == peer.public_key:
            raise _not_followed(f"{machine.name} has the key of another peer, {peer.name}")
        for address in machine.addresses:
            if any(_is_in(address, network) for network in peer.allowed):
                raise _not_followed(f"{address} of {machine.name} is in a network of {peer.name}")
    return meant, ours - {one.key for one in said.machines} if is_known else frozenset()


def _is_in(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _named(machines: Sequence[CoreEnd], taken: set[str]) -> list[WireGuardPeer]:
    """Return their peers, each of a name that no other one has: metrics tell them apart by it."""
    peers, names = [], set(taken)
    for machine in machines:
        name = free_name(machine.name, names)
        names.add(name)
        peers.append(
            WireGuardPeer(
                name=name,
                public_key=machine.key,
                allowed=host_routes(machine.addresses),
                endpoint=machine.endpoint,
                keepalive_s=KEEPALIVE_S,
                remark=REMARK,
            )
        )
    return peers


def _is_as(there: TunnelPeer | None, peer: WireGuardPeer) -> bool:
    if there is None or there.name != peer.name or set(there.allowed) != set(peer.allowed):
        return False
    try:
        return there.endpoint == parse_endpoint(peer.endpoint)
    except ValueError:
        return False  # and whoever reads the file says so


def _parsed(text: str) -> TunnelFile:
    try:
        return parse_tunnel_file(text, file=_FILE)
    except LocalError as error:
        raise _not_followed(str(error).splitlines()[0]) from None


def _checked(text: str, machines: Sequence[CoreEnd]) -> TunnelFile:
    """Return what a file says that may be written.

    Raises:
        TunnelNotFollowed: it would be refused, or a machine has an address of the node itself.
    """
    found = _parsed(text)
    own = {ipaddress.ip_interface(address).ip for address in found.addresses}
    for machine in machines:
        for address in machine.addresses:
            if ipaddress.ip_address(address) in own:
                raise _not_followed(f"{machine.name} has this node's own address {address}")
    return found


def _not_followed(why: str) -> TunnelNotFollowed:
    return TunnelNotFollowed(
        f"what the core says of the machines that can be the core does not fit here: {why}",
        hint="correct other_cores in core.yaml; if the core's own key has changed, join again",
    )
