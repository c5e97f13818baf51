"""How does a test cut the power of a disk, and of no other than its own?

Touches a file system on a loop device, which takes root. A cut is the file system's own shutdown
without a flush: what was not synced is gone, as if the machine had lost its power; the next mount
replays the journal.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from tests.support.waiting import until

SIZE_MIB = 512  # sparse; xfs makes none below 300
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
TOOLS = ("mount", "umount", "xfs_io", "mkfs.ext4", "mkfs.xfs")


class FileSystem(StrEnum):
    """What the disk is made with."""

    EXT4 = "ext4"
    XFS = "xfs"


class LossyDisk:
    """A folder that is a whole disk whose power can be cut."""

    def __init__(self, folder: Path, image: Path, kind: FileSystem) -> None:
        self.folder = folder
        self._image = image
        self._kind = kind
        folder.mkdir(mode=0o700)
        with image.open("wb") as out:
            out.truncate(SIZE_MIB << 20)
        force = "-F" if kind is FileSystem.EXT4 else "-f"
        _run(f"mkfs.{kind}", "-q", force, image)

    def mount(self) -> None:
        """Let the disk be there; after a cut, its journal is replayed."""
        _run("mount", "-o", "loop", self._image, self.folder)

    def cut_power(self) -> None:
        """Lose all that is not on the disk; every access fails from now on, until ``restore``."""
        _run("xfs_io", "-x", "-c", "shutdown", self.folder)

    async def restore(self) -> None:
        """Let the disk come back after a cut.

        Whoever used it must have ended; the kernel may close the files of a process that is gone
        a moment later.
        """

        async def look() -> bool:
            try:
                _run("umount", self.folder)
            except subprocess.CalledProcessError:
                return False
            return True

        await until(look, f"{self.folder} is in nobody's use")
        self.mount()


@contextlib.asynccontextmanager
async def stopped(pid: int) -> AsyncIterator[None]:
    """Let a process stand still, in no system call, for the length of a block.

    A sync that is under way while the file system is shut down may be told to have worked, though
    its journal was given up: what the process does next then rests on nothing, as no process can
    after a power cut. One that begins later fails.
    """
    os.kill(pid, signal.SIGSTOP)
    try:

        async def look() -> bool:
            tasks = Path(f"/proc/{pid}/task").iterdir()
            return all("State:\tT" in (task / "status").read_text() for task in tasks)

        await until(look, f"{pid} stands still")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def lossy_disk(below: Path, kind: FileSystem) -> Iterator[LossyDisk]:
    """Give a folder with a disk of its own; without root or the tools, skip the test."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=_PATH) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"cutting a disk's power needs root and xfsprogs; missing: {missing or 'root'}")
    disk = LossyDisk(below / "disk", below / "disk.image", kind)
    try:
        disk.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a loop device cannot be mounted here: {error.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk.folder], check=False, capture_output=True)


def _run(tool: str, *arguments: str | Path) -> None:
    found = shutil.which(tool, path=_PATH)
    assert found is not None, tool
    subprocess.run([found, *arguments], check=True, capture_output=True, text=True)
