"""What of a folder is durable, and what would a power cut leave of the rest?

Touches a temporary folder. A model of a disk: each step that is asked of it has a number, and a
plan says at which it fails. What it cannot know is checked on real file systems elsewhere.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

SECTOR_BYTES = 512  # a write may be torn at these


class Kind(StrEnum):
    CREATE = "create"
    WRITE = "write"
    SYNC = "sync"
    TRUNCATE = "truncate"
    RENAME = "rename"
    UNLINK = "unlink"
    FOLDER = "sync folder"


class Failure(StrEnum):
    """What happens at a step instead of what was asked."""

    POWER = "the power goes"
    NO_ROOM = "ENOSPC"
    BROKEN = "EIO"
    SHORT = "a short write"


class Keep(StrEnum):
    """What a power cut leaves of what was not synced."""

    NOTHING = "nothing"
    SOME = "some, torn at sectors"
    ALL = "everything"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was asked of the disk; ``data`` is what was to be written."""

    number: int
    kind: Kind
    name: str  # below the folder
    data: bytes = b""

    def __str__(self) -> str:
        return f"step {self.number}: {self.kind} {self.name} ({len(self.data)})"


@dataclass(slots=True, eq=False)
class File:
    synced: bytearray = field(default_factory=bytearray)
    live: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)  # a write, or a new size

    def write(self, offset: int, data: bytes) -> None:
        _apply(self.live, (offset, data))
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        _apply(self.live, size)
        self.pending.append(size)

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.synced, change)
        self.pending.clear()

    def left(self, keep: Keep, chance: random.Random) -> bytes:
        content = bytearray(self.synced)
        for change in self.pending if keep is not Keep.NOTHING else ():
            if keep is Keep.ALL:
                _apply(content, change)
            elif isinstance(change, int):
                if chance.random() < 0.5:
                    _apply(content, change)
            else:
                for sector in _sectors(*change):
                    if chance.random() < 0.5:
                        _apply(content, sector)
        return bytes(content)


def _apply(content: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del content[change:]
        content.extend(bytes(change - len(content)))
        return
    offset, data = change
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES)
        yield offset + start, data[start:end]
        start = end


Plan = Callable[[Step], Failure | None]


class Platter:
    """What is asked of one folder, what of it is durable, and the failure that was planned.

    Args:
        folder: the shard's folder; what is in it now is durable.
        plan: says what happens at a step; None: what was asked.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.steps: list[Step] = []
        self.off = False
        self.failures: list[int] = []  # the steps at which the plan had its way
        self.failure: Failure | None = None  # the last one
        self._plan = plan
        self._lock = threading.Lock()
        self._live: dict[str, File] = {}
        self._durable: dict[str, File] = {}
        self._names: dict[str, list[tuple[str, File | None]]] = {}  # by folder, not synced yet
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and not path.name.endswith("-shm"):
                content = path.read_bytes()
                file = File(bytearray(content), bytearray(content))
                self._live[self.name(path)] = self._durable[self.name(path)] = file

    @property
    def failed(self) -> bool:
        return bool(self.failures)

    def name(self, path: Path | str) -> str:
        return str(Path(path).relative_to(self.folder))

    def holds(self, path: Path | str) -> bool:
        return Path(path).is_relative_to(self.folder)

    def step(self, kind: Kind, name: str, data: bytes = b"") -> Failure | None:
        """Number a step and return what happens instead of it."""
        with self._lock:
            if self.off:
                return Failure.POWER
            step = Step(len(self.steps) + 1, kind, name, data)
            self.steps.append(step)
            failure = self._plan(step)
            if failure is not None:
                self.failures.append(step.number)
                self.failure = failure
            self.off = failure is Failure.POWER
            return failure

    def exists(self, name: str) -> bool:
        return name in self._live

    def create(self, name: str, *, empty: bool) -> File:
        if name not in self._live:
            self._live[name] = File()
            self._named(name, self._live[name])
        elif empty:
            self._live[name].truncate(0)
        return self._live[name]

    def rename(self, name: str, target: str) -> None:
        file = self._live.pop(name)
        self._live[target] = file
        self._named(name, None)
        self._named(target, file)

    def unlink(self, name: str) -> None:
        if self._live.pop(name, None) is not None:
            self._named(name, None)

    def lose(self, file: File) -> None:
        """A sync failed: the kernel dropped the pages, and calls them clean."""
        file.pending.clear()

    def sync_folder(self, folder: str) -> None:
        for name, file in self._names.pop(folder, []):
            self._set(self._durable, name, file)

    def left(self, target: Path, keep: Keep, chance: random.Random) -> None:
        """Build in ``target`` what a power cut would leave now."""
        names = dict(self._durable)
        for changes in self._names.values() if keep is not Keep.NOTHING else ():
            for name, file in changes:
                if keep is Keep.ALL or chance.random() < 0.5:
                    self._set(names, name, file)
        for folder in self.folder.rglob("*"):
            if folder.is_dir():
                (target / self.name(folder)).mkdir(parents=True, exist_ok=True)
        for name, file in names.items():
            (target / name).write_bytes(file.left(keep, chance))

    def _named(self, name: str, file: File | None) -> None:
        self._names.setdefault(str(Path(name).parent), []).append((name, file))

    @staticmethod
    def _set(names: dict[str, File], name: str, file: File | None) -> None:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
