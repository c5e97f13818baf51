"""How does a test have a real name server with a zone of its own?

Touches processes, a loopback port and a folder. BIND's ``named`` runs in the foreground, answers
for the given zones alone, and is ended by its id.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.support.network.ports import free_port
from tests.support.node.processes import Process

NAMED = shutil.which("named") or shutil.which("named", path="/usr/sbin:/sbin") or ""
READY = r"all zones loaded|running$"

_CONFIG = """
options {{
    directory "{folder}";
    pid-file none;
    session-keyfile none;
    managed-keys-directory "{folder}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    allow-query {{ any; }};
    notify no;
    dnssec-validation no;
}};
controls {{ }};
{zones}
"""
_ZONE = """$TTL 60
@ IN SOA ns.{zone}. host.{zone}. 1 3600 600 86400 45
@ IN NS ns.{zone}.
ns IN A 127.0.0.1
{records}
"""


class NamedServer:
    """One running server.

    Args:
        endpoint: ``HOST:PORT`` for UDP and TCP.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint


def configured(folder: Path, zones: Mapping[str, str], *, port: int) -> Path:
    """Write the files of a server, and return its configuration.

    Args:
        folder: empty; holds its files.
        zones: for each zone, records as they stand in a zone file, relative to it.
        port: of the loopback address, for UDP and TCP.
    """
    declared = []
    for zone, records in zones.items():
        file = folder / f"{zone}.zone"
        file.write_text(_ZONE.format(zone=zone, records=records))
        declared.append(f'zone "{zone}" {{ type primary; file "{file}"; }};')
    config = folder / "named.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, zones="\n".join(declared)))
    return config


@contextlib.asynccontextmanager
async def named(folder: Path, zones: Mapping[str, str]) -> AsyncIterator[NamedServer]:
    """Run ``named`` for the length of a block.

    Args:
        folder: empty; holds its files.
        zones: for each zone, records as they stand in a zone file, relative to it.
    """
    port = free_port()
    config = configured(folder, zones, port=port)
    async with Process([NAMED, "-g", "-n", "1", "-c", config], cwd=folder) as process:
        await process.wait_for_line(READY)
        yield NamedServer(f"127.0.0.1:{port}")
