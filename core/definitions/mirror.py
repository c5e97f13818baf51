"""What does the mirror's folder hold now, and is somebody still writing there?

Touches a folder, and reads nothing of the files but their names and sizes. It is filled by
freshclam, which the core runs itself, or by somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.definitions.clamav_files import is_mirrored
from core.definitions.sets import DefinitionsSource


@dataclass(frozen=True, slots=True)
class MirrorState:
    """The files of a mirror at one moment: name, inode, size and time of change of each."""

    files: tuple[tuple[str, int, int, int], ...] = ()

    @property
    def changed_ns(self) -> int:
        """When the newest of them was changed, nanoseconds since the epoch; 0: there are none."""
        return max((file[3] for file in self.files), default=0)


def mirror_state(folder: Path) -> MirrorState:
    """Return what a mirror holds; one that is not there holds nothing.

    Raises:
        OSError: the folder is there and cannot be read.
    """
    found = []
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return MirrorState()
    for path in entries:
        if not is_mirrored(path.name):
            continue
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # it went while we looked
        found.append((path.name, status.st_ino, status.st_size, status.st_mtime_ns))
    return MirrorState(tuple(found))


def mirror_sources(folder: Path, state: MirrorState) -> list[DefinitionsSource]:
    """Return the files of a mirror as a set may take them."""
    return [
        DefinitionsSource(name=name, path=folder / name, is_custom=False)
        for name, _, _, _ in state.files
    ]
