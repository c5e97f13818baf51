"""What does nsupdate send to a name server?

Pure. A script for each zone, of RFC 2136 updates with prerequisites: the server has the zone, and
no name that gets addresses, MX or TLSA records is an alias, at which they would be dropped in
silence (section 3.4.2.2). Each block is taken whole or not at all, and the script may run again. It
deletes nothing but the records that it replaces: ``mx apply`` knows what is there.

Source: nsupdate(1), RFC 2136 section 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence

from inventory.mx.formats.rendered_files import HEAD, RenderedFiles, zone_file, zone_value
from inventory.mx.records import DnsZone, MxRecords, RecordSet, Whose

SUFFIX = ".nsupdate"
BLOCK = 50  # sets in one update: a message is bounded at 64 KiB


def render(records: MxRecords, /, *, whose: Whose) -> RenderedFiles:
    """Return a script for each zone."""
    return RenderedFiles(
        {zone_file(zone.name, SUFFIX): _script(zone) for zone in records.of(whose)}
    )


def _script(zone: DnsZone) -> str:
    lines = [
        f"; {HEAD}",
        f"; nsupdate -k KEYFILE {zone_file(zone.name, SUFFIX)}",
        f"zone {zone.name}.",
    ]
    for begin in range(0, len(zone.sets), BLOCK):
        lines += ["", *_block(zone, zone.sets[begin : begin + BLOCK])]
    return "\n".join(lines) + "\n"


def _block(zone: DnsZone, sets: Sequence[RecordSet]) -> list[str]:
    lines = [f"prereq yxrrset {zone.name}. SOA"]
    others = {one.name for one in sets if one.kind != "CNAME"}
    lines += [f"prereq nxrrset {name}. CNAME" for name in sorted(others)]
    for one in sets:
        lines.append(f"update delete {one.name}. {one.kind}")
        lines += [
            f"update add {one.name}. {one.ttl_s} {one.kind} {zone_value(one.kind, value)}"
            for value in one.values
        ]
    return [*lines, "send"]
