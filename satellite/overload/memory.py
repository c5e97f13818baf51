"""How much memory has this process, and how near is its control group to the limit?

Touches ``/proc`` and the control group's files. Only what cannot be given back counts: pages of
files go by themselves when memory is short.

Source: proc(5), cgroups(7); the kernel's documentation of memory control, version 2
(``memory.max``, ``anon``) and version 1 (``memory.limit_in_bytes``, ``total_rss``).
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

PROCESS = Path("/proc/self")
GROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT_BYTES = 1 << 60  # version 1 writes a number that no machine has


def resident_bytes(process: Path = PROCESS) -> int:
    """Return the resident memory of this process."""
    return int((process / "statm").read_text("ascii").split()[1]) * resource.getpagesize()


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The memory side of a control group: where its limit and its use stand."""

    limit: Path
    statistics: Path
    word: str  # of what cannot be given back, in the statistics

    def share(self) -> float:
        """Return which part of its memory the group has taken; 0 without a limit."""
        limit, taken = self._limit_and_taken()
        return taken / limit if limit else 0.0

    def left_bytes(self) -> int | None:
        """Return what the group may take yet; None without a limit."""
        limit, taken = self._limit_and_taken()
        return max(0, limit - taken) if limit else None

    def _limit_and_taken(self) -> tuple[int, int]:
        """Return both in octets; without a limit the first is 0."""
        try:
            limit = self.limit.read_text("ascii").strip()
            lines = self.statistics.read_text("ascii").splitlines()
        except OSError:  # the group was made anew, or the files are not there in a container
            return 0, 0
        if not limit.isdecimal() or not 0 < int(limit) < _NO_LIMIT_BYTES:
            return 0, 0
        taken = next((line for line in lines if line.startswith(f"{self.word} ")), "0 0")
        return int(limit), int(taken.split()[1])


def control_group(process: Path = PROCESS, groups: Path = GROUPS) -> ControlGroup | None:
    """Return the control group of this process that bounds its memory, or None."""
    try:
        lines = (process / "cgroup").read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        name = path.lstrip("/")
        if "memory" in controllers.split(","):
            folder = groups / "memory" / name
            found = ControlGroup(
                folder / "memory.limit_in_bytes", folder / "memory.stat", "total_rss"
            )
        elif not controllers:
            folder = groups / name
            found = ControlGroup(folder / "memory.max", folder / "memory.stat", "anon")
        else:
            continue
        if found.limit.is_file():
            return found
    return None
