"""How does a test fill a disk, and no other than its own?

Touches a mount of a few mebibytes, which takes root; without it the test is skipped.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SIZE_MIB = 32
INODES = 2000
BLOCK_BYTES = 65_536


class SmallDisk:
    """A folder that is a whole disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Write zeros until only so much room is left."""
        free = shutil.disk_usage(self.folder).free - leave_bytes
        with self._ballast.open("ab", buffering=0) as out:
            try:
                while free > 0:
                    free -= out.write(bytes(min(free, BLOCK_BYTES)))
            except OSError as error:
                assert error.errno == errno.ENOSPC, error

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def use_up_names(self) -> None:
        """Make files until the disk has no inode left."""
        for number in itertools.count():
            try:
                (self.folder / f"ballast-{number}").touch(exist_ok=False)
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
                return

    def give_names_back(self) -> None:
        """Take those files away."""
        for file in self.folder.glob("ballast-*"):
            file.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Give a folder with a disk of its own."""
    mount = shutil.which("mount", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    command: list[str | Path] = [
        mount,
        "-t",
        "tmpfs",
        "-o",
        f"size={SIZE_MIB}m,nr_inodes={INODES},mode=700",
        "tmpfs",
        folder,
    ]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
