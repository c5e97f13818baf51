"""How does a test have a name server that lets it change a zone?

Touches processes, a loopback port and a folder: BIND's ``named`` with one zone, which the holder of
a TSIG key may transfer and update.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.network.named import NAMED, READY
from tests.support.network.ports import free_port
from tests.support.node.processes import Process

KEY_NAME = "scout"
ALGORITHM = "hmac-sha256"
SECRET = "Zm9yIHRoZSB0ZXN0cyBhbG9uZSwgbm90IGEgc2VjcmV0"

_CONFIG = """
key "{key}" {{ algorithm {algorithm}; secret "{secret}"; }};
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
_DECLARED = """
zone "{zone}" {{
    type primary;
    file "{folder}/{zone}.zone";
    allow-transfer {{ key "{key}"; }};
    allow-update {{ key "{key}"; }};
}};
"""
_ZONE = """$TTL 60
@ IN SOA ns.{zone}. host.{zone}. 1 3600 600 86400 45
@ IN NS ns.{zone}.
ns IN A 127.0.0.1
{records}
"""


@dataclass(frozen=True)
class Primary:
    """One running server.

    Attributes:
        key_file: of the TSIG key, as tsig-keygen writes it.
    """

    port: int
    key_file: Path

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def primary(folder: Path, zones: dict[str, str]) -> AsyncIterator[Primary]:
    """Run ``named`` for the length of a block.

    Args:
        folder: empty; holds its files.
        zones: for each zone, records as they stand in a zone file, relative to it.
    """
    port = free_port()
    for zone, records in zones.items():
        (folder / f"{zone}.zone").write_text(_ZONE.format(zone=zone, records=records))
    declared = [_DECLARED.format(zone=zone, folder=folder, key=KEY_NAME) for zone in zones]
    said = _CONFIG.format(
        folder=folder,
        port=port,
        key=KEY_NAME,
        algorithm=ALGORITHM,
        secret=SECRET,
        zones="".join(declared),
    )
    config = folder / "named.conf"
    config.write_text(said)
    key_file = folder / "scout.key"
    key_file.touch(mode=0o600)
    key_file.write_text(
        f'key "{KEY_NAME}" {{\n\talgorithm {ALGORITHM};\n\tsecret "{SECRET}";\n}};\n'
    )
    async with Process([NAMED, "-g", "-n", "1", "-c", config], cwd=folder) as process:
        await process.wait_for_line(READY)
        yield Primary(port, key_file)
