"""How may a ZIP archive be built so that some program finds the test file in it?

Pure. Source: APPNOTE.TXT 6.3.10; an attack of 2019 had two archives in a row.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator

from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import locked, zipped
from tests.support.scanning.office_files import word, zip_by
from tests.support.scanning.wrappings.parts import file

FAMILY = "archives"

_BAD = zipped(("a.com", EICAR))
_GOOD = zipped(("a.txt", b"nothing here"))
_END = struct.Struct("<4sHHHHIIH")


def wrappings() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the octets of each."""
    for name, archive in _archives().items():
        yield name, file(archive)
    for name, archive in _of_other_kinds().items():
        yield name, file(archive)
    yield "typed as a picture", file(_BAD, b'Content-Type: image/png; name="a.png"\r\n')


def _archives() -> dict[str, bytes]:
    place = _BAD.rfind(b"PK\5\6")
    members, end = _BAD[:place], _BAD[place:]
    listing = members[members.find(b"PK\1\2") :]
    local = members[: members.find(b"PK\1\2")]
    empty = _END.pack(b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)
    return {
        "as everybody": _BAD,
        "in an archive": zipped(("a.zip", _BAD)),
        "in eight archives": _nested(8),
        "in nine archives": _nested(9),
        "stored": _packed(zipfile.ZIP_STORED),
        "by bzip2": _packed(zipfile.ZIP_BZIP2),
        "by LZMA": _packed(zipfile.ZIP_LZMA),
        "behind other octets": b"GIF89a" + bytes(200) + _BAD,
        "before other octets": _BAD + bytes(200),
        "before many other octets": _BAD + b"x" * 70_000,
        "among many other octets": b"\xff\xd8" + bytes(70_000) + _BAD + b"\xff" * 70_000,
        "behind and before a compound file's octets": word() + _BAD + b"\xff" * 70_000,
        "locked, among many other octets": b"\xff\xd8"
        + bytes(900)
        + locked(_BAD)
        + b"\xff" * 70_000,
        "with a comment": members + end[:-2] + struct.pack("<H", 12) + b"not an end. ",
        "with an end in its comment": members + end[:-2] + struct.pack("<H", 22) + empty,
        "with a second, empty end": _BAD + empty,
        "with an end that lists nothing": members + empty,
        "with a member that is not listed": local + _GOOD,
        "two in a row, bad first": _BAD + _GOOD,
        "two in a row, bad last": _GOOD + _BAD,
        "without its end": members,
        "without its directory": local,
        "cut off": _BAD[: len(local) - 4],
        "with another name in its directory": local + listing.replace(b"a.com", b"b.txt") + end,
        "of no length in its directory": _of_length(0),
        "of another length in its directory": _of_length(40),
        "said to need a password": locked(_BAD),
        "with a method of nobody's": _with_method(_BAD, 98),
    }


def _of_other_kinds() -> dict[str, bytes]:
    """Return the beginnings by which a program knows archives that we do not read, and LZMA's."""
    rar = b"Rar!\x1a\x07\x00\xcf\x90\x73" + bytes(40)
    sector = b"\0" + b"\xff" * 10 + b"\0"
    return {
        "by LZMA alone": lzma.compress(EICAR, format=lzma.FORMAT_ALONE),
        "an archive by LZMA alone": lzma.compress(_BAD, format=lzma.FORMAT_ALONE),
        "lz4": b"\x04\x22\x4d\x18\x64\x40\xa7" + bytes(60),
        "lz4, the old way": b"\x02\x21\x4c\x18" + bytes(60),
        "xar": b"xar!\0\x1c\0\1" + bytes(60),
        "dmg": b"\x78\x01" + bytes(900) + b"koly\0\0\0\4\0\0\2\0" + bytes(500),
        "CHM": b"ITSF\3\0\0\0" + bytes(90),
        "squashfs": b"hsqs" + bytes(24) + b"\4\0\0\0" + bytes(90),
        "rpm": b"\xed\xab\xee\xdb\3\0" + bytes(90),
        "a disc that begins as an archive": (_GOOD + bytes(0x8001))[:0x8001] + b"CD001" + bytes(90),
        "RAR behind a document": b"%PDF-1.7\n" + b"\xff" * 500_000 + rar,
        "RAR behind an archive": _GOOD + rar,
        "behind a compound file": word() + _BAD,
        "behind an RTF document": b"{\\rtf1 text}" + _BAD,
        "zoo": b"ZOO 2.10 Archive.\x1a\0\0\xdc\xa7\xc4\xfd" + bytes(90),
        "a disc, with all of its sectors": sector + bytes(16 * 2352 + 5) + b"CD001" + bytes(90),
        "RAR, far behind other octets": b"\xff\xd8\xff\xe0" * 100_000 + rar,
    }


def _nested(depth: int) -> bytes:
    content = EICAR
    for level in range(depth):
        content = zipped((f"{level}", content))
    return content


def _packed(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.com"), EICAR, method)
    return buffer.getvalue()


def _of_length(size: int) -> bytes:
    """Return an archive whose directory says that its member, a packed file, is so long."""
    inner = gzip.compress(EICAR, mtime=0)
    archive = bytearray(zip_by(zipfile.ZIP_STORED, ("a.gz", inner)))
    said = struct.pack("<III", zlib.crc32(inner[:size]), size, size)
    place = archive.rfind(b"PK\1\2") + 16
    archive[place : place + 12] = said
    return bytes(archive)


def _with_method(archive: bytes, method: int) -> bytes:
    changed = bytearray(archive)
    for signature, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        place = changed.find(signature)
        changed[place + offset : place + offset + 2] = struct.pack("<H", method)
    return bytes(changed)
