"""Where do a node's tunnels end: at which machines that can be the core?

Pure. Of its own end the machine that answers knows the key by its WireGuard file; of the others it
knows what its settings say. A node's document comes with the database from one machine to the next,
and so may speak of another one than that which answers: then its own file and join door count.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.joining import CoreEnd, CoreEnds, Tunnel
from common.settings.core import CoreSettings, OtherCore
from common.settings.values import endpoint, split_endpoint
from common.wireguard_text import free_name
from core.joining.node_terms import WIREGUARD_PORT, NodeTerms, own_hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEnd:
    """What the WireGuard file of the machine that answers says.

    Args:
        key: its public key, base64; empty: it has no tunnel.
        addresses: its addresses in the VPN.
        port: where it listens; 0: anywhere.
    """

    key: str = ""
    addresses: tuple[str, ...] = ()
    port: int = 0


def tunnel_of(terms: NodeTerms, settings: CoreSettings, own: OwnEnd) -> Tunnel | None:
    """Return what a node gets that joins; None: it has no tunnel."""
    here = _own_machine(terms, settings, own)
    if here is None:
        return None
    return Tunnel(
        addresses=list(terms.vpn_addresses),
        port=terms.port,
        core_name=here.name,
        core_key=here.key,
        core_endpoint=here.endpoint,
        core_addresses=here.addresses,
        other_cores=_others(terms, settings),
    )


def machines_of(
    terms: NodeTerms, settings: CoreSettings, own: OwnEnd, generation: int = 0
) -> CoreEnds:
    """Return what a member is told of the machines that can be the core.

    Args:
        terms: what the core knows of it.
        settings: the core's.
        own: what this machine's WireGuard file says.
        generation: of the epoch of the core that answers.
    """
    here = _own_machine(terms, settings, own)
    return CoreEnds(
        core=settings.name,
        machines=[] if here is None else [here, *_others(terms, settings)],
        doors=list(settings.join.public),
        generation=generation,
    )


def _own_machine(terms: NodeTerms, settings: CoreSettings, own: OwnEnd) -> CoreEnd | None:
    told = terms.core_vpn_addresses
    is_meant = not told or not own.addresses or bool(set(told) & set(own.addresses))
    addresses = told if told and is_meant else own.addresses
    host = terms.reached(terms.core_public if is_meant else own_hosts(settings))
    if not own.key or not terms.vpn_addresses or not host or not addresses:
        return None
    ports = (terms.core_port, own.port) if is_meant else (own.port, terms.core_port)
    port = next((one for one in ports if one), WIREGUARD_PORT)
    # The settings name the core, which is one, and the other machines: that may be the name of one.
    name = free_name(settings.name, {one.name for one in settings.other_cores})
    return CoreEnd(name=name, key=own.key, endpoint=endpoint(host, port), addresses=list(addresses))


def _others(terms: NodeTerms, settings: CoreSettings) -> list[CoreEnd]:
    return [
        CoreEnd(
            name=one.name,
            key=one.wireguard_key,
            endpoint=_end(terms, one),
            addresses=list(one.vpn_addresses),
        )
        for one in settings.other_cores
        if one.wireguard_key and one.vpn_addresses and one.tunnel
    ]


def _end(terms: NodeTerms, machine: OtherCore) -> str:
    hosts = [split_endpoint(end)[0] for end in machine.tunnel]
    return machine.tunnel[hosts.index(terms.reached(hosts))]
