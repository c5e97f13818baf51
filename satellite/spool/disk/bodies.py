"""Where is a message's body stored, and how is it read and checked?

Touches the body folder. Bodies up to 64 KiB are rows of the database; larger ones are files, named
by the message's id and nothing else, made durable before the row that points to them.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from common import durable
from common.errors import EnvironmentFailure
from common.ids import MessageId, is_ulid
from satellite.spool.disk.rows import Select
from satellite.spool.model.messages import Stored

log = structlog.get_logger()

FOLDER = "bodies"  # of the shard
PART = ".part"  # a body that is still being received
HASH_BYTES = 1 << 18  # read at once where only the hash is wanted
# What no later try will mend. Want of descriptors, memory or rights is the machine's, and passes.
_LOST = frozenset(
    {errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.ENODEV, errno.EIO}
)


class BodyDamaged(EnvironmentFailure):
    """A body cannot be read as it was written."""


class SyncFailed(OSError):
    """A sync failed: the kernel may have dropped pages and call them clean."""


class Body:
    """The octets of one message, in memory or in a file.

    A file is hashed as it is read: who reads it to its end, in order, has read what was accepted,
    or was told before the last octets that it is damaged.

    Args:
        size: octets.
        data: the octets of a body that is no file; they are what was accepted.
        path: the file of a larger one.
        descriptor: that file, open; ``close`` closes it.
        sha256: of what was accepted.
    """

    def __init__(
        self,
        *,
        size: int,
        data: bytes | None = None,
        path: Path | None = None,
        descriptor: int = -1,
        sha256: bytes = b"",
    ) -> None:
        assert (data is None) != (path is None)
        self.size = size
        self.data = data
        self.path = path
        self._descriptor = descriptor
        self._sha256 = sha256
        self._is_at_hand = False  # written a moment ago, and need not be read twice
        self._hash = hashlib.sha256() if data is None else None
        self._hashed = 0  # octets from the first on
        self._is_checked = data is not None

    @classmethod
    def of_file(cls, path: Path, *, size: int, sha256: bytes, is_at_hand: bool = False) -> Self:
        """Open a body that is a file.

        Raises:
            BodyDamaged: it is no file, or has another size.
            EnvironmentFailure: it cannot be read now.
        """
        descriptor = _opened(path)
        fault = _fault(os.fstat(descriptor), size)
        if fault:
            os.close(descriptor)
            raise BodyDamaged(f"the body file {path.name} {fault}")
        body = cls(size=size, path=path, descriptor=descriptor, sha256=sha256)
        body._is_at_hand = is_at_hand
        return body

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` octets from ``offset``; fewer only at the end.

        Raises:
            BodyDamaged: the file is shorter than it was, cannot be read, or is another one than was
                accepted.
        """
        if self.data is not None:
            return self.data[offset : offset + length]
        found = self._from_file(offset, length)
        if not self._is_checked:
            self._check(offset, found)
        return found

    async def verify(self) -> None:
        """Read a file to its end, in a thread, before anybody else does, unless it is at hand.

        Raises:
            BodyDamaged: it is not what was accepted.
        """
        if not (self._is_checked or self._is_at_hand):
            await asyncio.get_running_loop().run_in_executor(None, self._hash_up_to, self.size)

    def leave_the_check(self) -> None:
        """Hash nothing: who reads it compares the SHA-256 of what arrives."""
        self._is_checked = True

    def _check(self, offset: int, found: bytes) -> None:
        self._hash_up_to(offset)  # what is not sent, such as header lines that were replaced
        if not self._is_checked and offset + len(found) > self._hashed:
            self._take(found[self._hashed - offset :])

    def _hash_up_to(self, end: int) -> None:
        while self._hashed < end and not self._is_checked:
            self._take(self._from_file(self._hashed, min(HASH_BYTES, end - self._hashed)))

    def _take(self, octets: bytes) -> None:
        assert self._hash is not None
        self._hash.update(octets)
        self._hashed += len(octets)
        if self._hashed < self.size:
            return
        if self._hash.digest() != self._sha256:
            raise BodyDamaged(f"the body file {self._name} is not what was accepted")
        self._is_checked = True

    def _from_file(self, offset: int, length: int) -> bytes:
        wanted = max(0, min(length, self.size - offset))
        try:
            found = os.pread(self._descriptor, wanted, offset)
        except OSError as error:
            raise _unreadable(self._name, error) from error
        if len(found) != wanted:
            raise BodyDamaged(f"the body file {self._name} is shorter than {self.size} octets")
        return found

    @property
    def _name(self) -> str:
        assert self.path is not None
        return self.path.name

    def close(self) -> None:
        """Give the file back; harmless when there is none."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_body(select: Select, folder: Path, message: Stored, *, is_at_hand: bool = False) -> Body:
    """Return a message's octets; close it after use.

    Args:
        select: runs a SELECT on what is committed.
        folder: the body folder.
        message: whose.
        is_at_hand: it was written a moment ago.

    Raises:
        BodyDamaged: they are not what was accepted, as far as that is seen at once.
        EnvironmentFailure: they cannot be read now.
    """
    if not message.in_file:
        rows = select("SELECT data FROM body WHERE message=?", (message.id,))
        if not rows or hashlib.sha256(rows[0][0]).digest() != message.sha256:
            raise BodyDamaged(f"the body of {message.id} is not in the spool as it was accepted")
        return Body(size=message.size, data=rows[0][0])
    return Body.of_file(
        folder / message.id, size=message.size, sha256=message.sha256, is_at_hand=is_at_hand
    )


def _opened(path: Path) -> int:
    # Whatever lies there: a link is not followed, and a pipe that nobody writes holds nobody up.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except OSError as error:
        raise _unreadable(path.name, error) from error


def _fault(status: os.stat_result, size: int) -> str:
    """Return what is wrong with a body file at first sight; empty when nothing is."""
    if not stat.S_ISREG(status.st_mode):
        return "is no file any more"
    return f"has {status.st_size} octets, not {size}" if status.st_size != size else ""


def _unreadable(name: str, error: OSError) -> EnvironmentFailure:
    """Return whether a body is lost, or we merely cannot read it now."""
    what = f"the body file {name} cannot be read: {error.strerror}"
    return BodyDamaged(what) if error.errno in _LOST else EnvironmentFailure(what)


class BodyFile:
    """A body file that is being written; it has its final name only after ``publish``."""

    def __init__(self, folder: Path, message: MessageId) -> None:
        assert is_ulid(message)
        self.path = folder / message
        self.part = folder / f"{message}{PART}"
        self._descriptor = durable.disk.create(self.part, os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append octets; they are not durable yet."""
        durable.write_all(self._descriptor, chunk)

    def publish(self) -> None:
        """Make the file durable under its final name. Runs in a thread: it waits for the disk.

        Raises:
            SyncFailed: nobody may sync this file or its folder again.
            OSError: what else the disk said.
        """
        with _syncing():
            durable.disk.sync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        durable.disk.rename(self.part, self.path)
        with _syncing():
            durable.disk.sync_folder(self.path.parent)

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        remove_body(self.part)
        remove_body(self.path)


@contextmanager
def _syncing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SyncFailed(error.errno, error.strerror) from error


def remove_body(path: Path) -> None:
    """Delete a body file that no row points to; start-up finds what a crash or the disk left.

    What became of the message stands in the database: a file that stays delivers nothing twice.
    """
    try:
        durable.disk.unlink(path)
    except OSError as error:
        log.warning("spool.body_not_removed", file=path.name, reason=error.strerror)
