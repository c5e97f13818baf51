"""What stands in a zone, as BIND reads it?

Pure. Fragments to be included in zones that have their own SOA and NS. The customers' records stand
in the fragment of our zone as comments, since a zone holds no other zone's records.

Source: RFC 1035 section 5, RFC 3596 section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.mx.formats.rendered_files import RenderedFiles, zone_file, zone_value
from inventory.mx.names import Naming
from inventory.mx.records import ADDRESS_TTL_S, MX_TTL_S, DnsZone, MxRecords, RecordSet, Whose

SUFFIX = ".zone"


def render(records: MxRecords, /, *, whose: Whose) -> RenderedFiles:
    """Return a fragment for each zone."""
    if whose is Whose.CUSTOMERS:
        return RenderedFiles(
            {zone_file(zone.name, SUFFIX): _of(zone) for zone in records.customers}
        )
    return RenderedFiles({zone_file(records.ours.name, SUFFIX): _ours(records)})


def _ours(records: MxRecords) -> str:
    zone = records.ours
    lines = [
        f"; Addresses of {zone.name}, for $INCLUDE in its zone.",
        f"$ORIGIN {zone.name}.",
        f"$TTL {ADDRESS_TTL_S}",
        "",
        *(line for one in zone.sets for line in _lines(zone, one, usual_s=ADDRESS_TTL_S)),
    ]
    when = "once" if records.naming is Naming.FIXED else "and changes with each plan"
    for customer in records.customers:
        lines += ["", f"; {customer.name} publishes, {when}:"]
        for one in customer.sets:
            for value in one.values:
                shown = zone_value(one.kind, value)
                lines.append(f";   {one.name}. {one.ttl_s} IN {one.kind} {shown}")
    return "\n".join(lines) + "\n"


def _of(zone: DnsZone) -> str:
    lines = [
        f"; What leads the mail of {zone.name} to us, for $INCLUDE in its zone.",
        "; No other MX stands there.",
        f"$ORIGIN {zone.name}.",
        f"$TTL {MX_TTL_S}",
        *(line for one in zone.sets for line in _lines(zone, one, usual_s=MX_TTL_S)),
    ]
    return "\n".join(lines) + "\n"


def _lines(zone: DnsZone, one: RecordSet, *, usual_s: int) -> Iterator[str]:
    label = zone.label(one.name) or "@"
    ttl = "" if one.ttl_s == usual_s else f"{one.ttl_s} "
    note = f" ; {one.note}" if one.note else ""
    for value in one.values:
        yield f"{label} {ttl}IN {one.kind} {zone_value(one.kind, value)}{note}"
