"""Who answers DNS for gateways that ask who sent a message, and where do senders come from?

Touches a process, a loopback port and a route. BIND, with the zones of the load's senders and
nothing else: no question leaves the machine. In operation it is another machine's work, and is
counted apart. Gateways trust the loopback network, so that connections come from a network that is
nobody's; it is local to this machine while the gateway runs.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.bench import signed_mail
from tests.bench.loads import SENDERS_NET
from tests.bench.parts import Parts
from tests.support.network.named import NAMED, configured
from tests.support.network.ports import free_port

GROUP = "dns"
ROUTE_S = 10.0
SIGNED_FOLDER = "signed"  # below the load's


def folder_of(work: Path) -> Path:
    """Return where the signed messages and their zones are."""
    return work / "load" / SIGNED_FOLDER


def start(parts: Parts, work: Path) -> str:
    """Start a name server of the gateway's own, and return where it listens, HOST:PORT."""
    signed_mail.ready(folder_of(work))
    folder, port = parts.folder / GROUP, free_port()
    folder.mkdir()
    route = ["local", f"{SENDERS_NET}/24", "dev", "lo"]
    subprocess.run(["ip", "route", "replace", *route], check=True, timeout=ROUTE_S)
    parts.stop_with(["ip", "route", "del", *route])
    config = configured(folder, signed_mail.zones(folder_of(work)), port=port)
    parts.spawn(GROUP, [NAMED or "named", "-g", "-n", "1", "-c", str(config)])
    parts.wait_for_port(port, "named")
    return f"127.0.0.1:{port}"
