"""How does a file come into a backup, or out of one, and survive a power cut there?

Touches the disk.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.durable import write_all
from common.errors import DiskFull, EnvironmentFailure, LocalError
from core.recovery.manifest import BLOCK_BYTES

_C = ctypes.CDLL(None, use_errno=True)

ROOM_BYTES = 64 << 20  # that stay free beside what is written


class NotTheOwner(LocalError):
    """Files would be made that the core cannot read, or write."""


def check_owner(path: Path) -> None:
    """Accept that we are who owns the core's state: what we make there the core must write to.

    Raises:
        NotTheOwner: we are somebody else; root too.
    """
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise NotTheOwner(
            f"{path} belongs to another user ({owner})",
            hint="type it as that one: sudo -u borderscout borderscout core …",
        )


def check_room(folder: Path, wanted: int) -> None:
    """Accept that there is room for so many octets.

    Raises:
        DiskFull: there is not.
    """
    free = shutil.disk_usage(folder).free
    if free < wanted + ROOM_BYTES:
        raise DiskFull(
            f"{folder} has {free >> 20} MiB free, and {(wanted + ROOM_BYTES) >> 20} MiB are needed",
            hint="free some space, or name a folder on another disk",
        )


def link_or_copy(source: Path, target: Path) -> int:
    """Give a file a second name, or copy it to another file system; return its size.

    Raises:
        FileNotFoundError: it is not there.
        OSError: what the disk said.
    """
    try:
        os.link(source, target, follow_symlinks=False)
        return target.stat().st_size
    except OSError as error:
        # Another file system, one without such links, or a file that has very many already.
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
            raise
    return copy(source, target)[0]


def copy(source: Path, target: Path) -> tuple[int, bytes]:
    """Copy a file and return its size and SHA-256; ``on_disk`` makes it durable.

    Raises:
        FileNotFoundError: it is not there.
        OSError: what the disk said.
    """
    digest, size = hashlib.sha256(), 0
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        writing = os.open(target, flags, 0o600)
        try:
            while block := os.read(reading, BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                write_all(writing, block)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return size, digest.digest()


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """Make durable whatever is written below a folder meanwhile, its names too.

    One sync of the file system, which tells of all that could not be written since the folder was
    opened here (Linux 5.8). One of each file took 2 to 7 ms: two hours for a million bodies.

    Source: syncfs(2).
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield
        if _C.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def failure_of(error: OSError) -> EnvironmentFailure:
    """Return what the disk said as an error of ours."""
    where = error.filename or "the disk"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"{where}: no room", hint="free some space")
    return EnvironmentFailure(f"{where}: {error.strerror}", hint="look at the disk and the rights")
