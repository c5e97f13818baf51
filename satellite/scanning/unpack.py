"""How is a message unpacked into what is to be scanned: MIME parts and archives?

Pure. The raw message first, then each content that a mail program may make of it, then what lies in
the archives among those, as deep as the limits allow. What could not be reached is noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from satellite.scanning import archives, mime
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits

NOTES_MAX = 8  # reasons; a bomb has thousands, and they are all alike


@dataclass(frozen=True, slots=True)
class Unit:
    """One octet string that rules are matched against."""

    content: bytes
    name: str = ""  # of an archive's member, printable and lower case; else empty
    in_archive: bool = False


class Unpacking:
    """The unfolding of one message.

    Attributes:
        limits_met: why the scan cannot be complete; empty when it is.
        encrypted: names of members that need a password.
    """

    def __init__(self, limits: UnfoldingLimits) -> None:
        self.limits_met: list[str] = []
        self.encrypted: list[str] = []
        self._limits = limits
        self._budget = archives.Budget(limits)
        self._seen: set[bytes] = set()

    def units(self, message: bytes) -> Iterator[Unit]:
        """Yield everything that is to be scanned; equal contents come once."""
        yield Unit(message)
        try:
            for content in mime.contents(message, self._limits):
                if content != message:  # text without a header section
                    yield from self._unfold(Unit(content), 0)
        except LimitExceeded as error:
            self._note(self.limits_met, error.what)

    def _unfold(self, unit: Unit, depth: int) -> Iterator[Unit]:
        digest = sha256(unit.content + b"\1" * unit.in_archive).digest()
        if digest in self._seen:
            return
        self._seen.add(digest)
        yield unit
        if archives.looks_like_zip(unit.content):
            try:
                yield from self._members(unit.content, depth + 1)
            except LimitExceeded as error:
                self._note(self.limits_met, error.what)

    def _members(self, content: bytes, depth: int) -> Iterator[Unit]:
        if depth > self._limits.archive_depth_max:
            raise LimitExceeded("archives nested too deeply")
        archive = archives.Archive(content, self._budget)
        for entry in archive.entries():
            try:
                member = archive.unpack(entry)
            except archives.Encrypted as error:
                self._note(self.encrypted, str(error))
            except LimitExceeded as error:
                self._note(self.limits_met, error.what)
            else:
                yield from self._unfold(Unit(member.content, member.name, True), depth)

    @staticmethod
    def _note(notes: list[str], what: str) -> None:
        if what not in notes and len(notes) < NOTES_MAX:
            notes.append(what)
