"""Which sets of definitions are on the disk, and how does one get there whole?

Touches a folder. A set is a folder named by its serial: the files, and the manifest that names them
all. It is put together under another name, every file synced; then it is renamed and the folder
above synced, so that after a power cut a set is whole or not there. Files that two sets have in
common are one file on the disk. Nobody changes a set after it has its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.definitions import (
    FILE_BYTES_MAX,
    FILES_MAX,
    MANIFEST,
    SET_BYTES_MAX,
    DefinitionsFile,
    Manifest,
    ManifestBroken,
    is_file_name,
    manifest_octets,
    read_manifest,
)
from common.durable import sync_folder, write_all, write_file
from common.errors import DiskFull, LocalError

RESERVE_BYTES = 536_870_912  # stays free for the core's database and quarantined mail
COPY_BYTES = 1_048_576  # at a time
_SERIAL = re.compile(r"[1-9][0-9]{0,18}")
_STAGED = "staged"


class UnknownSet(LocalError):
    """There is no set of this serial, or it is not whole."""


class SetRefused(LocalError):
    """Files that cannot make a set: too many, too large, or not plain files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsSource:
    """A file that shall be in a set: what it is called there, and where it is now."""

    name: str
    path: Path
    is_custom: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """A set on the disk.

    Args:
        manifest: what it is made of.
        sha256: of the manifest's octets, which is what the set is known by.
        folder: where the files are.
    """

    manifest: Manifest
    sha256: bytes
    folder: Path


class SetFolder:
    """The sets of one family. Every method blocks on the disk.

    Args:
        root: a folder of our own; made if it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self) -> None:
        """Make the folder, and remove what was left half-made.

        Raises:
            OSError: what the disk said.
        """
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(self._root.parent)
        shutil.rmtree(self.staged, ignore_errors=True)

    @property
    def staged(self) -> Path:
        """Where a set is put together; one at a time."""
        return self._root / _STAGED

    def serials(self) -> list[int]:
        """Return the serials of all sets, the newest first."""
        names = [entry.name for entry in self._root.iterdir() if _SERIAL.fullmatch(entry.name)]
        return sorted(map(int, names), reverse=True)

    def stored(self, serial: int) -> StoredSet:
        """Return a set.

        Raises:
            UnknownSet: it is not there, or its manifest cannot be read.
        """
        folder = self._root / str(serial)
        try:
            octets = (folder / MANIFEST).read_bytes()
            manifest = read_manifest(octets)
        except FileNotFoundError:
            raise UnknownSet(
                f"there are no definitions {serial}", hint="see: borderscout definitions list"
            ) from None
        except (OSError, ManifestBroken) as error:
            raise UnknownSet(f"the definitions {serial} cannot be read: {error}") from None
        return StoredSet(manifest=manifest, sha256=hashlib.sha256(octets).digest(), folder=folder)

    def stage(
        self, sources: Sequence[DefinitionsSource], *, like: StoredSet | None
    ) -> tuple[DefinitionsFile, ...]:
        """Put a set together and return its files, in the order of their names.

        Args:
            sources: the files; two of one name are refused.
            like: a set whose files are used again where they are the same.

        Raises:
            SetRefused: they can make no set.
            DiskFull: there is no room for them beside what the core needs itself.
            OSError: what the disk said, or a file went away meanwhile.
        """
        _check(sources)
        shutil.rmtree(self.staged, ignore_errors=True)
        self._check_room(sum(source.path.lstat().st_size for source in sources))
        self.staged.mkdir(mode=0o700)
        known = {file.name: file for file in like.manifest.files} if like is not None else {}
        files, left = [], SET_BYTES_MAX
        for source in sorted(sources, key=lambda one: one.name):
            target = self.staged / source.name
            size, sha256 = _copy(source.path, target, bytes_max=min(left, FILE_BYTES_MAX))
            left -= size
            twin = known.get(source.name)
            if like is not None and twin is not None and twin.sha256 == sha256:
                _link_instead(like.folder / source.name, target)
            files.append(
                DefinitionsFile(
                    name=source.name, size=size, sha256=sha256, is_custom=source.is_custom
                )
            )
        return tuple(files)

    def _check_room(self, needed_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._root).free
        if free_bytes - needed_bytes < RESERVE_BYTES:
            raise DiskFull(
                f"no room for definitions: {needed_bytes} octets are to come, {free_bytes} are"
                f" free, of which {RESERVE_BYTES} are the core's own reserve",
                hint="free disk space, or lower definitions.keep",
            )

    def keep(self, manifest: Manifest) -> StoredSet:
        """Give what is staged its serial, durably.

        Raises:
            OSError: what the disk said; the set is not there.
        """
        octets = manifest_octets(manifest)
        write_file(self.staged / MANIFEST, octets)  # it syncs the folder too
        folder = self._root / str(manifest.serial)
        # From here on it can be announced and fetched.
        self.staged.rename(folder)
        sync_folder(self._root)
        return StoredSet(manifest=manifest, sha256=hashlib.sha256(octets).digest(), folder=folder)

    def drop_staged(self) -> None:
        """Remove what is staged."""
        shutil.rmtree(self.staged, ignore_errors=True)

    def prune(self, *, keep: Iterable[int], newest: int) -> list[int]:
        """Remove old sets and return which.

        Args:
            keep: those that stay, however old.
            newest: how many of the newest stay beside them.
        """
        kept = set(keep)
        old = [serial for serial in self.serials()[newest:] if serial not in kept]
        for serial in old:
            # Under another name first: a set that is half gone must not look like one.
            shutil.rmtree(self.staged, ignore_errors=True)
            (self._root / str(serial)).rename(self.staged)
            shutil.rmtree(self.staged, ignore_errors=True)
        return old


def _check(sources: Sequence[DefinitionsSource]) -> None:
    if not 1 <= len(sources) <= FILES_MAX:
        raise SetRefused(f"a set has 1 to {FILES_MAX} files, not {len(sources)}")
    names = [source.name for source in sources]
    for name in names:
        if not is_file_name(name):
            raise SetRefused(f"{name[:80]!r} is no name of a file of definitions")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SetRefused(f"{twice[0]} is there twice", hint="give your own file another name")


def _copy(path: Path, target: Path, *, bytes_max: int) -> tuple[int, str]:
    """Copy a plain file durably; return its size and its SHA-256 in hex.

    Not through a link, nor from a pipe that nobody writes to: the folder of a mirror is others'.
    """
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise SetRefused(f"{path.name} is no plain file")
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            digest, size = hashlib.sha256(), 0
            while chunk := os.read(source, COPY_BYTES):
                size += len(chunk)
                if size > bytes_max:
                    raise SetRefused(f"{path.name} is too large for a set of definitions")
                digest.update(chunk)
                write_all(descriptor, chunk)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        os.close(source)
    return size, digest.hexdigest()


def _link_instead(known: Path, target: Path) -> None:
    """Have a file's octets once on the disk; where that cannot be, twice is as good."""
    beside = target.with_name(f"{target.name}.link")
    with suppress(OSError):
        beside.unlink(missing_ok=True)
        os.link(known, beside)
        beside.rename(target)
