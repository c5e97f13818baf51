"""Is there free disk space above the reserve?

Touches the file system's counters, at most a few times a second: asking costs as much as a
commit's share, and the reserve covers what comes in between.
"""

from __future__ import annotations

import os
from pathlib import Path

LOOK_EVERY_S = 0.2


class Space:
    """The free space around a shard's folder.

    Args:
        folder: the shard's.
        reserve_bytes: free space below which nothing is accepted.
    """

    __slots__ = ("_folder", "_looked_s", "_refusal", "_reserve_bytes")

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._looked_s = float("-inf")
        self._refusal: str | None = None

    def free_bytes(self) -> int:
        """Return what the disk has for us at this moment."""
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize

    def refusal(self, *, now_s: float) -> str | None:
        """Return why nothing may be accepted at a monotonic time, or None."""
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._refusal = self._look()
        return self._refusal

    def _look(self) -> str | None:
        status = os.statvfs(self._folder)
        free = status.f_bavail * status.f_frsize
        if free < self._reserve_bytes:
            return f"{free >> 20} MiB of disk free, {self._reserve_bytes >> 20} MiB reserved"
        if status.f_files and not status.f_favail:
            return "no inodes free"
        return None
