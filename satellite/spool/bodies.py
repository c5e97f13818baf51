"""Where are a message's octets, and how are they read?

Touches the body folder. Bodies up to 64 KiB are rows of the database; larger ones are files, named
by the message's id and nothing else, made durable before the row that points to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from common import durable
from common.errors import EnvironmentFailure
from common.ids import MessageId, is_ulid
from satellite.spool.messages import Stored
from satellite.spool.rows import Select

log = structlog.get_logger()

FOLDER = "bodies"  # of the shard
PART = ".part"  # a body that is still being received


class BodyDamaged(EnvironmentFailure):
    """A body cannot be read as it was written."""


class SyncFailed(OSError):
    """A sync failed: the kernel may have dropped pages and call them clean."""


class Body:
    """The octets of one message, in memory or in a file.

    Args:
        size: octets.
        data: the octets of a body in the database.
        path: the file of a larger one.
    """

    def __init__(self, *, size: int, data: bytes | None = None, path: Path | None = None) -> None:
        assert (data is None) != (path is None)
        self.size = size
        self.data = data
        self.path = path
        self._descriptor = -1

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` octets from ``offset``; fewer only at the end.

        Raises:
            BodyDamaged: the file is gone, shorter than it was, or cannot be read.
        """
        if self.data is not None:
            return self.data[offset : offset + length]
        assert self.path is not None
        wanted = max(0, min(length, self.size - offset))
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            found = os.pread(self._descriptor, wanted, offset)
        except OSError as error:
            raise BodyDamaged(f"the body file {self.path.name} cannot be read: {error}") from error
        if len(found) != wanted:
            raise BodyDamaged(f"the body file {self.path.name} is shorter than {self.size} octets")
        return found

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


def open_body(select: Select, folder: Path, message: Stored) -> Body:
    """Return a message's octets; close it after use.

    Args:
        select: runs a SELECT on what is committed.
        folder: the body folder.
        message: whose.

    Raises:
        BodyDamaged: there are none, or not as many as were written.
    """
    if not message.in_file:
        rows = select("SELECT data FROM body WHERE message=?", (message.id,))
        if not rows or len(rows[0][0]) != message.size:
            raise BodyDamaged(f"the body of {message.id} is not in the spool")
        return Body(size=message.size, data=rows[0][0])
    path = folder / message.id
    try:
        size = path.stat(follow_symlinks=False).st_size
    except OSError as error:
        raise BodyDamaged(f"the body file {message.id} cannot be read: {error}") from error
    if size != message.size:
        raise BodyDamaged(f"the body file {message.id} has {size} octets, not {message.size}")
    return Body(size=message.size, path=path)


class BodyFile:
    """A body file that is being written; it has its final name only after ``publish``."""

    def __init__(self, folder: Path, message: MessageId) -> None:
        assert is_ulid(message)
        self.path = folder / message
        self._part = folder / f"{message}{PART}"
        self._descriptor = durable.disk.create(self._part, os.O_EXCL | os.O_NOFOLLOW, 0o600)

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
        durable.disk.rename(self._part, self.path)
        with _syncing():
            durable.disk.sync_folder(self.path.parent)

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        remove_body(self._part)
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


def sweep(folder: Path, wanted: set[str]) -> list[str]:
    """Delete what no message needs, and return the ids whose file is missing.

    Args:
        folder: the body folder.
        wanted: ids of messages whose body is a file.
    """
    present: set[str] = set()
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False) and entry.name in wanted:
            present.add(entry.name)
        elif is_ulid(entry.name.removesuffix(PART)) and not entry.is_dir(follow_symlinks=False):
            remove_body(Path(entry.path))
    return sorted(wanted - present)
