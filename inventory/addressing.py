"""Where does everything listen, and who is whose WireGuard peer?

Pure. In a real cluster the link, REST and metrics listen on VPN addresses alone, and SMTP on all
addresses of the node: a public address is often translated on its way and stands on no interface of
the node, so that listening on exactly it would fail. On loopback everything has a port of its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from common.join_token import DOORS_MAX
from common.settings.core import OtherCore
from common.settings.values import endpoint
from common.wireguard_text import KEEPALIVE_S, WireGuardPeer, host_routes
from inventory.model import CORE_FOLDER, CoreMachine, Inventory, Node

SMTP_PORT = 25
GRPC_PORT = 7443
DEFINITIONS_PORT = 7444
JOIN_PORT = 7445
HTTP_PORT = 8080
METRICS_PORT = 9100
HTTPS_PORT = 443
LOOPBACK = "127.0.0.1"

CORE_PORTS = ("http", "grpc", "definitions", "join")
NODE_PORTS = ("smtp", "metrics")
POLICIES = "policies"  # a port that a node has where MTA-STS policies are served

Ports = Mapping[str, Mapping[str, int]]  # folder → what listens → port


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePlaces:
    """Where the core listens; every text is HOST:PORT."""

    http: str
    grpc: str
    definitions: str
    join: str
    join_public: tuple[str, ...]  # where the world reaches it


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlaces:
    """Where a satellite listens, and where it is reached."""

    listen: tuple[str, ...]
    smtp: str  # where the world reaches it
    metrics: str
    policies: tuple[str, ...] = ()  # where MTA-STS policies are served, if they are


def wanted_ports(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Return for each folder the ports that it needs on loopback."""
    wanted = dict.fromkeys(inventory.core.machines(), CORE_PORTS)
    policies = (POLICIES,) if inventory.cluster.mta_sts is not None else ()
    return wanted | {node.name: NODE_PORTS + policies for _, node in inventory.nodes()}


def core_places(core: CoreMachine, ports: Ports | None, *, folder: str = CORE_FOLDER) -> CorePlaces:
    """Return where the core listens on one of its machines; with ``ports``, on loopback.

    Args:
        folder: the machine's.
    """
    if ports is not None:
        mine = ports[folder]
        host = LOOPBACK
        join = LOOPBACK
        reached: tuple[str, ...] = (LOOPBACK,)
    else:
        host = core.vpn_address[0]
        mine = {
            "http": HTTP_PORT,
            "grpc": GRPC_PORT,
            "definitions": DEFINITIONS_PORT,
            "join": JOIN_PORT,
        }
        join, reached = "::", core.public  # both families, wherever the machine has both
    return CorePlaces(
        http=endpoint(host, mine["http"]),
        grpc=endpoint(host, mine["grpc"]),
        definitions=endpoint(host, mine["definitions"]),
        join=endpoint(join, mine["join"]),
        join_public=tuple(endpoint(one, mine["join"]) for one in reached),
    )


def core_links(inventory: Inventory, ports: Ports | None) -> list[str]:
    """Return where the core takes links, HOST:PORT: on the machine that it runs on, then others."""
    machines = inventory.core.machines()
    return [core_places(machine, ports, folder=folder).grpc for folder, machine in machines.items()]


def join_doors(inventory: Inventory, folder: str, ports: Ports | None) -> list[str]:
    """Return where nodes join: at one of the core's machines, then at the others.

    A node keeps a few doors. So each other machine has its first one among them before any machine
    has its second one, and those of the one stand together, before all others.

    Args:
        folder: of the one.
    """
    own, *others = [
        list(core_places(machine, ports, folder=name).join_public)
        for name, machine in sorted(
            inventory.core.machines().items(), key=lambda item: item[0] != folder
        )
    ]
    own = own[: DOORS_MAX - len(others)]
    in_turn = [door for doors in zip_longest(*others) for door in doors if door is not None]
    return [*own, *in_turn][:DOORS_MAX]


def other_cores(
    inventory: Inventory, folder: str, ports: Ports | None, public_keys: Mapping[str, str]
) -> list[OtherCore]:
    """Return the core's machines but for one, as that one tells nodes of them.

    Args:
        folder: of the one.
        public_keys: folder → public key, base64; on loopback there are no tunnels.
    """
    return [
        OtherCore(
            name=machine.name,
            link=core_places(machine, ports, folder=other).grpc,
            vpn_addresses=list(machine.vpn_address),
            tunnel=[endpoint(one, inventory.cluster.vpn_port) for one in machine.public],
            wireguard_key="" if ports is not None else public_keys.get(other, ""),
        )
        for other, machine in inventory.core.machines().items()
        if other != folder
    ]


def node_places(node: Node, ports: Ports | None) -> NodePlaces:
    """Return where a satellite listens; with ``ports``, on loopback."""
    if ports is not None:
        mine = ports[node.name]
        smtp = endpoint(LOOPBACK, mine["smtp"])
        metrics = endpoint(LOOPBACK, mine["metrics"])
        policies = (endpoint(LOOPBACK, mine[POLICIES]),) if POLICIES in mine else ()
        return NodePlaces(listen=(smtp,), smtp=smtp, metrics=metrics, policies=policies)
    versions = {ipaddress.ip_address(address).version for address in node.public}
    everywhere = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - see above: behind translation
    return NodePlaces(
        listen=tuple(endpoint(everywhere[version], SMTP_PORT) for version in sorted(versions)),
        smtp=endpoint(node.public[0], SMTP_PORT),
        metrics=endpoint(node.vpn_address[0], METRICS_PORT),
        policies=tuple(endpoint(everywhere[version], HTTPS_PORT) for version in sorted(versions)),
    )


def reached_at(places: Sequence[str], *, seen_from: Sequence[str]) -> str:
    """Return the first of a machine's public places that another machine may reach.

    A host name may lead to both families, and so is good for everybody; with none that meets, the
    first one is as good as any: ``inventory check`` says so.

    Args:
        places: public addresses or host names, at least one.
        seen_from: the same of the other machine.
    """
    here = {_family(one) for one in seen_from}
    return next((one for one in places if None in here or _family(one) in {None, *here}), places[0])


def _family(place: str) -> int | None:
    """Return 4 or 6, or None for a host name."""
    try:
        return ipaddress.ip_address(place).version
    except ValueError:
        return None


def peers_of_core(
    inventory: Inventory, public_keys: Mapping[str, str], machine: CoreMachine
) -> list[WireGuardPeer]:
    """Return the peers of a machine of the core: every satellite.

    Args:
        public_keys: folder → public key, base64.
        machine: one with IPv6 alone never reaches an IPv4 endpoint.
    """
    return [
        WireGuardPeer(
            name=node.name,
            public_key=public_keys[node.name],
            allowed=host_routes(node.vpn_address),
            endpoint=endpoint(
                reached_at(node.public, seen_from=machine.public),
                inventory.cluster.vpn_port,
            ),
        )
        for _, node in inventory.nodes()
    ]


def peers_of_satellite(
    inventory: Inventory, node: Node, public_keys: Mapping[str, str]
) -> list[WireGuardPeer]:
    """Return a satellite's peers: the core's machines. Satellites need nothing from each other.

    Args:
        node: whose file it is: one with IPv6 alone never reaches an IPv4 endpoint.
    """
    return [
        WireGuardPeer(
            name=machine.name,
            public_key=public_keys[folder],
            allowed=host_routes(machine.vpn_address),
            endpoint=endpoint(
                reached_at(machine.public, seen_from=node.public), inventory.cluster.vpn_port
            ),
            keepalive_s=KEEPALIVE_S,
        )
        for folder, machine in inventory.core.machines().items()
    ]
