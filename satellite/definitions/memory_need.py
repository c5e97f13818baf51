"""Is there memory for an engine to load definitions beside those in use?

Touches ``/proc`` and the control groups' files. clamd builds the new engine while the old one
serves (``ConcurrentDatabaseReload``, on by default): for a while it takes twice its memory, and
where there is none the kernel ends it, or us. So it is asked before.

Source: proc(5), MemAvailable; ClamAV's documentation, *clamd.conf*: 1.2 GiB for databases of 150 MB
are eight octets for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from satellite.overload.memory import control_group

MARGIN_BYTES = 64 * 1024 * 1024  # that mail on its way must find beside
PROC = Path("/proc")
_MIB = 1024 * 1024


def shortage(
    set_bytes: int, *, factor: float, processes: Iterable[int | None], proc: Path = PROC
) -> str:
    """Return what is missing, in words; empty when there is room.

    Args:
        set_bytes: of the files that are to be loaded.
        factor: octets of memory for each of theirs; 0: nothing is asked.
        processes: the servers that load on this machine, by their ids where these are known.
        proc: where the kernel tells.
    """
    servers = list(processes)
    if not factor or not servers:
        return ""
    each = round(set_bytes * factor)
    needed = each * len(servers) + MARGIN_BYTES
    available = _available_bytes(proc)
    if available is not None and available < needed:
        return _said(needed, available, "are available")
    for pid in servers:
        left = _left_in_group(pid, proc)
        if left is not None and left < each:
            return _said(each, left, "are left in the engine's control group")
    return ""


def _said(needed: int, left: int, where: str) -> str:
    return f"loading may take {needed // _MIB} MiB of memory, and {left // _MIB} MiB {where}"


def _available_bytes(proc: Path) -> int | None:
    try:
        lines = (proc / "meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(found[0][1]) * 1024 if found else None


def _left_in_group(pid: int | None, proc: Path) -> int | None:
    group = None if pid is None else control_group(proc / str(pid))
    return None if group is None else group.left_bytes()
