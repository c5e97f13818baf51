"""Where are the octets of a quarantined message?

Touches a folder: a body is a file named by its SHA-256, one that is arriving is a partial file
named by whose it is. A body gets its name only after it was read back, agreed with its digest and
was synced; then the folder is synced too. No name comes from outside unchecked.

Source: docs/design/faults.md, F7 (without the folder's sync the file was lost in a power cut).
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from common.durable import publish, sync_folder, write_all
from common.errors import DiskFull, EnvironmentFailure
from common.identity import ShardIdentity, check_identity
from common.ids import is_ulid
from common.tasks import finish
from core.quarantine.cases import SHA256_BYTES, BodyMismatch, CaseRefused

READ_BYTES = 1_048_576  # at a time, when a body is checked
ASIDE = "aside"  # where bodies go that no case knows
LOCKS = 256  # one for each first octet of a digest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Partial:
    """The name of a body that is arriving."""

    identity: ShardIdentity
    message_id: str

    @property
    def file_name(self) -> str:
        """What its file is called.

        Raises:
            IdentityRefused, CaseRefused: what it is made of must not name a file.
        """
        check_identity(self.identity)
        if not is_ulid(self.message_id):
            raise CaseRefused(self.message_id, "its message id is no ULID")
        who = self.identity
        return f"{who.node}.{who.shard}.{who.incarnation}.{self.message_id}"


class BodyFolder:
    """The bodies of the quarantine. Whoever changes one holds its lock."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._partials = root / "partial"
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]

    @classmethod
    async def open(cls, root: Path) -> Self:
        """Return the folder, made if it is missing.

        Raises:
            EnvironmentFailure: it cannot be made.
        """
        folder = cls(root)
        await _in_thread(folder._make)
        return folder

    def lock(self, sha256: bytes) -> asyncio.Lock:
        """Return the lock under which a body comes, is counted on, and goes."""
        return self._locks[sha256[0]]

    async def partial_size(self, partial: Partial) -> int:
        """Return how many octets of a body have arrived."""
        path = self._partial(partial)
        return await _in_thread(lambda: _size(path))

    async def append(self, partial: Partial, offset: int, data: bytes) -> int:
        """Add octets to a body that is arriving and return how many it has then.

        What is there already is not written again; beyond the end nothing is written. Nothing is
        synced: that is for ``complete``.

        Raises:
            DiskFull, EnvironmentFailure: what the disk said.
        """
        path = self._partial(partial)
        return await _in_thread(lambda: _append(path, offset, data))

    async def complete(self, partial: Partial, *, sha256: bytes, size: int) -> None:
        """Make a body that has arrived durable under its digest.

        Raises:
            BodyMismatch: it is not the body that was announced; the partial file is gone.
            DiskFull, EnvironmentFailure: what the disk said; the partial file is gone.
        """
        path, final = self._partial(partial), self._final(sha256)
        await _in_thread(lambda: self._complete(path, final, partial, sha256, size))

    async def discard(self, partial: Partial) -> None:
        """Remove what has arrived of a body."""
        path = self._partial(partial)
        await _in_thread(lambda: path.unlink(missing_ok=True))

    async def read(self, sha256: bytes, offset: int, length: int) -> bytes:
        """Return octets of a body; fewer than ``length`` at its end, none beyond it.

        Raises:
            EnvironmentFailure: the file is missing or cannot be read.
        """
        path = self._final(sha256)
        return await _in_thread(lambda: _read(path, offset, length))

    async def has(self, sha256: bytes, size: int) -> bool:
        """Say whether a body is here, with as many octets as it should have."""
        path = self._final(sha256)
        return await _in_thread(lambda: _is_whole(path, size))

    async def set_aside(self, sha256: bytes) -> None:
        """Put a body where nothing looks for it, durably: it may be the last copy."""
        path = self._final(sha256)
        await _in_thread(lambda: self._set_aside(path))

    async def missing(self, bodies: Sequence[tuple[bytes, int]]) -> set[bytes]:
        """Return the digests of those that are not here, nor were set aside: these come back."""
        return await _in_thread(
            lambda: {sha256 for sha256, size in bodies if not self._is_here(sha256, size)}
        )

    async def remove(self, sha256: bytes) -> None:
        """Remove a body, durably; one that is gone already stays gone."""
        path = self._final(sha256)
        await _in_thread(lambda: _remove(path))

    async def partials_older_than(self, time_us: int) -> list[str]:
        """Return the file names of partial bodies that were last written before a time."""
        return await _in_thread(lambda: _older(self._partials, time_us))

    async def discard_file(self, file_name: str) -> None:
        """Remove a partial file that ``partials_older_than`` named."""
        assert "/" not in file_name
        await _in_thread(lambda: (self._partials / file_name).unlink(missing_ok=True))

    async def bodies_older_than(self, time_us: int, *, first: int) -> list[bytes]:
        """Return the digests of bodies that begin with an octet and were written before a time."""
        return await _in_thread(lambda: self._old_bodies(time_us, first))

    def _make(self) -> None:
        self._partials.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self._root)
        sync_folder(self._root.parent)

    def _partial(self, partial: Partial) -> Path:
        return self._partials / partial.file_name

    def _final(self, sha256: bytes) -> Path:
        assert len(sha256) == SHA256_BYTES
        name = sha256.hex()
        return self._root / name[:2] / name

    def _complete(
        self, path: Path, final: Path, partial: Partial, sha256: bytes, size: int
    ) -> None:
        try:
            found = _digest_and_sync(path)
        except OSError:
            # After a failed sync the system may drop what it could not write and call the next
            # one a success: only a fresh copy can be trusted.
            path.unlink(missing_ok=True)
            raise
        if found != (sha256, size):
            path.unlink(missing_ok=True)
            raise BodyMismatch(partial.message_id, "what arrived has another SHA-256 or size")
        if not final.parent.is_dir():
            final.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._root)
        # From here on this file is what the core answers for.
        publish(path, final)

    def _is_here(self, sha256: bytes, size: int) -> bool:
        path, aside = self._final(sha256), self._root / ASIDE / sha256.hex()
        return _is_whole(path, size) or _bring_back(aside, path, size)

    def _set_aside(self, path: Path) -> None:
        target = self._root / ASIDE
        if not target.is_dir():
            target.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._root)
        with suppress(FileNotFoundError):
            publish(path, target / path.name)
            sync_folder(path.parent)

    def _old_bodies(self, time_us: int, first: int) -> list[bytes]:
        folder = self._root / f"{first:02x}"
        names = _older(folder, time_us) if folder.is_dir() else []
        return [bytes.fromhex(name) for name in names if _is_digest(name)]


async def _in_thread(work: Callable[[], T]) -> T:
    # To its end even when the caller is cancelled: the lock must outlast the thread's work.
    try:
        return await finish(asyncio.to_thread(work))
    except OSError as error:
        raise _failure(error) from error


def _failure(error: OSError) -> EnvironmentFailure:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull("there is no room for a quarantined body", hint="free disk space")
    return EnvironmentFailure(f"the folder of bodies failed: {error}")


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _append(path: Path, offset: int, data: bytes) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        end = offset + len(data)
        if offset > size or end <= size:
            return size
        os.lseek(descriptor, size, os.SEEK_SET)
        write_all(descriptor, memoryview(data)[size - offset :])
        return end
    finally:
        os.close(descriptor)


def _digest_and_sync(path: Path) -> tuple[bytes, int]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fsync(descriptor)
        digest, size = hashlib.sha256(), 0
        while chunk := os.read(descriptor, READ_BYTES):
            digest.update(chunk)
            size += len(chunk)
        return digest.digest(), size
    finally:
        os.close(descriptor)


def _read(path: Path, offset: int, length: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _bring_back(aside: Path, path: Path, size: int) -> bool:
    if not _is_whole(aside, size):
        return False
    path.parent.mkdir(mode=0o700, exist_ok=True)
    sync_folder(path.parent.parent)
    publish(aside, path)
    return True


def _older(folder: Path, time_us: int) -> list[str]:
    found: list[str] = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            if entry.stat(follow_symlinks=False).st_mtime_ns // 1000 < time_us:
                found.append(entry.name)
    return found


def _is_digest(name: str) -> bool:
    return len(name) == 2 * SHA256_BYTES and all(c in "0123456789abcdef" for c in name)
