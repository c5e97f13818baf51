"""Is there room on the core's disks?

Touches the file system, to ask. What a write has met counts as much as what the system says: a
quota, or a server of databases, may leave us nothing while there is room to be seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

FREE_BYTES_MIN = 16 << 20  # below it a commit of a few records may not fit any more
REMEMBERED_S = 60.0  # after a write that had no room; somebody tries again long before


class DiskRoom:
    """The room that is left.

    Args:
        monotonic_s: the time.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._folders: list[Path] = []
        self._refused_s: float | None = None
        self._refusal = ""

    def watch(self, folder: Path) -> None:
        """Look at the disk of a folder from now on."""
        if folder not in self._folders:
            self._folders.append(folder)

    def refused(self, what: str) -> None:
        """A write had no room; may be said from any thread."""
        self._refusal, self._refused_s = what, self._monotonic_s()

    @property
    def free_bytes(self) -> int | None:
        """The octets that are free where there are fewest; None: no disk here is ours."""
        free = [_left(folder)[0] for folder in self._folders]
        return min(free, default=None)

    @property
    def problem(self) -> str:
        """Why nothing can be written, in words; empty while it can be."""
        refused_s = self._refused_s
        if refused_s is not None and self._monotonic_s() - refused_s <= REMEMBERED_S:
            return f"the core's disk is full: {self._refusal}"
        for folder in self._folders:
            free, names = _left(folder)
            if free < FREE_BYTES_MIN:
                return f"the core's disk is full: {free >> 10} KiB are free at {folder}"
            if names == 0:
                return f"the core's disk is full: no further file fits at {folder}"
        return ""


def _left(folder: Path) -> tuple[int, int | None]:
    """Return the octets and the files that we may still write; None: the files have no bound."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None
