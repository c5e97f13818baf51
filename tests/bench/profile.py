"""Where does a node's time go while it is under load?

Touches processes: ``py-spy`` (not among the project's dependencies) looks at each process of the
node from outside. It takes much of a small machine: such a run gives no figures for a table.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.parts import PeerFailed
from tests.bench.peers.peer import Peer

GROUPS = ("node", "core")
END_S = 60.0  # to write what was sampled


@contextlib.contextmanager
def profiled(peer: Peer, folder: Path, *, load: str) -> Iterator[None]:
    """Sample the Python processes of a node and its core during a block.

    One file for each process, as speedscope.app and ``py-spy`` themselves read it.

    Raises:
        PeerFailed: ``py-spy`` is not installed.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise PeerFailed("py-spy is missing; install it with: .venv/bin/pip install py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    spies = []
    for group in GROUPS:
        pids = peer.parts.groups[group].pids() if group in peer.parts.groups else []
        for pid in pids:
            out = folder / f"{peer.name}-{load}-{group}-{pid}.speedscope.json"
            command = [spy, "record", "--pid", str(pid), "--rate", "50", "--nonblocking"]
            command += ["--format", "speedscope", "--output", str(out), "--duration", "3600"]
            spies.append(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
    try:
        yield
    finally:
        for one in spies:
            one.send_signal(signal.SIGINT)
        for one in spies:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(END_S)
            one.kill()
            one.wait()
