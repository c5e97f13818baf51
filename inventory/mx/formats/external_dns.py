"""What does external-dns read?

Pure. ``DNSEndpoint`` objects for Kubernetes, one for each zone. external-dns touches only records
that it made itself, and those of the kinds that it is told of:
``--source=crd --managed-record-types=A,AAAA,CNAME,MX,TXT``. It has no TLSA records.

Source: external-dns, *MX record with CRD source*, and its ``apis/v1alpha1``.
"""

from __future__ import annotations

import json
from typing import Any

from inventory.mx.formats.rendered_files import HEAD, RenderedFiles, left_out, zone_word
from inventory.mx.records import DnsZone, MxRecords, Whose

FILE = "dnsendpoints.yaml"
PREFIX = "borderscout-"
OBJECT_NAME_MAX = 253  # Kubernetes, *Object Names and IDs*
_KINDS = frozenset({"A", "AAAA", "CNAME", "MX", "TXT"})


def render(records: MxRecords, /, *, whose: Whose) -> RenderedFiles:
    """Return one file with an object for each zone."""
    zones = records.of(whose)
    head = [
        f"# {HEAD}",
        "# external-dns --source=crd --managed-record-types=A,AAAA,CNAME,MX,TXT",
    ]
    lines = [*head, *(line for zone in zones for line in _object(zone))]
    text = "\n".join(lines) + "\n"
    return RenderedFiles({FILE: text}, left_out(zones, _KINDS, tool="external-dns"))


def _object(zone: DnsZone) -> list[str]:
    endpoints = [
        {
            "dnsName": one.name,
            "recordTTL": one.ttl_s,
            "recordType": one.kind,
            # A target is a host name as Kubernetes writes it: without the final dot.
            "targets": [_target(one.kind, value) for value in one.values],
        }
        for one in zone.sets
        if one.kind in _KINDS
    ]
    word = zone_word(zone.name, length_max=OBJECT_NAME_MAX - len(PREFIX))
    metadata: dict[str, Any] = {"name": f"{PREFIX}{word}"}
    return [
        "---",
        "apiVersion: externaldns.k8s.io/v1alpha1",
        "kind: DNSEndpoint",
        f"metadata: {json.dumps(metadata)}",
        "spec:",
        "  endpoints:",
        *(f"    - {json.dumps(endpoint)}" for endpoint in endpoints),
    ]


def _target(kind: str, value: str) -> str:
    return value if kind == "TXT" else value.removesuffix(".")
