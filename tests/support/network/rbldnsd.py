"""How does a test have a real server of DNS lists?

Touches processes, a loopback port and a folder. ``rbldnsd`` is what most public lists are served
by; it runs in the foreground and is ended by its id.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.support.network.ports import free_port
from tests.support.node.processes import Process

RBLDNSD = shutil.which("rbldnsd") or shutil.which("rbldnsd", path="/usr/sbin:/sbin") or ""
READY = r"zones reloaded"
_HEAD = "$SOA 60 ns.lists.test host.lists.test 1 3600 600 86400 45\n$NS 60 ns.lists.test\n"


@contextlib.asynccontextmanager
async def rbldnsd(zones: Mapping[str, tuple[str, str]]) -> AsyncIterator[str]:
    """Run ``rbldnsd`` for the length of a block; give its ``HOST:PORT``, which is UDP alone.

    Args:
        zones: for each zone the kind of its data (``ip4set``, ``dnset``, …), and the data.
    """
    port = free_port()
    # It does not run as root, and whom it becomes then has no way into a test's own folder.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="rbldnsd-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        declared = []
        for zone, (kind, data) in zones.items():
            (folder / zone).write_text(_HEAD + data)
            declared.append(f"{zone}:{kind}:{zone}")
        command = [RBLDNSD, "-n", *user, "-w", name, "-b", f"127.0.0.1/{port}", *declared]
        async with Process(command, cwd=folder) as process:
            await process.wait_for_line(READY)
            yield f"127.0.0.1:{port}"
