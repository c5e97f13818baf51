"""What was a plan made from?

Pure. One digest of what the plan rests on in the inventory: a comment, an engine or a customer's
name changes no MX record and makes no plan stale.
"""

from __future__ import annotations

import hashlib
import itertools
import json

from inventory.model import Inventory

BATCH = 1000  # domains that are hashed at once


def inventory_digest(inventory: Inventory) -> str:
    """Return the SHA-256 of the sites and domains, as far as a plan looks at them."""
    head = {
        "mail_domain": inventory.cluster.mail_domain,
        "sites": [
            {
                "name": site.name,
                "location": site.location,
                "capacity": site.capacity,
                "state": site.state,
                "region": site.region,
                "addresses": sorted(address for node in site.nodes for address in node.public),
            }
            for site in sorted(inventory.sites, key=lambda site: site.name)
        ],
    }
    found = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    rows = (
        f"\n{one.name} {one.location and tuple(one.location)} {one.regions} {one.sites_min}"
        f" {one.pinned} {one.fewer_sites_reason!a}"
        for _, one in inventory.domains()
    )
    while batch := "".join(itertools.islice(rows, BATCH)):
        found.update(batch.encode())
    return found.hexdigest()
