"""What is a node told that joins: its settings, and where its tunnel ends?

Pure. Its document says it, where there is one; else it is worked out from the core's settings, and
is the least that takes mail.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from common.preferences import Kind, Preferences
from common.preferences.bodies import NodeBody
from common.settings.core import CoreSettings, NodeEntry
from common.settings.values import endpoint, split_endpoint

SMTP_PORT, METRICS_PORT, WIREGUARD_PORT = 25, 9100, 51820
STATE = "/var/lib/borderscout"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTerms:
    """What the core knows of a node that is to join, or has.

    Args:
        node: its name.
        settings: its ``satellite.yaml`` as a tree.
        public: its addresses in the world.
        vpn_addresses: and in the VPN.
        port: where its WireGuard listens.
        core_public: addresses or host names of the core's machine in the world.
        core_port: where its WireGuard listens; 0: as its file says.
        core_vpn_addresses: its in the VPN; none: as its file says.
    """

    node: str
    settings: dict[str, Any]
    public: tuple[str, ...] = ()
    vpn_addresses: tuple[str, ...] = ()
    port: int = WIREGUARD_PORT
    core_public: tuple[str, ...] = ()
    core_port: int = 0
    core_vpn_addresses: tuple[str, ...] = ()

    def reached(self, hosts: Sequence[str]) -> str:
        """Return the first that the node can reach, of a family that it has; else the first."""
        families = {ipaddress.ip_address(address).version for address in self.public}
        fitting = [host for host in hosts if _version(host) in {0, *families}]
        return next(iter([*fitting, *hosts]), "")


def terms_of(node: str, settings: CoreSettings, preferences: Preferences) -> NodeTerms | None:
    """Return what a node is told; None: there is no such node."""
    document = preferences.document(Kind.NODE, node)
    if document is not None:
        return _told(node, document.body_as(NodeBody))
    for entry in settings.nodes:
        if entry.name == node:
            return _least(entry, settings)
    return None


def own_hosts(settings: CoreSettings) -> tuple[str, ...]:
    """Return where this machine is in the world: its join doors stand before those of others.

    Where they end is known by where the others' tunnels end; else the first one is all.
    """
    doors = tuple(split_endpoint(one)[0] for one in settings.join.public)
    others = {split_endpoint(end)[0] for one in settings.other_cores for end in one.tunnel}
    own = tuple(takewhile(lambda host: host not in others, doors))
    return doors[:1] if settings.other_cores and len(own) in {0, len(doors)} else own


def taken_out(node: str) -> str:
    """Return what an operator should know of a member of whom there are no such terms any more."""
    return (
        f"{node} has joined, and neither a document nor core.yaml names it any more: if it goes for"
        f" good, borderscout inventory revoke {node}; else put it into the inventory, and apply it"
    )


def _told(node: str, body: NodeBody) -> NodeTerms:
    public = tuple(one for one in body.addresses if one not in body.vpn_addresses)
    if body.wireguard is None:
        return NodeTerms(node=node, settings=body.settings, public=public)
    core = body.wireguard.core
    return NodeTerms(
        node=node,
        settings=body.settings,
        public=public,
        vpn_addresses=body.vpn_addresses,
        port=body.wireguard.port,
        core_public=core.public,
        core_port=core.port,
        core_vpn_addresses=core.vpn_addresses,
    )


def _least(entry: NodeEntry, settings: CoreSettings) -> NodeTerms:
    """Return what follows from the core's own settings; engines come with the node's document."""
    inside = entry.vpn_addresses
    public = [one for one in entry.addresses if one not in inside]
    host = f"{entry.name}.{settings.mail_domain}" if settings.mail_domain else entry.name
    metrics = endpoint(inside[0] if inside else "127.0.0.1", METRICS_PORT)
    # Left out where there are none: a node of a version before does not know the key.
    standbys = [one.link for one in settings.other_cores]
    files = {"certificate": "tls/smtp.crt", "key": "tls/smtp.key"}
    tree: dict[str, Any] = {
        "cluster": settings.cluster,
        "node": entry.name,
        "site": entry.site,
        "hostname": host,
        "mail_domain": settings.mail_domain or host,
        "workers": 2,
        "state": STATE,
        "smtp": {
            "listen": _everywhere(public),
            **files,
            "rsa_certificate": "tls/smtp-rsa.crt",
            "rsa_key": "tls/smtp-rsa.key",
        },
        "metrics": metrics,
        "core": {
            "address": settings.grpc,
            "name": settings.name,
            "certificate": "tls/node.crt",
            "key": "tls/node.key",
            "authority": "tls/authority.crt",
            **({"standbys": standbys} if standbys else {}),
        },
        "engines": [{"name": "yara", "kind": "yara"}],
    }
    return NodeTerms(
        node=entry.name,
        settings=tree,
        public=tuple(public),
        vpn_addresses=tuple(inside) if settings.wireguard.file else (),
        core_public=own_hosts(settings),
    )


def _everywhere(addresses: Sequence[str]) -> list[str]:
    versions = {ipaddress.ip_address(address).version for address in addresses} or {4}
    return [{4: f"0.0.0.0:{SMTP_PORT}", 6: f"[::]:{SMTP_PORT}"}[one] for one in sorted(versions)]


def _version(host: str) -> int:
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0
