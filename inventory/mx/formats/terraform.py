"""What does Terraform read, with the provider for dynamic updates?

Pure. A ``.tf.json`` for ``hashicorp/dns``, which changes a zone by RFC 2136 and has no TLSA
records. The server and its key are settings of the provider, elsewhere or in its environment.

Source: Terraform, *JSON Configuration Syntax*; hashicorp/dns, its resources.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from inventory.mx.formats.rendered_files import HEAD, RenderedFiles, left_out
from inventory.mx.records import DnsZone, MxRecords, RecordSet, Whose

FILE = "borderscout.tf.json"
_RESOURCES = {
    "A": "dns_a_record_set",
    "AAAA": "dns_aaaa_record_set",
    "CNAME": "dns_cname_record",
    "MX": "dns_mx_record_set",
    "TXT": "dns_txt_record_set",
}


def render(records: MxRecords, /, *, whose: Whose) -> RenderedFiles:
    """Return one file with all zones."""
    zones = records.of(whose)
    resources: dict[str, dict[str, Any]] = {}
    for zone in zones:
        for one in zone.sets:
            if one.kind in _RESOURCES:
                resources.setdefault(_RESOURCES[one.kind], {})[_id(one)] = _resource(zone, one)
    tree = {
        "//": HEAD,
        "terraform": {
            "required_providers": {"dns": {"source": "hashicorp/dns", "version": ">= 3.3.0"}}
        },
        "resource": resources,
    }
    text = json.dumps(tree, indent=2) + "\n"
    return RenderedFiles({FILE: text}, left_out(zones, frozenset(_RESOURCES), tool="hashicorp/dns"))


def _id(one: RecordSet) -> str:
    """Return what the state calls a set: the same as long as its name is, and no other's."""
    word = re.sub(r"[^a-z0-9]+", "_", one.name)
    return f"r_{word}_{hashlib.sha256(one.name.encode()).hexdigest()[:8]}"


def _resource(zone: DnsZone, one: RecordSet) -> dict[str, Any]:
    label = zone.label(one.name)
    found: dict[str, Any] = {"zone": f"{zone.name}."} | ({"name": label} if label else {})
    match one.kind:
        case "CNAME":
            found["cname"] = one.values[0]
        case "MX":
            pairs = [value.split(" ") for value in one.values]
            found["mx"] = [{"preference": int(number), "exchange": host} for number, host in pairs]
        case "TXT":
            found["txt"] = list(one.values)
        case _:
            found["addresses"] = list(one.values)
    return {**found, "ttl": one.ttl_s}
