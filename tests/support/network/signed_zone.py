"""How does a test have a signed zone and a resolver that validates it?

Touches processes, loopback ports and a folder: BIND's tools sign a zone, one ``named`` answers for
it, and another one validates what it forwards from the first.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.network.named import NAMED, READY, NamedServer
from tests.support.network.ports import free_port
from tests.support.node.processes import Process

_COMMON = """
    directory "{folder}";
    pid-file none;
    session-keyfile none;
    managed-keys-directory "{folder}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    allow-query {{ any; }};
"""
_AUTHORITY = (
    "options {{"
    + _COMMON
    + """
    recursion no;
    notify no;
    dnssec-validation no;
}};
controls {{ }};
zone "{zone}" {{ type primary; file "{folder}/{zone}.signed"; }};
"""
)
_RESOLVER = (
    "options {{"
    + _COMMON
    + """
    recursion yes;
    dnssec-validation yes;
    empty-zones-enable no;
}};
controls {{ }};
trust-anchors {{ "{zone}." static-key {anchor}; }};
zone "{zone}" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {upstream}; }}; }};
"""
)
_ZONE = """$TTL 60
@ IN SOA ns.{zone}. host.{zone}. 1 3600 600 86400 45
@ IN NS ns.{zone}.
ns IN A 127.0.0.1
{records}
$INCLUDE {key}.key
"""


@contextlib.asynccontextmanager
async def validating_resolver(folder: Path, zone: str, records: str) -> AsyncIterator[NamedServer]:
    """Run a resolver for the length of a block that proves what a zone says.

    Args:
        folder: empty; holds its files.
        zone: the zone's name.
        records: as they stand in a zone file, relative to it.
    """
    key, anchor = _signed(folder, zone, records)
    assert key
    upstream, port = free_port(), free_port()
    authority = folder / "authority.conf"
    authority.write_text(_AUTHORITY.format(folder=folder, port=upstream, zone=zone))
    resolver = folder / "resolver.conf"
    resolver.write_text(
        _RESOLVER.format(folder=folder, port=port, zone=zone, anchor=anchor, upstream=upstream)
    )
    async with (
        Process([NAMED, "-g", "-n", "1", "-c", authority], cwd=folder) as first,
        Process([NAMED, "-g", "-n", "1", "-c", resolver], cwd=folder) as second,
    ):
        await first.wait_for_line(READY)
        await second.wait_for_line(READY)
        yield NamedServer(f"127.0.0.1:{port}")


def _signed(folder: Path, zone: str, records: str) -> tuple[str, str]:
    """Sign a zone; return the name of its key's files, and the key as a trust anchor."""
    made = ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-K", str(folder), zone]
    key = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
    plain = folder / f"{zone}.zone"
    plain.write_text(_ZONE.format(zone=zone, records=records, key=folder / key))
    signer = ["dnssec-signzone", "-q", "-z", "-S", "-K", str(folder), "-d", str(folder), "-o", zone]
    output = folder / f"{zone}.signed"
    subprocess.run([*signer, "-f", str(output), str(plain)], check=True, capture_output=True)
    line = next(
        each for each in (folder / f"{key}.key").read_text().splitlines() if "DNSKEY" in each
    )
    flags, protocol, algorithm, *data = line.partition("DNSKEY")[2].split()
    return key, f'{flags} {protocol} {algorithm} "{"".join(data)}"'
