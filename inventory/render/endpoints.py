"""Where is what of a rendered cluster reached?

Touches nothing: paths are only joined. Source: docs/design/json.md, *endpoints.json*.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from inventory.addressing import CorePlaces, Ports, core_places, node_places
from inventory.keys import TOKEN_FILE
from inventory.model import Inventory


def endpoints_of(inventory: Inventory, *, out: PurePath, ports: Ports | None) -> dict[str, Any]:
    """Return the content of ``endpoints.json``.

    Args:
        out: the rendered folder, absolute: the token's file is named in full, for ``--token-file``.
        ports: the ports on loopback; None for a real cluster.
    """
    machines = inventory.core.machines()
    cores = {
        folder: _core(core_places(machine, ports, folder=folder), folder, out)
        for folder, machine in machines.items()
    }
    satellites = {}
    for site, node in inventory.nodes():
        places = node_places(node, ports)
        satellites[node.name] = {
            "site": site.name,
            "smtp": places.smtp,
            "metrics": f"http://{places.metrics}/metrics",
            "config": f"{node.name}/satellite.yaml",
        }
    return {
        "core": cores[next(iter(machines))],
        "standbys": dict(list(cores.items())[1:]),
        "satellites": satellites,
        "scan_servers": {
            server.name: {"config": f"{server.name}/scan.yaml"} for server in inventory.scan_servers
        },
    }


def _core(places: CorePlaces, folder: str, out: PurePath) -> dict[str, str]:
    return {
        "url": f"http://{places.http}",
        "token_file": str(out / folder / TOKEN_FILE),
        "grpc": places.grpc,
        "config": f"{folder}/core.yaml",
    }
