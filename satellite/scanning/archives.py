"""Which files are in a ZIP archive, encrypted ones and bombs included?

Pure: members are unpacked in memory, counted while they unfold, and a member's name is data for
rules, never a path. An archive is what begins as one, or ends with a directory that stands where it
must. Two archives in a row are two, and what no directory lists is read as well. A member that
cannot be read is an incomplete scan, not a clean one; one that is packed in a way that we do not
know is no damage, and is called by the way's name.

Source: APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.4 (the encryption flag).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from satellite.scanning import zip_entries
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.member_name import names_of
from satellite.scanning.unfolding import DAMAGE, INPUT_BYTES, READABLE, method_name, unfold
from satellite.scanning.zip_entries import Directory, ZipEntry

DIRECTORIES_MAX = 16  # archives in a row


class Encrypted(Exception):
    """A member needs a password."""


class UnknownMethod(Exception):
    """A member is packed in a way that we cannot read; says which."""


@dataclass(frozen=True, slots=True)
class Member:
    """One unpacked file of an archive.

    Args:
        names: printable, bounded, lower case; one, or some that contradict each other.
        content: as far as it could be read.
        doubt: why that may not be what others read; empty when nothing speaks for it.
    """

    names: tuple[str, ...]
    content: bytes
    doubt: str = ""


class Budget:
    """What the archives of one message have come to so far."""

    def __init__(self, limits: UnfoldingLimits, cpu: CpuBudget) -> None:
        self.limits = limits
        self._cpu = cpu
        self._files = 0
        self._bytes = 0

    def add_file(self) -> None:
        """Count one more member.

        Raises:
            LimitExceeded: it is one too many, or the message takes too much work.
        """
        self._cpu.check()
        self._files += 1
        if self._files > self.limits.archive_files_max:
            raise LimitExceeded("too many files in archives")

    def add_bytes(self, count: int) -> None:
        """Count what a member has unfolded to.

        Raises:
            LimitExceeded: the archives of this message are too large, or take too much work.
        """
        self._cpu.check()
        self._bytes += count
        if self._bytes > self.limits.unpacked_bytes_max:
            raise LimitExceeded("archives unfold to too many octets")

    def gather(self, chunks: Iterator[bytes], *, packed_bytes: int) -> bytes:
        """Return what unfolds, counted as it comes.

        A ratio alone says nothing: an empty page as a picture unfolds a thousand times. It counts
        once the archives of a message have come to so much that somebody would notice.

        Raises:
            LimitExceeded: it unfolds too far.
            one of ``DAMAGE``, ``DamagedStream``: as ``chunks`` says.
        """
        limits = self.limits
        kept: list[bytes] = []
        done = 0
        try:
            for chunk in chunks:
                done += len(chunk)
                self.add_bytes(len(chunk) or INPUT_BYTES)
                if done > limits.member_bytes_max:
                    raise LimitExceeded("a file in an archive is too large")
                if self._bytes > limits.ratio_from_bytes and done > packed_bytes * limits.ratio_max:
                    raise LimitExceeded("a file in an archive unfolds too far")
                kept.append(chunk)
        except DAMAGE as damage:
            raise DamagedStream(b"".join(kept)) from damage
        return b"".join(kept)


class DamagedStream(Exception):
    """A packed stream is damaged; has what came before."""

    def __init__(self, content: bytes) -> None:
        super().__init__("a damaged archive")
        self.content = content


def looks_like_zip(content: bytes) -> bool:
    """Say whether some program would open this as a ZIP archive."""
    return zip_entries.begins_as_zip(content) or _directory_at_end(content) is not None


def _directory_at_end(content: bytes) -> Directory | None:
    return zip_entries.last_directory(content, len(content), search_bytes=zip_entries.END_BYTES_MAX)


class Archive:
    """One content that is a ZIP archive, or several in a row.

    Args:
        content: what ``looks_like_zip``.
        budget: of the message.
        is_something_else: it is a document of another kind, whose octets look like an archive;
            then what cannot be read of them is no damage.
    """

    def __init__(self, content: bytes, budget: Budget, *, is_something_else: bool = False) -> None:
        self._content = content
        self._octets = memoryview(content)
        self._budget = budget
        self._complains = not is_something_else
        self._begins = zip_entries.begins_as_zip(content)

    def entries(self) -> Iterator[ZipEntry]:
        """Yield the members, listed ones first.

        Raises:
            LimitExceeded: there are too many, or the archive is damaged.
        """
        covered: list[tuple[int, int]] = []
        is_damaged = False
        for directory in self._directories(covered):
            for entry in zip_entries.listed(self._content, directory):
                self._budget.add_file()
                if entry is None:
                    is_damaged = True
                    continue
                covered.append((entry.header, entry.stop))
                yield entry
        is_damaged = is_damaged or not (covered or self._is_empty)
        for start, stop in _gaps(covered, len(self._content)):
            for entry in zip_entries.unlisted(self._content, start, stop):
                if self._begins or _is_plausible(entry):
                    self._budget.add_file()
                    yield entry
        if is_damaged and self._complains:
            raise LimitExceeded("a damaged archive")

    def unpack(self, entry: ZipEntry) -> Member:
        """Return one member.

        Raises:
            Encrypted: it needs a password.
            UnknownMethod: by its method.
            LimitExceeded: it unfolds too far.
        """
        names = tuple(chain.from_iterable(map(names_of, entry.names)))
        if entry.flags & zip_entries.FLAG_ENCRYPTED:
            raise Encrypted(names[0])
        if entry.method not in READABLE:
            raise UnknownMethod(method_name(entry.method))
        packed = self._octets[entry.start : entry.stop]
        chunks = unfold(entry.method, packed)
        try:
            content = self._budget.gather(chunks, packed_bytes=entry.packed_bytes)
        except DamagedStream as broken:
            return Member(names, broken.content, self._doubt("a damaged archive", entry, names))
        if entry.is_whole and (len(content) != entry.size or zlib.crc32(content) != entry.crc):
            return Member(names, content, self._doubt("a damaged archive", entry, names))
        contradicts = "an archive that contradicts itself"
        return Member(
            names, content, self._doubt(contradicts, entry, names) if entry.is_doubtful else ""
        )

    def _doubt(self, what: str, entry: ZipEntry, names: tuple[str, ...]) -> str:
        """Return a complaint, but for what we took for a member where no archive begins."""
        is_guess = not entry.is_listed and not self._begins
        return f"{what}: {names[0]}" if self._complains and not is_guess else ""

    @property
    def _is_empty(self) -> bool:
        return self._content.startswith(zip_entries.END_SIGNATURE)

    def _directories(self, covered: list[tuple[int, int]]) -> Iterator[Directory]:
        """Yield the directories from the last on; none that lies inside a listed member."""
        directory = zip_entries.last_directory(self._content, len(self._content))
        for _ in range(DIRECTORIES_MAX):
            if directory is None:
                return
            covered.append((directory.start, directory.end))
            yield directory
            directory = self._directory_before(covered, directory.start)
        # What does not begin as an archive is opened by its last directory alone, if at all: a
        # presentation holds dozens, as parts of its own.
        if self._begins:
            raise LimitExceeded("too many archives in a row")

    def _directory_before(self, covered: list[tuple[int, int]], stop: int) -> Directory | None:
        for start, end in reversed(_gaps(covered, stop)):
            found = zip_entries.last_directory(self._content, end, search_bytes=end - start)
            if found is not None:
                return found
        return None


def _is_plausible(entry: ZipEntry) -> bool:
    """Say whether what looks like a header before an archive is likely to be one."""
    is_open = not entry.flags & zip_entries.FLAG_ENCRYPTED and entry.method in READABLE
    return is_open and all(name.isprintable() for name in entry.names)


def _gaps(covered: list[tuple[int, int]], stop: int) -> list[tuple[int, int]]:
    """Return what lies between the covered stretches, up to ``stop``."""
    gaps = []
    place = 0
    for start, end in sorted(covered):
        if start >= stop:
            break
        if start > place:
            gaps.append((place, start))
        place = max(place, end)
    if place < stop:
        gaps.append((place, stop))
    return gaps
