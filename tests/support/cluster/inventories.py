"""Which clusters do the tests run?

Pure. Inventories as trees, made from what a test cares about; the rest is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

YARA = {"name": "yara", "kind": "yara"}


def site(
    name: str, *nodes: str, number: int, workers: int = 1, engines: Sequence[Any] | None = None
) -> dict[str, Any]:
    """Return a site.

    Args:
        number: from 1; its addresses come from it.
    """
    tree: dict[str, Any] = {
        "name": name,
        "location": [40.0 + number, 2.0 * number],
        "capacity": 100,
        "workers": workers,
        "nodes": [
            {
                "name": node,
                "public": f"198.51.{100 + number}.{place}",
                "vpn_address": f"10.66.{number}.{place}",
            }
            for place, node in enumerate(nodes, start=1)
        ],
    }
    if engines is not None:
        tree["engines"] = list(engines)
    return tree


def customer(name: str, deliver_to: Sequence[str], *domains: str, **more: Any) -> dict[str, Any]:
    """Return a customer whose domains all go to the same servers."""
    return {
        "name": name,
        "domains": [{"name": domain, "deliver_to": list(deliver_to), **more} for domain in domains],
    }


def inventory(
    *,
    sites: Sequence[Mapping[str, Any]],
    customers: Sequence[Mapping[str, Any]],
    name: str = "proof",
    smarthost: str = "",
    **more: Any,
) -> dict[str, Any]:
    """Return an inventory.

    Args:
        smarthost: where our own bounces go; empty: the MX of the sender's domain.
        more: further keys of its top level.
    """
    cluster = {"name": name, "mail_domain": "mx.scout.example", "vpn": "10.66.0.0/16"}
    if smarthost:
        cluster["smarthost"] = smarthost
    return {
        "cluster": cluster,
        "core": {"name": "hub", "public": "hub.proof.example", "vpn_address": "10.66.0.1"},
        "engines": [YARA],
        **more,
        "sites": [dict(one) for one in sites],
        "customers": [dict(one) for one in customers],
    }
