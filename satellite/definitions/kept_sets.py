"""Which sets of definitions does a node keep, and which of them is in use?

Touches the disk, below the folder that the engine reads: there a file comes into use by a hard link
and a rename, so that a set in use takes no room of its own, and by its inode a file is known to be
ours. Kept are the set in use, the one before it, and whatever is being fetched or tried. Which is
which says one small file that is replaced as a whole.

=================== ================================================================
below ``STAGING``   is
=================== ================================================================
``standing.json``   which set is in use, which was before, which is being tried
``set-NAME``        a whole set: its manifest, its files, and the marker
``incoming-NAME``   a set that is being fetched
``placing``         a file between its link and its rename
=================== ================================================================
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from common.definitions import MANIFEST, Manifest, ManifestBroken, read_manifest
from common.durable import publish, sync_folder, write_file
from common.errors import EnvironmentFailure
from satellite.definitions.marker import MARKER
from satellite.definitions.set_name import SetName

STAGING = ".border-scout"  # engines pass over folders, and over names without an ending of theirs
PLACING = "placing"
_STANDING = "standing.json"
STANDING_BYTES_MAX = 4096
_WHOLE = "set-"
_INCOMING = "incoming-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Which set is in which place.

    Args:
        current: in use, and the engine was seen to work with it; None: none of ours.
        former: in use before; None: none.
        trying: being put in the place of the current one; with it set after a start, that was cut
            short, and the current one is put back.
    """

    current: SetName | None = None
    former: SetName | None = None
    trying: SetName | None = None


class KeptSets:
    """The sets of one family on one node.

    Args:
        folder: that the engine reads; ours is a folder in it.

    Raises:
        EnvironmentFailure: it cannot be used, or ours is on another file system.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staging = folder / STAGING
        try:
            if not self.staging.is_dir():
                self.staging.mkdir(mode=0o755)
                sync_folder(folder)
            found = self.staging.lstat()
            is_elsewhere = found.st_dev != folder.stat().st_dev
        except OSError as error:
            raise EnvironmentFailure(
                f"cannot use {folder} for definitions: {error.strerror}",
                hint="make the folder, and let the satellite's user write in it",
            ) from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise EnvironmentFailure(
                f"{self.staging} is not ours",
                hint="others may write in that folder: see who made it, and remove it",
            )
        if is_elsewhere:
            raise EnvironmentFailure(
                f"{self.staging} is on another file system than {folder}",
                hint="a file comes into use by a rename: unmount what is mounted there",
            )
        self.standing = self._read()

    def record(self, standing: Standing) -> None:
        """Write down, durably, which set is in which place.

        Raises:
            OSError: what the disk said; then all is as it was.
        """
        told = {
            "current": _text(standing.current),
            "former": _text(standing.former),
            "trying": _text(standing.trying),
        }
        write_file(standing_file(self.folder), (json.dumps(told) + "\n").encode())
        self.standing = standing

    def fetched(self) -> frozenset[SetName]:
        """Return the sets that are here, whole."""
        return frozenset(name for name in self._named(_WHOLE) if self._is_whole(name))

    def path_of(self, name: SetName) -> Path:
        """Return the folder of a whole set."""
        return self.staging / f"{_WHOLE}{name}"

    def incoming(self, name: SetName) -> Path:
        """Return the folder in which a set is put together; it may not be there yet."""
        return self.staging / f"{_INCOMING}{name}"

    def accept(self, name: SetName) -> None:
        """Make what was put together a set of ours; every file in it is on the disk.

        Raises:
            OSError: what the disk said.
        """
        incoming = self.incoming(name)
        sync_folder(incoming)
        self.forget(self.path_of(name))  # what is left of one that was being removed
        publish(incoming, self.path_of(name))

    def manifest(self, name: SetName) -> Manifest:
        """Return what a set consists of.

        Raises:
            EnvironmentFailure: the disk does not give it.
        """
        try:
            return read_manifest((self.path_of(name) / MANIFEST).read_bytes())
        except (OSError, ManifestBroken) as error:
            raise EnvironmentFailure(f"the set {name.serial} cannot be read: {error}") from None

    def files_of(self, name: SetName) -> tuple[str, ...]:
        """Return what the files of a set are called in the engine's folder, the marker last.

        Raises:
            EnvironmentFailure: the disk does not tell.
        """
        return (*(file.name for file in self.manifest(name).files), MARKER)

    def forget_others(self, kept: Collection[SetName | None]) -> None:
        """Remove the sets that are neither among these nor in use, nor were before."""
        standing = self.standing
        wanted = {*kept, standing.current, standing.former, standing.trying}
        for prefix in (_WHOLE, _INCOMING):
            for name in self._named(prefix):
                if name not in wanted or not (prefix == _INCOMING or self._is_whole(name)):
                    self.forget(self.staging / f"{prefix}{name}")

    def forget(self, path: Path) -> None:
        """Remove one set's folder, its manifest first: half a set is no whole one."""
        with suppress(OSError):
            (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    # ---- inside

    def _read(self) -> Standing:
        """Return what was recorded, of the sets that are here."""
        said, found = recorded(self.folder), self.fetched()
        current, former, trying = (
            name if name in found else None for name in (said.current, said.former, said.trying)
        )
        return Standing(current=current, former=former, trying=trying)

    def _named(self, prefix: str) -> Iterator[SetName]:
        for entry in (path.name for path in self.staging.iterdir()):
            name = SetName.parse(entry.removeprefix(prefix)) if entry.startswith(prefix) else None
            if name is not None:
                yield name

    def _is_whole(self, name: SetName) -> bool:
        """Say whether a set's manifest is there, and is the one that the set is named by."""
        try:
            octets = (self.path_of(name) / MANIFEST).read_bytes()
        except OSError:
            return False
        return sha256(octets).hexdigest() == name.digest


def standing_file(folder: Path) -> Path:
    """Return the file that says which set is in which place, for a folder that an engine reads."""
    return folder / STAGING / _STANDING


def recorded(folder: Path) -> Standing:
    """Return what is written down for a folder that an engine reads; nothing where nothing is.

    Raises:
        EnvironmentFailure: the disk does not give it.
    """
    file = standing_file(folder)
    try:
        octets = file.read_bytes()
        told = json.loads(octets) if len(octets) <= STANDING_BYTES_MAX else {}
    except FileNotFoundError:
        told = {}
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(
            f"{file} cannot be read: {error}",
            hint="move it away: then the set in use is taken as new",
        ) from None
    said = told if isinstance(told, dict) else {}
    return Standing(
        **{key: SetName.parse(str(said.get(key))) for key in ("current", "former", "trying")}
    )


def _text(name: SetName | None) -> str | None:
    return None if name is None else str(name)
