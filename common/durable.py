"""How does a file survive a power cut?

Touches the disk. Write, fsync, rename, fsync the folder: without the last the file was found under
its temporary name after a power cut, on ext4 and on xfs.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Put ``content`` at ``path`` so that after a crash either the old or the new file is whole.

    Raises:
        OSError: what the disk said; nothing is left at ``path`` that was not there before.
    """
    temporary = path.with_name(path.name + ".part")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    try:
        os.fchmod(descriptor, mode)  # a file that was already there keeps no other mode
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    publish(temporary, path)


def publish(temporary: Path, path: Path) -> None:
    """Give a file that is already synced its final name, durably."""
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write everything; the system may take less than it is given."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
