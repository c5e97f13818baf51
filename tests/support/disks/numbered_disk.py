"""What would be left if the power went, or the disk failed, at step n?

A layer under the spool that numbers every create, write, sync, truncate, rename and unlink, of the
database (a VFS of SQLite over the real one) and of the body files (``common.durable.disk``), and
asks a platter what happens. Nothing is really synced.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from common import durable
from tests.support.disks.platter import Failure, File, Kind, Plan, Platter

_WITH_FOLDER = (  # SQLite syncs the folder with the first sync of these
    apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
)
_names = count()


class NumberedBodies(durable.Disk):
    """``common.durable.disk`` over a platter; other folders are as they are."""

    def __init__(self, platter: Platter) -> None:
        self._platter = platter
        self._open: dict[int, tuple[str, File]] = {}

    def create(self, path: Path, flags: int, mode: int) -> int:
        if not self._platter.holds(path):
            return super().create(path, flags, mode)
        name = self._platter.name(path)
        _raise(self._platter.step(Kind.CREATE, name))
        descriptor = super().create(path, flags, mode)
        self._open[descriptor] = (
            name,
            self._platter.create(name, empty=bool(flags & os.O_TRUNC)),
        )
        return descriptor

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        if descriptor not in self._open:
            return super().write(descriptor, content)
        name, file = self._open[descriptor]
        data = bytes(content)
        failure = self._platter.step(Kind.WRITE, name, data)
        if failure is Failure.SHORT:
            data = data[: max(1, len(data) // 2)]
        else:
            _raise(failure)
        file.write(os.lseek(descriptor, 0, os.SEEK_CUR), data)
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        if descriptor not in self._open:
            return super().sync(descriptor)
        name, file = self._open[descriptor]
        failure = self._platter.step(Kind.SYNC, name)
        if failure is not None:
            self._platter.lose(file)
            _raise(failure)
        file.sync()
        return None

    def rename(self, path: Path, target: Path) -> None:
        if self._platter.holds(path):
            _raise(self._platter.step(Kind.RENAME, self._platter.name(path)))
            if path.exists():
                self._platter.rename(self._platter.name(path), self._platter.name(target))
        super().rename(path, target)

    def unlink(self, path: Path) -> None:
        if self._platter.holds(path):
            _raise(self._platter.step(Kind.UNLINK, self._platter.name(path)))
            self._platter.unlink(self._platter.name(path))
        super().unlink(path)

    def sync_folder(self, folder: Path) -> None:
        if not self._platter.holds(folder):
            return
        _raise(self._platter.step(Kind.FOLDER, self._platter.name(folder)))
        self._platter.sync_folder(self._platter.name(folder))


def _raise(failure: Failure | None) -> None:
    match failure:
        case Failure.NO_ROOM | Failure.SHORT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case Failure.BROKEN | Failure.POWER:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        case None:
            pass


class NumberedVFS(apsw.VFS):
    """SQLite's files over a platter."""

    def __init__(self, name: str, platter: Platter) -> None:
        self.platter = platter
        super().__init__(name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not self.platter.holds(path) or flags[0] & apsw.SQLITE_OPEN_READONLY:
            return apsw.VFSFile("unix", name, flags)
        return NumberedFile(self.platter, path, name, flags)

    def xDelete(self, path: str, sync: bool) -> None:
        name = self.platter.name(path)
        _raise_in_sqlite(self.platter.step(Kind.UNLINK, name), apsw.SQLITE_IOERR_DELETE)
        self.platter.unlink(name)
        super().xDelete(path, False)
        if sync:
            folder = str(Path(name).parent)
            _raise_in_sqlite(self.platter.step(Kind.FOLDER, folder), apsw.SQLITE_IOERR_DIR_FSYNC)
            self.platter.sync_folder(folder)

    def excepthook(self, *_error: Any) -> bool:
        """What fails while something is closed has nobody to be told."""
        return True


class NumberedFile(apsw.VFSFile):
    """One of SQLite's files."""

    def __init__(self, platter: Platter, path: str, name: Any, flags: list[int]) -> None:
        self._platter = platter
        self._name = platter.name(path)
        is_new = not platter.exists(self._name)
        self._folder_due = is_new and bool(flags[0] & _WITH_FOLDER)
        if is_new:
            _raise_in_sqlite(platter.step(Kind.CREATE, self._name), apsw.SQLITE_CANTOPEN)
        self._file = platter.create(self._name, empty=False)
        super().__init__("unix", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        data = bytes(data)
        failure = self._platter.step(Kind.WRITE, self._name, data)
        if failure is Failure.SHORT:
            self._file.write(offset, data[: len(data) // 2])
            super().xWrite(data[: len(data) // 2], offset)
        _raise_in_sqlite(failure, apsw.SQLITE_IOERR_WRITE)
        self._file.write(offset, data)
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        failure = self._platter.step(Kind.TRUNCATE, self._name)
        _raise_in_sqlite(failure, apsw.SQLITE_IOERR_TRUNCATE)
        self._file.truncate(size)
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        failure = self._platter.step(Kind.SYNC, self._name)
        if failure is not None:
            self._platter.lose(self._file)
            _raise_in_sqlite(failure, apsw.SQLITE_IOERR_FSYNC)
        self._file.sync()
        if self._folder_due:
            self._folder_due = False
            folder = str(Path(self._name).parent)
            failure = self._platter.step(Kind.FOLDER, folder)
            _raise_in_sqlite(failure, apsw.SQLITE_IOERR_DIR_FSYNC)
            self._platter.sync_folder(folder)

    def excepthook(self, *_error: Any) -> bool:
        """What fails while something is closed has nobody to be told."""
        return True


def _raise_in_sqlite(failure: Failure | None, code: int) -> None:
    """Say it as SQLite's own layer would: want of room has a code of its own at a write alone."""
    if failure in {Failure.NO_ROOM, Failure.SHORT} and code == apsw.SQLITE_IOERR_WRITE:
        code = apsw.SQLITE_FULL
    if failure is not None:
        raise apsw.exception_for(code)


@contextmanager
def numbered(folder: Path, plan: Plan = lambda step: None) -> Iterator[Platter]:
    """Put the layer under everything that is opened in ``folder`` meanwhile."""
    platter = Platter(folder, plan)
    name = f"numbered-{next(_names)}"
    vfs = NumberedVFS(name, platter)
    before = durable.disk
    apsw.set_default_vfs(name)
    durable.disk = NumberedBodies(platter)
    try:
        yield platter
    finally:
        durable.disk = before
        apsw.set_default_vfs("unix")
        vfs.unregister()
