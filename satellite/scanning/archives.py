"""Which files are in a ZIP archive, encrypted ones and bombs included?

Pure: members are unpacked in memory, counted while they unfold, and a member's name is data for
rules, never a path. A member that cannot be read is an incomplete scan, not a clean one.

Source: APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.4 (the encryption flag).
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from common.verdict import printable
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits

MEMBER_SIGNATURE = b"PK\x03\x04"
DIRECTORY_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END_BYTES_MAX = 22 + 65_535  # the end record and the longest comment after it
FLAG_ENCRYPTED = 0x1
CHUNK_BYTES = 65_536

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # bz2: invalid data stream
    NotImplementedError,  # a compression method that the stdlib does not know
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)


class Encrypted(Exception):
    """A member needs a password."""


@dataclass(frozen=True, slots=True)
class Member:
    """One unpacked file of an archive."""

    name: str  # printable, bounded, lower case
    content: bytes


class Budget:
    """What the archives of one message have come to so far."""

    def __init__(self, limits: UnfoldingLimits) -> None:
        self.limits = limits
        self._files = 0
        self._bytes = 0

    def add_file(self) -> None:
        """Count one more member.

        Raises:
            LimitExceeded: it is one too many.
        """
        self._files += 1
        if self._files > self.limits.archive_files_max:
            raise LimitExceeded("too many files in archives")

    def add_bytes(self, count: int) -> None:
        """Count what a member has unfolded to.

        Raises:
            LimitExceeded: the archives of this message are too large.
        """
        self._bytes += count
        if self._bytes > self.limits.unpacked_bytes_max:
            raise LimitExceeded("archives unfold to too many octets")


def looks_like_zip(content: bytes) -> bool:
    """Say whether some program would open this as a ZIP archive."""
    return content.startswith(MEMBER_SIGNATURE) or END_SIGNATURE in content[-END_BYTES_MAX:]


class Archive:
    """One ZIP archive in memory.

    Raises:
        LimitExceeded: it is damaged, or its directory alone is too long.
    """

    def __init__(self, content: bytes, budget: Budget) -> None:
        self._budget = budget
        # Counted before the stdlib builds an object for each entry of the directory.
        if content.count(DIRECTORY_SIGNATURE) > budget.limits.archive_files_max:
            raise LimitExceeded("too many files in archives")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except _DAMAGE:
            raise LimitExceeded("a damaged archive") from None

    def entries(self) -> Iterator[zipfile.ZipInfo]:
        """Yield what the directory lists."""
        for entry in self._archive.infolist():
            self._budget.add_file()
            yield entry

    def unpack(self, entry: zipfile.ZipInfo) -> Member:
        """Return one member.

        Raises:
            Encrypted: it needs a password.
            LimitExceeded: it unfolds too far, or is damaged.
        """
        name = printable(entry.filename).lower()
        if entry.flag_bits & FLAG_ENCRYPTED:
            raise Encrypted(name)
        try:
            return Member(name, self._inflate(entry))
        except _DAMAGE:
            raise LimitExceeded(f"a damaged archive: {name}") from None

    def _inflate(self, entry: zipfile.ZipInfo) -> bytes:
        limits = self._budget.limits
        chunks: list[bytes] = []
        done = 0
        with self._archive.open(entry) as file:
            while chunk := file.read(CHUNK_BYTES):
                done += len(chunk)
                self._budget.add_bytes(len(chunk))
                if done > limits.member_bytes_max:
                    raise LimitExceeded("a file in an archive is too large")
                if done > max(limits.ratio_from_bytes, entry.compress_size * limits.ratio_max):
                    raise LimitExceeded("a file in an archive unfolds too far")
                chunks.append(chunk)
        return b"".join(chunks)
