"""Which documents does an inventory give of its nodes?

Pure. Each says where a node is and which settings are meant for it: the very tree that rendering
writes as ``satellite.yaml``. Keys are no part of it, neither of WireGuard nor of certificates.
"""

from __future__ import annotations

from typing import Any

from common.preferences.documents import Document, Kind, canonical_json
from common.preferences.node_settings import settings_digest
from common.settings.settings_text import tree_of
from inventory.addressing import Ports, core_links, node_places
from inventory.model import Inventory, Node, Site
from inventory.render.node import satellite_settings


def node_documents(inventory: Inventory, ports: Ports | None = None) -> list[Document]:
    """Return a document of each node, sorted by name.

    Args:
        ports: those of a cluster on loopback; None for a real one.
    """
    of_nodes = {node.name: _body(inventory, site, node, ports) for site, node in inventory.nodes()}
    return [
        Document(Kind.NODE, name, 0, canonical_json(body))
        for name, body in sorted(of_nodes.items())
    ]


def _body(inventory: Inventory, site: Site, node: Node, ports: Ports | None) -> dict[str, Any]:
    settings = tree_of(
        satellite_settings(
            inventory,
            site,
            node,
            places=node_places(node, ports),
            links=core_links(inventory, ports),
            loopback=ports is not None,
        )
    )
    body: dict[str, Any] = {
        "site": site.name,
        "addresses": [*node.public, *node.vpn_address],
        "vpn_addresses": list(node.vpn_address),
        "settings": settings,
        "digest": settings_digest(settings),
    }
    if ports is None:  # on loopback there is no tunnel
        machines, port = inventory.core.machines(), inventory.cluster.vpn_port
        core = next(iter(machines.values()))  # the machine on which it runs
        body["wireguard"] = {
            "port": port,
            "core": {
                "public": list(core.public),
                "port": port,
                "vpn_addresses": list(core.vpn_address),
            },
        }
    return body
