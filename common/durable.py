"""How does a file survive a power cut?

Touches the disk, through ``disk`` alone. Write, fsync, rename, fsync the folder: without the last
the file was found under its temporary name after a power cut, on ext4 and on xfs.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """What is asked of the disk, one method for each call; each raises OSError.

    Tests put one in its place that numbers the calls, fails at one of them, or forgets what was
    not synced.
    """

    def create(self, path: Path, flags: int, mode: int) -> int:
        """Return a descriptor of a file that is made or emptied."""
        return os.open(path, flags | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        """Return how many octets were taken."""
        return os.write(descriptor, content)

    def sync(self, descriptor: int) -> None:
        """Return when the octets of a file are on the disk."""
        os.fsync(descriptor)

    def rename(self, path: Path, target: Path) -> None:
        """Give a file another name in the same file system; what had it before is gone."""
        path.replace(target)

    def unlink(self, path: Path) -> None:
        """Take a name away, if it is there."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are on the disk."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


disk = Disk()


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Put ``content`` at ``path`` so that after a crash either the old or the new file is whole.

    Raises:
        OSError: what the disk said; nothing is left at ``path`` that was not there before.
    """
    temporary = path.with_name(path.name + ".part")
    descriptor = disk.create(temporary, os.O_TRUNC, mode)
    try:
        os.fchmod(descriptor, mode)  # a file that was already there keeps no other mode
        write_all(descriptor, content)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    publish(temporary, path)


def write_where_named(path: Path, content: bytes, *, mode: int) -> None:
    """Put ``content`` where somebody who typed a command wants it.

    As ``write_file``; but into a device, a pipe or through a link it is written, and they stay:
    root, who typed ``--out /dev/stdout``, had a file of that name afterwards, and no stdout there.

    Raises:
        OSError: what the disk said.
    """
    if not path.is_symlink() and (path.is_file() or not path.exists()):
        write_file(path, content, mode=mode)
        return
    descriptor = disk.create(path, os.O_TRUNC, mode)
    try:
        write_all(descriptor, content)  # not synced: a pipe knows no such thing
    finally:
        os.close(descriptor)


def publish(temporary: Path, path: Path) -> None:
    """Give a file that is already synced its final name, durably."""
    disk.rename(temporary, path)
    disk.sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    disk.sync_folder(folder)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write everything; the system may take less than it is given."""
    rest = memoryview(content)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]
