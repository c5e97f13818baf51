"""How is a message unpacked into what is to be scanned: MIME parts, archives, documents?

Pure. The raw message first, then each content that a mail program may make of it, then what lies in
the archives and documents among those, as deep as the limits allow. What comes out and looks like
mail is read as such. What could not be reached is noted: a limit or damage, a password, or an
archive of a kind that we do not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from satellite.scanning import (
    archives,
    compound_file,
    embedded,
    locked_archives,
    office,
    page,
    pdf_files,
    pdf_lock,
    rich_text,
    tape_archive,
    tnef,
    union,
)
from satellite.scanning.content_kind import (
    READ_HERE,
    ContentKind,
    MarksIn,
    kinds_of,
    marks_in,
    rar_place,
    seven_zip_place,
)
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.guarded import guarded
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.member_name import name_in_gzip, names_of
from satellite.scanning.mime import Known
from satellite.scanning.ole_objects import NATIVE_STREAM, files_of_native_stream
from satellite.scanning.signed_data import CmsKind, held_content, kind_of_cms
from satellite.scanning.unfolding import OPENERS, inflated

T = TypeVar("T")

NOTES_MAX = 8  # reasons; a bomb has thousands, and they are all alike
STREAM_BYTES_MIN = 64  # of a document; a smaller one holds a number or a name
EXCEL_4_MACRO = "BorderScout.Macro.Excel4"  # as the rule for the new formats has it
_ACTIVE_MIME_PLACE = 0x32  # of the packed octets: [MS-OFFMACRO] has no word of it, all write it so
# What a program decodes that is chosen by the name. Texts of other names are read by nobody so.
_ENCODED_NAME = re.compile(r"\.(?:uue?|xxe?|b64|hqx|bhx|mime?|yenc|ync)$")
_ODF_MANIFEST = "meta-inf/manifest.xml"


@dataclass(frozen=True, slots=True)
class Unit:
    """One octet string that rules are matched against."""

    content: bytes
    name: str = ""  # of an archive's member, printable and lower case; else empty
    in_archive: bool = False
    is_stream: bool = False  # a part of a document: what looks like an archive may be no such thing
    depth: int = field(default=0, compare=False)  # archives, documents and messages around it


class Unpacking:
    """The unfolding of one message.

    Args:
        limits: of the message.
        cpu: likewise; None: nobody counts.
        marks_in: says which marks of archives are in a content; the rule engine is quicker.

    Attributes:
        limits_met: why the scan cannot be complete; empty when it is.
        encrypted: what needs a password, by the names of members or by kind.
        unreadable: the kinds of archives that we do not read, such as ``rar``.
        macros: what no rule can see since it takes a reader: by name.
    """

    def __init__(
        self,
        limits: UnfoldingLimits,
        cpu: CpuBudget | None = None,
        marks_in: MarksIn = marks_in,
    ) -> None:
        self.limits_met: list[str] = []
        self.encrypted: list[str] = []
        self.unreadable: list[str] = []
        self.macros: list[str] = []
        self._limits = limits
        self._cpu = cpu or CpuBudget(limits.cpu_s, cpu_s=lambda: 0.0)
        self._budget = archives.Budget(limits, self._cpu)
        self._marks_in = marks_in
        self._seen: set[int] = set()
        self._mail_depth = 0

    def units(self, message: bytes) -> Iterator[Unit]:
        """Yield everything that is to be scanned; equal contents of one name come once."""
        yield Unit(message)
        yield from self._read(message, in_archive=False)

    def _read(self, message: bytes, *, in_archive: bool) -> Iterator[Unit]:
        """Yield what lies in a message, the whole one or one inside it."""
        known = Known()
        found = union.contents(message, known, self._limits, self._cpu)
        for content in self._guarded(found, "mail"):
            if content.octets and content.octets != message:  # text without a header section
                unit = Unit(content.octets, in_archive=in_archive)
                yield from self._unfold(unit, 0, is_read=content.is_verbatim or content.is_whole)
                yield from self._guarded(self._shifted(unit, message), "UTF-7")
        for what in known.complaints:
            self._note(self.limits_met, what)
        for what in known.locked:
            self._note(self.encrypted, what)

    def _shifted(self, unit: Unit, message: bytes) -> Iterator[Unit]:
        """Yield a text of a message in UTF-7, which is used by nobody who does not say so."""
        text = embedded.from_utf7(unit.content)
        if text is not None and embedded.says_utf7(message):
            yield from self._again(text, unit)

    def _again(self, text: bytes, unit: Unit) -> Iterator[Unit]:
        """Yield a text that was read in another way, and what is encoded in it."""
        self._cpu.check()
        yield from self._read_inside(replace(unit, content=b"\r\n" + text))

    def _read_inside(self, unit: Unit) -> Iterator[Unit]:
        """Yield what lies in a message that came out of another one."""
        if self._mail_depth >= self._limits.mail_depth_max:
            self._note(self.limits_met, "messages nested too deeply")
            return
        self._mail_depth += 1
        try:
            yield from self._read(unit.content, in_archive=unit.in_archive)
        finally:
            self._mail_depth -= 1

    def _messages(self, unit: Unit, depth: int, *, is_read: bool) -> Iterator[Unit]:
        """Yield what lies in a message that is a file, open or in a signature."""
        if not is_read and union.looks_like_mail(unit.content):
            yield from self._read_inside(unit)
        elif (cms := kind_of_cms(unit.content)) is not None:
            yield from self._protected(unit, cms, depth)
        elif _ENCODED_NAME.search(unit.name):
            yield from self._again(unit.content, unit)

    def _protected(self, unit: Unit, kind: CmsKind, depth: int) -> Iterator[Unit]:
        """Yield what an S/MIME signature holds.

        Raises:
            LimitExceeded: it is damaged.
        """
        match kind:
            case CmsKind.SIGNED | CmsKind.STAMPED:
                if content := held_content(unit.content, kind):
                    yield from self._unfold(Unit(content, in_archive=unit.in_archive), depth)
            case CmsKind.COMPRESSED:
                self._note(self.limits_met, "a compressed S/MIME message")
            case CmsKind.OTHER:
                self._note(self.limits_met, "an S/MIME message of a kind that is not read")
            case CmsKind.ENCRYPTED:
                self._note(self.encrypted, "an S/MIME message")

    def _unfold(self, unit: Unit, depth: int, *, is_read: bool = False) -> Iterator[Unit]:
        # A keyed hash, which the octets remember; nobody outside can make two of them one.
        digest = hash((unit.content, unit.name if unit.in_archive else None))
        if digest in self._seen:
            return
        self._seen.add(digest)
        around = depth + self._mail_depth
        yield replace(unit, depth=around) if around else unit
        yield from self._guarded(self._messages(unit, depth, is_read=is_read), "messages")
        yield from self._guarded(self._embedded(unit, depth + 1), "literals")
        yield from self._guarded(self._files(unit, depth + 1), "beginnings")

    def _guarded(self, found: Iterator[T], reader: str) -> Iterator[T]:
        return guarded(found, reader, self._cpu, partial(self._note, self.limits_met))

    def _embedded(self, unit: Unit, depth: int) -> Iterator[Unit]:
        """Yield what a page or a document makes files of.

        Raises:
            LimitExceeded: it is too much, or too deep.
        """
        if (text := embedded.in_utf8(unit.content)) is not None:
            yield from self._again(text, unit)
        yield from self._taken_out(page.files(unit.content), unit, depth)

    def _taken_out(self, found: Iterator[bytes], unit: Unit, depth: int) -> Iterator[Unit]:
        """Yield the files that stand in a text or a document.

        Raises:
            LimitExceeded: they are too many, or too deep.
        """
        for content in found:
            if depth > self._limits.archive_depth_max:
                raise LimitExceeded("files in texts nested too deeply")
            self._budget.add_file()
            self._budget.add_bytes(len(content))
            yield from self._unfold(replace(unit, content=content), depth)

    def _files(self, unit: Unit, depth: int) -> Iterator[Unit]:
        """Yield what lies in an archive or a document, if it is one."""
        kinds = kinds_of(unit.content, self._marks_in)
        is_compound = kinds.beginning is ContentKind.COMPOUND
        for kind in kinds.all_but_zip:
            if is_compound and kind in (*self.encrypted, *self.unreadable):
                continue  # it lies in a stream, where it was seen: here it is in pieces
            yield from self._guarded(self._inside(unit, kind, kinds.marks, depth), kind)
        is_archive = archives.looks_like_zip(unit.content)
        if is_archive or ContentKind.ZIP in kinds.further_in:
            is_guess = unit.is_stream or not is_archive
            is_something_else = kinds.beginning is not ContentKind.ZIP and (
                kinds.beginning is not None or is_guess
            )
            found = self._members(unit, depth, is_something_else=is_something_else)
            yield from self._guarded(found, "zip")

    def _inside(
        self, unit: Unit, kind: ContentKind, marks: frozenset[str], depth: int
    ) -> Iterator[Unit]:
        """Yield what lies in an archive or a document that is no ZIP.

        Raises:
            LimitExceeded: not all of it could be read.
        """
        if kind not in READ_HERE:
            self._note_unreadable(unit.content, kind)
        if depth > self._limits.archive_depth_max and kind not in _DOCUMENTS:
            raise LimitExceeded("archives nested too deeply")
        match kind:
            case kind if kind in _FINDERS:
                yield from self._taken_out(_FINDERS[kind](unit.content), unit, depth)
            case ContentKind.ACTIVE_MIME:
                packed = memoryview(unit.content)[_ACTIVE_MIME_PLACE:]
                content = self._gathered(inflated(OPENERS["zlib"], packed), len(packed))
                yield from self._unfold(replace(unit, content=content, is_stream=True), depth)
            case ContentKind.COMPOUND:
                yield from self._streams(unit, depth)
            case ContentKind.PDF:
                if pdf_lock.is_locked(unit.content):
                    self._note(self.encrypted, "pdf")
                else:
                    yield from self._attached(unit, marks, depth)
            case ContentKind.TAR:
                yield from self._tape(unit.content, depth)
            case ContentKind.GZIP | ContentKind.BZIP2 | ContentKind.XZ | ContentKind.LZMA:
                yield from self._packed(unit, kind, depth)

    def _members(self, unit: Unit, depth: int, *, is_something_else: bool) -> Iterator[Unit]:
        if depth > self._limits.archive_depth_max:
            raise LimitExceeded("archives nested too deeply")
        archive = archives.Archive(unit.content, self._budget, is_something_else=is_something_else)
        for entry in archive.entries():
            try:
                member = archive.unpack(entry)
            except archives.Encrypted as error:
                self._note(self.encrypted, str(error))
            except archives.UnknownMethod as error:
                self._note(self.unreadable, f"zip {error}")
            except LimitExceeded as error:
                self._note(self.limits_met, error.what)
            else:
                if member.doubt:
                    self._note(self.limits_met, member.doubt)
                if member.names[0] == _ODF_MANIFEST and b"encryption-data" in member.content:
                    self._note(self.encrypted, "an OpenDocument file")
                for name in member.names:
                    yield from self._unfold(Unit(member.content, name, True), depth)

    def _streams(self, unit: Unit, depth: int) -> Iterator[Unit]:
        try:
            file = compound_file.CompoundFile(unit.content)
        except compound_file.NotCompound:
            raise LimitExceeded("a damaged compound file") from None
        if office.is_encrypted(file):
            self._note(self.encrypted, "an Office document")
        if office.has_macro_sheet(file):
            self._note(self.macros, EXCEL_4_MACRO)
        for stream in file.streams:
            self._budget.add_file()
            if stream.size >= STREAM_BYTES_MIN:
                content = file.read(stream)
                self._budget.add_bytes(len(content))
                inside = Unit(content, unit.name, unit.in_archive, True)
                yield from self._unfold(inside, depth)
                if stream.name == NATIVE_STREAM:
                    yield from self._taken_out(files_of_native_stream(content), inside, depth)
        for chunks, packed_bytes in office.packed_storages(file):
            self._budget.add_file()
            content = self._gathered(chunks, packed_bytes)
            yield from self._unfold(Unit(content, unit.name, unit.in_archive, True), depth)

    def _attached(self, unit: Unit, marks: frozenset[str], depth: int) -> Iterator[Unit]:
        """Yield what a PDF with attached files has in its streams.

        Raises:
            LimitExceeded: not all of it could be read.
        """
        if not pdf_files.has_files(unit.content, marks, self._without_zlib):
            return
        is_unread = False
        for stream in pdf_files.streams(unit.content):
            self._budget.add_file()
            # No packed one: the PDF has it as it stands. Or it is packed twice.
            content = self._without_zlib(stream.packed) or bytes(stream.packed)
            content = self._without_zlib(memoryview(content)) or content
            is_unread = is_unread or stream.is_unread
            if depth > self._limits.archive_depth_max:
                raise LimitExceeded("archives nested too deeply")
            yield from self._unfold(replace(unit, content=content, is_stream=True), depth)
        if is_unread:
            raise LimitExceeded("a file in a PDF that is packed in a way that is not read")

    def _without_zlib(self, packed: memoryview) -> bytes:
        """Return what is packed by zlib, as far as it is."""
        try:
            chunks = inflated(OPENERS["zlib"], packed)
            return self._budget.gather(chunks, packed_bytes=len(packed))
        except archives.DamagedStream as broken:
            return broken.content

    def _tape(self, content: bytes, depth: int) -> Iterator[Unit]:
        for name, inside in tape_archive.members(content):
            self._budget.add_file()
            self._budget.add_bytes(len(inside))
            for called in names_of(name):
                yield from self._unfold(Unit(inside, called, True), depth)

    def _packed(self, unit: Unit, kind: ContentKind, depth: int) -> Iterator[Unit]:
        """Yield what was packed alone: its name is that of the whole, without the last part.

        gzip may have a name of its own for it.
        """
        packed = memoryview(unit.content)
        content = self._gathered(inflated(OPENERS[kind.value], packed), len(packed))
        name = unit.name.rpartition(".")[0]
        yield from self._unfold(Unit(content, name, True), depth)
        if kind is ContentKind.GZIP and (said := name_in_gzip(unit.content)):
            yield from self._unfold(Unit(content, said, True), depth)

    def _gathered(self, chunks: Iterator[bytes], packed_bytes: int) -> bytes:
        try:
            return self._budget.gather(chunks, packed_bytes=packed_bytes)
        except archives.DamagedStream as broken:
            self._note(self.limits_met, "a damaged archive")
            return broken.content

    def _note_unreadable(self, content: bytes, kind: ContentKind) -> None:
        place, is_locked = _LOCKS.get(kind, (None, None))
        start = place(content) if place is not None else -1
        if start >= 0 and is_locked is not None and is_locked(content, start):
            self._note(self.encrypted, kind.value)
        else:
            self._note(self.unreadable, kind.value)

    @staticmethod
    def _note(notes: list[str], what: str) -> None:
        if what not in notes and len(notes) < NOTES_MAX:
            notes.append(what)


# What is taken out of a document, by its kind.
_FINDERS: dict[ContentKind, Callable[[bytes], Iterator[bytes]]] = {
    ContentKind.CALENDAR: embedded.files_of_calendar,
    ContentKind.ONE_NOTE: embedded.files_of_one_note,
    ContentKind.RTF: rich_text.files,
    ContentKind.TNEF: tnef.files,
    ContentKind.XML: embedded.files_of_xml,
}

# What is no archive: its depth counts where something is found in it.
_DOCUMENTS = frozenset({ContentKind.PDF, *_FINDERS})

_Place = Callable[[bytes], int]
_IsLocked = Callable[[bytes, int], bool]

_LOCKS: dict[ContentKind, tuple[_Place, _IsLocked]] = {
    ContentKind.RAR: (rar_place, locked_archives.is_locked_rar),
    ContentKind.SEVEN_ZIP: (seven_zip_place, locked_archives.is_locked_seven_zip),
}
