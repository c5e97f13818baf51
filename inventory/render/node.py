"""What stands in ``core.yaml`` and ``satellite.yaml``?

Pure: text out. Paths in it are taken from the folder that it stands in.
"""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML

from inventory.addressing import CorePlaces, NodePlaces
from inventory.identities import node_host
from inventory.model import Engine, Filter, Inventory, Node, Site
from inventory.render.systemd import STATE_FOLDER

TLS = "tls"  # the folder of certificates and keys
LOOPBACK_STATE = "state"

# How many workers are best is known on the node alone, which has to be counted there; a rendering
# that looked at this machine's processors would differ from one machine to the next. Two are right
# for the small machine, and `workers:` says better.
WORKERS = 2
LOOPBACK_WORKERS = 1  # all nodes share this machine


def satellite_text(
    inventory: Inventory,
    site: Site,
    node: Node,
    *,
    places: NodePlaces,
    link: str,
    loopback: bool,
) -> str:
    """Return a satellite's settings.

    Args:
        places: where it listens.
        link: where the core takes links, HOST:PORT.
    """
    cluster = inventory.cluster
    workers = inventory.workers_of(site, node) or (LOOPBACK_WORKERS if loopback else WORKERS)
    tree: dict[str, Any] = {
        "cluster": cluster.name,
        "node": node.name,
        "site": site.name,
        "hostname": node_host(cluster, node),
        "mail_domain": cluster.mail_domain,
        "workers": workers,
        "state": _state(loopback=loopback),
        "smtp": {
            "listen": list(places.listen),
            "certificate": f"{TLS}/smtp.crt",
            "key": f"{TLS}/smtp.key",
        },
        "metrics": places.metrics,
        "core": {
            "address": link,
            "name": inventory.core.name,
            "certificate": f"{TLS}/node.crt",
            "key": f"{TLS}/node.key",
            "authority": f"{TLS}/authority.crt",
        },
        "engines": [_engine(engine) for engine in inventory.engines_of(site, node)],
        "filters": [_filter(item) for item in inventory.all_filters()],
    }
    if cluster.postmaster is not None:
        tree["postmaster"] = cluster.postmaster
    if inventory.resolver is not None:
        tree["resolver"] = inventory.resolver
    if cluster.smarthost is not None:
        tree["delivery"] = {"smarthost": cluster.smarthost}
    return _yaml(tree)


def core_text(inventory: Inventory, *, places: CorePlaces, loopback: bool) -> str:
    """Return the core's settings."""
    return _yaml(
        {
            "cluster": inventory.cluster.name,
            "name": inventory.core.name,
            "http": places.http,
            "grpc": places.grpc,
            "tls": {
                "certificate": f"{TLS}/node.crt",
                "key": f"{TLS}/node.key",
                "authority": f"{TLS}/authority.crt",
            },
            "state": _state(loopback=loopback),
            "nodes": [{"name": node.name, "site": site.name} for site, node in inventory.nodes()],
        }
    )


def _state(*, loopback: bool) -> str:
    return LOOPBACK_STATE if loopback else STATE_FOLDER


def _engine(engine: Engine) -> dict[str, Any]:
    found: dict[str, Any] = {"name": engine.name, "kind": engine.kind}
    if engine.address is not None:
        found["address"] = engine.address
    if engine.timeout_s is not None:
        found["timeout_s"] = engine.timeout_s
    options = dict(engine.options)
    if engine.profile is not None:
        options["profile"] = engine.profile
    if options:
        found["options"] = options
    return found


def _filter(item: Filter) -> dict[str, Any]:
    """Return where a filter's server is; what it weighs comes from the core."""
    found: dict[str, Any] = {"name": item.name, "kind": item.kind}
    if item.address is not None:
        found["address"] = item.address
    if item.timeout_s is not None:
        found["timeout_s"] = item.timeout_s
    return found


def _yaml(tree: dict[str, Any]) -> str:
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 1_000_000  # a folded line is harder to read than a long one
    writer.sort_base_mapping_type_on_output = False
    out = io.StringIO()
    writer.dump(tree, out)
    return f"# Rendered from the inventory; changes here are lost.\n{out.getvalue()}"
