"""What does octoDNS read?

Pure. A zone file for each zone, and ``config.yaml`` with the filters that keep octoDNS, which
otherwise takes whole zones, to the records that are ours. In the customers' zones that is the MX of
the domain itself alone: no filter of octoDNS says "TXT, but only at these names".

``escaped_semicolons`` is said outright, since its default changes with octoDNS 2.0, and either way
of reading would break the other's texts. octoDNS finds a zone's file by the zone's name; one whose
name is too long for a file has a provider to itself, which is told of the file.

Source: octoDNS 1.22, ``octodns/provider/yaml.py`` and ``octodns/processor/filter.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from inventory.mx.formats.rendered_files import HEAD, RenderedFiles, left_out, zone_file
from inventory.mx.names import identifier
from inventory.mx.records import DnsZone, MxRecords, RecordSet, Whose

CONFIG_FILE = "config.yaml"
SUFFIX = ".yaml"
_OURS = ("A", "AAAA", "CNAME", "TLSA", "TXT")
_OF_CUSTOMERS = ("MX",)
_PROVIDER = "borderscout"
_TLSA_FIELDS = (
    "certificate_usage",
    "selector",
    "matching_type",
    "certificate_association_data",
)


def render(records: MxRecords, /, *, whose: Whose) -> RenderedFiles:
    """Return a zone file for each zone, and the configuration."""
    kinds = _OURS if whose is Whose.OURS else _OF_CUSTOMERS
    zones = records.of(whose)
    files = {zone_file(zone.name, SUFFIX): _zone_text(zone, frozenset(kinds)) for zone in zones}
    files[CONFIG_FILE] = _config(zones, kinds, whose)
    what = "octoDNS, with a filter that spares the customer's other records,"
    return RenderedFiles(files, left_out(zones, frozenset(kinds), tool=what))


def _zone_text(zone: DnsZone, kinds: frozenset[str]) -> str:
    by_label: dict[str, list[RecordSet]] = {}
    for one in zone.sets:
        if one.kind in kinds:
            by_label.setdefault(zone.label(one.name), []).append(one)
    lines = [f"# {HEAD}", "---"]
    for label in sorted(by_label, key=_natural):
        # JSON is YAML, and quotes whatever a reader of YAML might take for something else.
        entries = [_entry(one) for one in sorted(by_label[label], key=lambda one: one.kind)]
        lines.append(f"{json.dumps(label)}:")
        lines += [f"  - {json.dumps(entry, sort_keys=True)}" for entry in entries]
    return "\n".join(lines) + "\n"


def _natural(label: str) -> list[Any]:
    """Return what octoDNS wants keys sorted by: numbers in them by their size."""
    parts: Iterable[str] = re.split(r"([0-9]+)", label)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def _entry(one: RecordSet) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": one.kind, "ttl": one.ttl_s}
    if one.kind == "CNAME":
        return {**entry, "value": one.values[0]}
    return {**entry, "values": [_value(one.kind, value) for value in one.values]}


def _value(kind: str, value: str) -> Any:
    parts = value.split(" ")
    if kind == "MX":
        return {"preference": int(parts[0]), "exchange": parts[1]}
    if kind == "TLSA":
        numbers: list[Any] = [int(part) for part in parts[:3]]
        return dict(zip(_TLSA_FIELDS, [*numbers, parts[3]], strict=True))
    return value


def _config(zones: Iterable[DnsZone], kinds: tuple[str, ...], whose: Whose) -> str:
    zones = list(zones)
    names = [""] if whose is Whose.CUSTOMERS else list(_our_names(zones[0]))
    lines = [
        f"# {HEAD}",
        "# Where the name server is and its key come from the environment: DNS_SERVER, DNS_PORT,",
        "# DNS_KEY_NAME, DNS_KEY_SECRET, DNS_KEY_ALGORITHM. For another provider, replace `dns`.",
        "# The filters spare every record that is not ours; without them octoDNS deletes those.",
        "---",
        "providers:",
        *_source(_PROVIDER),
        *(line for zone in zones if _is_long(zone) for line in _source_of_long(zone)),
        "  dns:",
        "    class: octodns_bind.Rfc2136Provider",
        "    host: env/DNS_SERVER",
        "    port: env/DNS_PORT",
        "    key_name: env/DNS_KEY_NAME",
        "    key_secret: env/DNS_KEY_SECRET",
        "    key_algorithm: env/DNS_KEY_ALGORITHM",
        "processors:",
        "  our-kinds:",
        "    class: octodns.processor.filter.TypeAllowlistFilter",
        f"    allowlist: {json.dumps(list(kinds))}",
        "  our-names:",
        "    class: octodns.processor.filter.NameAllowlistFilter",
        f"    allowlist: {json.dumps(names)}",
        "zones:",
    ]
    for zone in zones:
        lines += [
            f"  {json.dumps(f'{zone.name}.')}:",
            f"    sources: [{_provider_of(zone) if _is_long(zone) else _PROVIDER}]",
            "    processors: [our-kinds, our-names]",
            "    targets: [dns]",
        ]
    return "\n".join(lines) + "\n"


def _source(name: str) -> list[str]:
    return [
        f"  {name}:",
        "    class: octodns.provider.yaml.YamlProvider",
        "    directory: .",
        "    default_ttl: 300",
        "    enforce_order: true",
        "    escaped_semicolons: false",
    ]


def _source_of_long(zone: DnsZone) -> list[str]:
    file = zone_file(zone.name, SUFFIX)
    return [
        *_source(_provider_of(zone)),
        "    disable_zonefile: true",
        f"    shared_filename: {json.dumps(file)}",
    ]


def _provider_of(zone: DnsZone) -> str:
    return f"{_PROVIDER}-{identifier(zone.name)}"


def _is_long(zone: DnsZone) -> bool:
    return zone_file(zone.name, SUFFIX) != f"{zone.name}{SUFFIX}"


def _our_names(zone: DnsZone) -> Iterator[str]:
    """Yield which names are ours, also those that we once had; between slashes: expressions."""
    fixed = "p[1-9]-[a-z2-7]{16}"
    site = "mx-[a-z0-9-]+"
    yield f"/^(_25\\._tcp\\.)?({fixed}|{site})$/"
    labels = (zone.label(one.name) for one in zone.sets)
    yield from sorted({label for label in labels if not re.search(rf"({fixed}|{site})$", label)})
