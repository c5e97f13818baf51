"""Does an Office document in a compound file need a password, and what lies packed inside it?

Pure. By its streams, never by its name: the new formats are a compound file only when they are
encrypted; the old ones say so in their first records. PowerPoint packs what is embedded, its macros
too, so that no search of the file itself finds them; and it leaves out the ends of the packed
streams.

Source: [MS-OFFCRYPTO] section 2.3; [MS-DOC] 2.5.2 (fEncrypted); [MS-XLS] 2.4.117 (FilePass), 2.4.28
(BoundSheet8); [MS-PPT] 2.3.2 (headerToken), 2.10.34 (ExOleObjStg).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Container, Iterator

from satellite.scanning.compound_file import CompoundFile
from satellite.scanning.limits import LimitExceeded
from satellite.scanning.unfolding import Deflate, inflated

DOCUMENTS_MAX = 64  # in one file, as objects in each other; each takes half a millisecond
_WORKBOOKS = frozenset({"Workbook", "Book"})
_BIFF_RECORDS_MAX = 4096  # what is asked for comes before the contents of cells
_BIFF_BYTES = 65_536
_FILE_PASS, _BOUND_SHEET, _END = 0x2F, 0x85, 0x0A
_MACRO_SHEET = 1
_WORD_SIGNATURES = frozenset({0xA5EC, 0xA5DC, 0xA5DB})
_WORD_ENCRYPTED = 0x0100
_PPT_ENCRYPTED = 0xF3D1C4DF
_PACKED_STORAGE = re.compile(rb"\x10\x00\x11\x10.{8}(?=\x78)", re.DOTALL)


def is_encrypted(file: CompoundFile) -> bool:
    """Say whether a document cannot be read without a password.

    Raises:
        LimitExceeded: there are too many documents in it.
    """
    names = {stream.name for stream in file.streams}
    if {"EncryptedPackage", "EncryptedSummary"} & names:
        return True
    return any(_SIGNS[name](octets) for name, octets in _beginnings(file, _SIGNS))


def has_macro_sheet(file: CompoundFile) -> bool:
    """Say whether a workbook has a sheet of Excel 4 macros, which are no VBA and run as well.

    Raises:
        LimitExceeded: there are too many workbooks in it.
    """
    for _, octets in _beginnings(file, _WORKBOOKS):
        kinds = (
            octets[place + 5 : place + 6]
            for kind, place in _biff_records(octets)
            if kind == _BOUND_SHEET
        )
        if bytes([_MACRO_SHEET]) in kinds:
            return True
    return False


def packed_storages(file: CompoundFile) -> Iterator[tuple[Iterator[bytes], int]]:
    """Yield what a presentation holds in packed form, in chunks, with its packed octets' number."""
    for stream in file.streams:
        if stream.name == "PowerPoint Document":
            octets = memoryview(file.read(stream))
            for found in _PACKED_STORAGE.finditer(octets):
                (size,) = struct.unpack_from("<I", octets, found.start() + 4)
                packed = octets[found.end() : found.start() + 8 + size]
                yield inflated(lambda: Deflate(15), packed, may_end=True), len(packed)


def _beginnings(file: CompoundFile, names: Container[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and beginning of each stream of those names."""
    streams = [stream for stream in file.streams if stream.name in names]
    if len(streams) > DOCUMENTS_MAX:
        raise LimitExceeded("too many documents in a compound file")
    for stream in streams:
        yield stream.name, file.read(stream, _BIFF_BYTES)


def _is_encrypted_word(octets: bytes) -> bool:
    if len(octets) < 12:
        return False
    signature, flags = struct.unpack_from("<H8xH", octets)
    return signature in _WORD_SIGNATURES and bool(flags & _WORD_ENCRYPTED)


def _is_encrypted_excel(octets: bytes) -> bool:
    return any(kind == _FILE_PASS for kind, _ in _biff_records(octets))


def _biff_records(octets: bytes) -> Iterator[tuple[int, int]]:
    """Yield the kinds of a workbook's own records, and where their contents begin."""
    place = 0
    for _ in range(_BIFF_RECORDS_MAX):
        if place + 4 > len(octets):
            return
        kind, size = struct.unpack_from("<HH", octets, place)
        if kind == _END:
            return
        yield kind, place + 4
        place += 4 + size


def _is_encrypted_presentation(octets: bytes) -> bool:
    return len(octets) >= 16 and struct.unpack_from("<I", octets, 12) == (_PPT_ENCRYPTED,)


_SIGNS = {
    "WordDocument": _is_encrypted_word,
    "Workbook": _is_encrypted_excel,
    "Book": _is_encrypted_excel,
    "Current User": _is_encrypted_presentation,
}
