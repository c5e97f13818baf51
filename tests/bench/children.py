"""How much processor time do we use with our children, and everybody on this machine?

Touches ``/proc``.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from tests.bench.groups import TICKS_PER_S

PROC = Path("/proc")


class Spent:
    """What this process and its children use from now on."""

    def __init__(self) -> None:
        # To look at the children takes some milliseconds of our own, which are nobody's.
        self._children_s = children_s()
        self._own_s = time.process_time()

    def seconds(self) -> float:
        """Return what was used until now."""
        own_s = time.process_time() - self._own_s
        return own_s + children_s() - self._children_s


def children_s(proc: Path = PROC, *, root: int | None = None) -> float:
    """Return the seconds that all children of a process have used, and theirs, while they live.

    They are told by the scheduler to the nanosecond: ticks are of ten milliseconds.

    Args:
        proc: where the kernel tells of processes.
        root: the process; None: this one.
    """
    parents: dict[int, int] = {}
    for folder in proc.glob("[0-9]*"):
        with suppress(OSError):
            # Behind the name, which may hold anything: the state, then the parent.
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
    ancestor = os.getpid() if root is None else root
    return sum(_used_s(proc / str(pid)) for pid in parents if _is_below(pid, ancestor, parents))


def _used_s(folder: Path) -> float:
    used_ns = 0
    for one in folder.glob("task/*/schedstat"):
        with suppress(OSError):
            used_ns += int(one.read_text(encoding="utf-8").split()[0])
    return used_ns / 1e9


def _is_below(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def machine_s() -> float:
    """Return the processor time that the whole machine has used."""
    fields = (PROC / "stat").read_text(encoding="utf-8").split(maxsplit=9)
    user, nice, system, _idle, _wait, irq, soft = map(int, fields[1:8])
    return (user + nice + system + irq + soft) / TICKS_PER_S
