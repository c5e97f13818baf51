"""Where does a message lie while a program scans it, and is it still what it was?

Touches the disk: one folder for each engine of a worker, and in it one for each scan, which nobody
else may enter. In that are ``message.eml`` and an empty folder to work in; no part of a name comes
from outside. A message is always a copy: a scanner may change what it is shown, and the spool's
file is somebody's mail. What a worker leaves behind that was killed the next one removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import EnvironmentFailure
from satellite.scanning.sample import Sample

PREFIX = "borderscout-scan-"
NEW = "new-"  # before it is locked, so that nobody takes it for left behind
PIECE_BYTES = 1024 * 1024
_ONCE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would hold us

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotLaidOut(EnvironmentFailure):
    """The message cannot be put where a program could read it."""


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A message, ready to be scanned.

    Args:
        path: where it is.
        work: an empty folder, for the program to work in.
    """

    path: Path
    work: Path

    def is_intact(self, sample: Sample) -> bool:
        """Return whether the file is still there, with all its octets and no others."""
        try:
            descriptor = os.open(self.path, _LOOK)
        except OSError:
            return False
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size != sample.size:
                return False
            with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
                return hashlib.file_digest(file, "sha256").digest() == sample.sha256
        except OSError:
            return False
        finally:
            os.close(descriptor)


class SampleFolder:
    """The folder of one engine of one worker; made when it is first needed.

    Args:
        parent: where; None: the system's folder for temporary files.
    """

    def __init__(self, parent: Path | None) -> None:
        self._parent = Path(tempfile.gettempdir()) if parent is None else parent
        self._own: Path | None = None
        self._held = -1  # a descriptor of it, which bears our lock
        self._changing = threading.Lock()
        self._is_closed = False

    def open(self) -> None:
        """Make the folder, unless it is there, and remove what dead workers left.

        Raises:
            NotLaidOut: it cannot be made, or is closed.
        """
        with self._changing:
            if self._is_closed:
                raise NotLaidOut("the engine is closed")
            if self._own is None or not self._own.is_dir():
                self._let_go()
                self._make()

    def close(self) -> None:
        """Remove the folder, for good."""
        with self._changing:
            self._is_closed = True
            self._let_go()

    def _make(self) -> None:
        try:
            self._remove_left_behind()
            new = Path(tempfile.mkdtemp(prefix=PREFIX + NEW, dir=self._parent))
            self._held = os.open(new, _FOLDER)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._own = new.rename(new.with_name(new.name.replace(NEW, "", 1)))
        except OSError as error:
            raise NotLaidOut(f"no folder for samples in {self._parent}: {error}") from None

    def _let_go(self) -> None:
        if self._own is not None:
            remove(self._own)
            self._own = None
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    @contextmanager
    def laid_out(self, sample: Sample) -> Iterator[LaidOut]:
        """Lay a message out, and take all away at the end, whatever was made beside it.

        Raises:
            NotLaidOut: it cannot be read or written, or is not what its digest says.
        """
        with self._fresh() as folder:
            yield _written(folder, sample)

    @contextmanager
    def work(self) -> Iterator[Path]:
        """Give an empty folder to work in, without a message.

        Raises:
            NotLaidOut: it cannot be made.
        """
        with self._fresh() as folder:
            yield folder

    @contextmanager
    def _fresh(self) -> Iterator[Path]:
        assert self._own is not None
        try:
            folder = Path(tempfile.mkdtemp(dir=self._own))
        except OSError as error:
            raise NotLaidOut(f"no folder to scan in: {error}") from None
        try:
            yield folder
        finally:
            remove(folder)

    def _remove_left_behind(self) -> None:
        for folder in self._parent.glob(PREFIX + "*"):
            if folder.name.startswith(PREFIX + NEW):
                continue
            with suppress(OSError):  # another user's, or somebody's who lives
                descriptor = os.open(folder, _FOLDER)
                try:
                    if os.fstat(descriptor).st_uid == os.geteuid():
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        remove(folder)
                finally:
                    os.close(descriptor)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, also what its maker made hard to remove."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    with suppress(OSError):
        folder.chmod(0o700)
    for place, names, _ in os.walk(folder):
        for inner in (Path(place, name) for name in names):
            with suppress(OSError):
                if not inner.is_symlink():
                    inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path, sample: Sample) -> LaidOut:
    path, work = folder / "message.eml", folder / "work"
    digest = hashlib.sha256()
    try:
        work.mkdir(mode=0o700)
        descriptor = os.open(path, _ONCE, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for offset in range(0, sample.size, PIECE_BYTES):
                piece = sample.read(offset, min(PIECE_BYTES, sample.size - offset))
                digest.update(piece)
                file.write(piece)
    except OSError as error:
        raise NotLaidOut(f"the message cannot be laid out: {error.strerror}") from None
    if digest.digest() != sample.sha256:
        raise NotLaidOut("the message is not what its digest says")
    return LaidOut(path, work)
