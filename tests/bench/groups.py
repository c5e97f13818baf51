"""What did a set of processes use?

Touches control groups (version 1 ``cpuacct`` and ``cpu``, or version 2) and ``/proc``. A process is
born in its group, so that whatever it starts is counted too, and can be found and ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "borderscout-bench-"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
END_S = 10.0  # for processes to end after they were told to
POLL_S = 0.05


class Group:
    """A control group of this run; ``remove`` ends what is in it.

    Args:
        name: unique within the run.
        is_humble: whether its processes get the processor only when nobody else wants it.
    """

    def __init__(self, name: str, *, is_humble: bool = False) -> None:
        self.name = name
        self._folders = [_hierarchy() / f"{PREFIX}{os.getpid()}-{name}"]
        if is_humble and _is_first_version():
            self._folders.append(ROOT / "cpu" / f"{PREFIX}{os.getpid()}-{name}")
        for folder in self._folders:
            folder.mkdir(exist_ok=True)
        if is_humble:
            self._humble()

    def _humble(self) -> None:
        for folder in self._folders:
            for setting, least in (("cpu.shares", "2"), ("cpu.weight", "1")):
                if (folder / setting).exists():
                    (folder / setting).write_text(least)

    @property
    def entries(self) -> list[Path]:
        """The files that a process writes its id into to be in the group."""
        return [folder / "cgroup.procs" for folder in self._folders]

    def cpu_s(self) -> float:
        """Return the processor time that its processes used, ended ones too."""
        folder = self._folders[0]
        if _is_first_version():
            return int((folder / "cpuacct.usage").read_text()) / 1e9
        found = re.search(r"(?m)^usage_usec (\d+)$", (folder / "cpu.stat").read_text())
        return int(found[1]) / 1e6 if found is not None else 0.0

    def pids(self) -> list[int]:
        """Return its processes."""
        return _pids(self._folders[0])

    def pss_mib(self) -> float:
        """Return the proportional set size of its processes: shared pages are shared out."""
        return pss_mib(self.pids())

    def remove(self) -> None:
        """End whatever is in the group, and remove it."""
        for folder in reversed(self._folders):
            _remove(folder)


def remove_leftovers() -> None:
    """Remove the groups, and end their processes, of runs that did not end in order."""
    for hierarchy in {_hierarchy(), ROOT / "cpu"}:
        for folder in hierarchy.glob(f"{PREFIX}*"):
            owner = re.match(rf"{PREFIX}(\d+)-", folder.name)
            if owner is not None and not Path(f"/proc/{owner[1]}").exists():
                _remove(folder)


def pss_mib(pids: Iterable[int]) -> float:
    """Return the proportional set size of some processes; those that are gone count nothing."""
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found = re.search(r"(?m)^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
            kib += int(found[1]) if found is not None else 0
    return kib / 1024


def machine_busy_s() -> tuple[float, float]:
    """Return processor time since the start of the machine: busy (stolen included), and stolen."""
    line = Path("/proc/stat").read_text().splitlines()[0]
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, line.split()[1:9])
    busy = user + nice + system + irq + softirq + steal
    return busy / TICKS_PER_S, steal / TICKS_PER_S


def _is_first_version() -> bool:
    return (ROOT / "cpuacct").is_dir()


def _hierarchy() -> Path:
    return ROOT / "cpuacct" if _is_first_version() else ROOT


def _pids(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + END_S
    while folder.exists():
        for pid in _pids(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)  # the kernel tells nobody when it is empty
