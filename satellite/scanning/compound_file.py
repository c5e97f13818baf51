"""Which streams does a compound file hold: the old Office formats, Outlook's messages, installers?

Pure, and linear in the file: each chain of sectors is followed once, and never further than the
file is long, so that a loop ends. The directory is read as a list and not as a tree: what hangs at
no branch is read as well. olefile does the same and more; loading it costs six megabytes in each
helper, and it has no bound for a part of a stream.

Source: [MS-CFB] sections 2.2 (header), 2.3 (FAT), 2.5 (DIFAT), 2.6 (directory).
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_BYTES = 512
_ENTRY_BYTES = 128
_ENTRIES_MAX = 10_000
_SECTOR_SHIFTS = (9, 12)
_NO_SECTOR = 0xFFFFFFFA  # and above: the special values
_STREAM, _ROOT = 2, 5


class NotCompound(Exception):
    """Its header or its directory cannot be read."""


@dataclass(frozen=True, slots=True)
class CompoundStream:
    """One stream of the directory."""

    name: str
    start: int  # its first sector
    size: int  # octets, as the directory says


class CompoundFile:
    """One compound file in memory.

    Raises:
        NotCompound: there is no directory.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) < _HEADER_BYTES or not content.startswith(SIGNATURE):
            raise NotCompound("no header")
        shift, mini_shift = struct.unpack_from("<HH", content, 30)
        if shift not in _SECTOR_SHIFTS or mini_shift != 6:
            raise NotCompound("sectors of an unknown size")
        self._content = content
        self._sector_bytes = 1 << shift
        self._sectors_max = len(content) // self._sector_bytes + 1
        first_directory, _, self._cutoff, first_mini_fat, _, first_difat = struct.unpack_from(
            "<IIIIII", content, 48
        )
        self._fat = self._joined(self._fat_sectors(first_difat))
        directory = self._chain(first_directory, _ENTRIES_MAX * _ENTRY_BYTES)
        root, self.streams = _listed(directory, is_long=shift == 12)
        self._mini_fat = self._numbers(self._chain(first_mini_fat, len(content)))
        self._mini = self._chain(root.start, min(root.size, len(content)))

    def read(self, stream: CompoundStream, bytes_max: int = -1) -> bytes:
        """Return a stream, or its beginning; shorter where its chain is broken."""
        wanted = min(stream.size, len(self._content))
        if bytes_max >= 0:
            wanted = min(wanted, bytes_max)
        if stream.size < self._cutoff:
            return _Sectors(self._mini, 64, 0).followed(self._mini_fat, stream.start, wanted)
        return self._chain(stream.start, wanted)

    def _chain(self, start: int, bytes_max: int) -> bytes:
        size = self._sector_bytes
        return _Sectors(self._content, size, size).followed(self._fat, start, bytes_max)

    def _fat_sectors(self, first_difat: int) -> Iterator[int]:
        """Yield where the FAT is: 109 sectors in the header, the others in a chain of lists."""
        yield from struct.unpack_from("<109I", self._content, 76)
        number = first_difat
        per_sector = self._sector_bytes // 4
        for _ in range(self._sectors_max):
            place = (number + 1) * self._sector_bytes
            if number >= _NO_SECTOR or place + self._sector_bytes > len(self._content):
                return
            *numbers, number = struct.unpack_from(f"<{per_sector}I", self._content, place)
            yield from numbers

    def _joined(self, sectors: Iterator[int]) -> array[int]:
        fat: array[int] = array("I")
        for number in sectors:
            if number >= _NO_SECTOR or len(fat) >= self._sectors_max:
                break
            place = (number + 1) * self._sector_bytes
            fat.extend(self._numbers(self._content[place : place + self._sector_bytes]))
        return fat

    @staticmethod
    def _numbers(octets: bytes) -> array[int]:
        numbers = array("I", octets[: len(octets) // 4 * 4])
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers


@dataclass(frozen=True, slots=True)
class _Sectors:
    """Octets that are cut into sectors, the first of which begins at ``base``."""

    octets: bytes
    size: int
    base: int

    def followed(self, table: array[int], start: int, bytes_max: int) -> bytes:
        """Return what a chain holds, at most ``bytes_max``; ``table`` has the next of each."""
        runs: list[bytes] = []
        left = bytes_max
        number = start
        while left > 0 and number < len(table):
            first = number
            count = 1
            while count * self.size < left and table[number] == number + 1 < len(table):
                number += 1
                count += 1
            place = self.base + first * self.size
            runs.append(self.octets[place : place + min(count * self.size, left)])
            left -= count * self.size
            number = table[number]
        return b"".join(runs)


def _listed(
    directory: bytes, *, is_long: bool
) -> tuple[CompoundStream, tuple[CompoundStream, ...]]:
    """Return the root and all streams; those that begin at one place come once."""
    root: CompoundStream | None = None
    streams: dict[tuple[str, int], CompoundStream] = {}
    for place in range(0, len(directory) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        name_bytes, kind = struct.unpack_from("<HB", directory, place + 64)
        start, size, size_high = struct.unpack_from("<III", directory, place + 116)
        size += size_high << 32 if is_long else 0
        octets = directory[place : place + max(0, min(name_bytes, 64) - 2)]
        stream = CompoundStream(octets.decode("utf-16-le", "replace"), start, size)
        if kind == _ROOT and root is None:
            root = stream
        elif kind == _STREAM and size:
            streams.setdefault((stream.name, start), stream)
    if root is None:
        raise NotCompound("no directory")
    return root, tuple(streams.values())
