"""What does DNSControl read?

Pure. A file of JavaScript. Each zone says ``NO_PURGE``: what DNSControl does not find here it
leaves as it is, and so it deletes nothing that we no longer name either.

Source: DNSControl, *Language reference*: D, NO_PURGE, A, AAAA, CNAME, MX, TLSA, TXT.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from inventory.mx.formats.rendered_files import HEAD, RenderedFiles
from inventory.mx.records import DnsZone, MxRecords, RecordSet, Whose

FILE = "dnsconfig.js"

_TOP = f"""\
// {HEAD}
// `creds.json` says what the provider "dns" is. NO_PURGE leaves records that are not here as they
// are: names of sites and domains that are gone are deleted by hand, and so is another MX.
var REG_NONE = NewRegistrar("none");
var DNS = NewDnsProvider("dns");
"""


def render(records: MxRecords, /, *, whose: Whose) -> RenderedFiles:
    """Return one file with all zones."""
    parts = [_TOP, *(_zone(zone) for zone in records.of(whose))]
    return RenderedFiles({FILE: "\n".join(parts)})


def _zone(zone: DnsZone) -> str:
    lines = [f"D({json.dumps(zone.name)}, REG_NONE, DnsProvider(DNS), NO_PURGE,"]
    calls = [call for one in zone.sets for call in _calls(zone, one)]
    return "\n".join([*lines, *(f"  {call}," for call in calls), "END);"]) + "\n"


def _calls(zone: DnsZone, one: RecordSet) -> Iterator[str]:
    label = json.dumps(zone.label(one.name) or "@")
    for value in one.values:
        yield f"{one.kind}({label}, {_arguments(one.kind, value)}, TTL({one.ttl_s}))"


def _arguments(kind: str, value: str) -> str:
    parts = value.split(" ")
    if kind == "MX":
        return f"{int(parts[0])}, {json.dumps(parts[1])}"
    if kind == "TLSA":
        return ", ".join([*(str(int(part)) for part in parts[:3]), json.dumps(parts[3])])
    return json.dumps(value)
