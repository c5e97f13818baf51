"""Is there free disk space above the reserve?

Touches the file system's counters, at most a few times a second: asking costs as much as a
commit's share, and the reserve covers what comes in between.

Free pages of the spool's own file count as free: rows need no other room. Body files and the
write-ahead log do, so a part of the reserve must be free on the disk itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

LOOK_EVERY_S = 0.2
ON_DISK_SHARE = 0.25  # of the reserve, whatever is free within the spool's file


class Space:
    """The free space around a shard's folder, and within its file.

    Args:
        folder: the shard's.
        reserve_bytes: free space below which nothing is accepted.
        within: returns the octets of the spool's file that hold nothing.
    """

    __slots__ = ("_folder", "_looked_s", "_refusal", "_reserve_bytes", "_within")

    def __init__(self, folder: Path, reserve_bytes: int, *, within: Callable[[], int]) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._within = within
        self._looked_s = float("-inf")
        self._refusal: str | None = None

    def free_bytes(self) -> int:
        """Return what there is for us at this moment, on the disk and within the file."""
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize + self._within()

    def total_bytes(self) -> int:
        """Return the size of the disk."""
        status = os.statvfs(self._folder)
        return status.f_blocks * status.f_frsize

    def refusal(self, *, now_s: float) -> str | None:
        """Return why nothing may be accepted at a monotonic time, or None."""
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._refusal = self._look()
        return self._refusal

    def _look(self) -> str | None:
        status = os.statvfs(self._folder)
        on_disk = status.f_bavail * status.f_frsize
        free = on_disk + (self._within() if on_disk < self._reserve_bytes else 0)
        if free < self._reserve_bytes or on_disk < self._reserve_bytes * ON_DISK_SHARE:
            return f"{on_disk >> 20} MiB of disk free, {self._reserve_bytes >> 20} MiB reserved"
        if status.f_files and not status.f_favail:
            return "no inodes free"
        return None
