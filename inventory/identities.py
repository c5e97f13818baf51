"""Which names stand in whose certificate?

Pure. Source: docs/inventory.md, *Who trusts whom*.
"""

from __future__ import annotations

from common.issuing import Identity, mail_server_of, satellite_of
from common.joining import INTERNAL
from inventory.addressing import LOOPBACK
from inventory.model import Cluster, Core, CoreMachine, Node


def core_identity(
    cluster: Cluster, core: Core, *, loopback: bool, machine: CoreMachine | None = None
) -> Identity:
    """Return what the core's certificate says: a server on the VPN addresses of its machine.

    Its name is the core's on each of its machines: nodes look for that, wherever it runs.

    Args:
        machine: the one that shows it; None: the core's own.
    """
    return Identity(
        name=f"{core.name} core of {cluster.name}",
        uris=(f"borderscout://{cluster.name}/core/{core.name}",),
        hosts=(f"{core.name}.{cluster.name}.{INTERNAL}",),
        addresses=(machine or core).vpn_address + ((LOOPBACK,) if loopback else ()),
        is_server=True,
        is_client=True,
    )


def satellite_identity(cluster: Cluster, node: Node) -> Identity:
    """Return what a satellite's certificate says: a client of the core, and nothing else."""
    return satellite_of(cluster.name, node.name)


def smtp_identity(cluster: Cluster, node: Node) -> Identity:
    """Return what a satellite shows to the world for STARTTLS."""
    return mail_server_of(node_host(cluster, node), cluster.mail_domain)


def issuer_hosts(cluster: Cluster) -> tuple[str, ...]:
    """Return the domains that what the core signs may name: the nodes' own, and the inner one."""
    return (cluster.mail_domain, INTERNAL)


def node_host(cluster: Cluster, node: Node) -> str:
    """Return a satellite's host name: in its banner, its EHLO and its Received lines."""
    return machine_host(cluster, node.name)


def machine_host(cluster: Cluster, name: str) -> str:
    """Return the host name of a machine of ours."""
    return f"{name}.{cluster.mail_domain}"
