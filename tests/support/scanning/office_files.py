"""Office documents, mail files and archives as honest programs write them.

Pure. Laid out as the formats say, so that what reads them reads what it will meet; harmless, and
each a kind of file that people send. Source: [MS-DOC] 2.5.2, [MS-XLS] 2.1.4 and 2.4, [MS-PPT] 2.3.2
and 2.10.34, [MS-OXMSG] 2.1, [MS-OFFCRYPTO] 2.3, [MS-OVBA] 2.2; ECMA-376; OpenDocument 1.3 part 2.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zipfile
import zlib

from tests.support.scanning.compound_files import Tree, compound_file
from tests.support.scanning.messages import WINDOWS_PROGRAM, zipped

SUMMARY = b"\xfe\xff\0\0\6\0\2\0" + bytes(16) + b"\1\0\0\0" + bytes(120)
VBA: Tree = {
    "PROJECT": b'ID="{00000000-0000-0000-0000-000000000000}"\r\nModule=Module1\r\n' * 2,
    "VBA": {
        "_VBA_PROJECT": b"\xcc\x61\xff\xff" + bytes(80),
        "dir": b"\x01\x10\xb0" + bytes(90),
        "Module1": b"\x01\x00\xb0" + bytes(70),
    },
}


def noise(count: int, *, seed: int = 7) -> bytes:
    """Return octets that no packing makes smaller, the same in each run."""
    return random.Random(seed).randbytes(count)


def word(*, locked: bool = False, macro: bool = False) -> bytes:
    """Return a Word 97 document."""
    flags = 0x0200 | (0x0100 if locked else 0)
    fib = struct.pack("<HHHHHH", 0xA5EC, 0xC1, 0, 0x0409, 0, flags) + bytes(500)
    tree: dict[str, bytes | Tree] = {
        "WordDocument": fib + noise(9000),
        "1Table": noise(5000, seed=2),
        "\x05SummaryInformation": SUMMARY,
    }
    return compound_file(tree | ({"Macros": VBA} if macro else {}))


def excel(
    content: bytes = b"", *, locked: bool = False, macro: bool = False, macro_sheet: bool = False
) -> bytes:
    """Return an Excel 97 workbook with some octets in a record of it."""
    records = _biff(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0x0DBB, 0x07CC, 0, 6))
    if locked:
        records += _biff(0x002F, struct.pack("<HHH", 1, 1, 1) + bytes(48))
    for name, kind in ((b"Sheet1", 0), (b"Macro1", 1))[: 1 + macro_sheet]:
        records += _biff(0x0085, struct.pack("<IBBBB", 0, 0, kind, len(name), 0) + name)
    records += _biff(0x0042, b"\xb0\x04") + _biff(0x00FC, content or noise(6000))
    records += _biff(0x000A, b"")
    tree: dict[str, bytes | Tree] = {"Workbook": records, "\x05SummaryInformation": SUMMARY}
    return compound_file(tree | ({"_VBA_PROJECT_CUR": VBA} if macro else {}))


def presentation(*, locked: bool = False, macro: bool = False, themes: int = 3) -> bytes:
    """Return a PowerPoint 97 presentation; it packs its macros into one record."""
    records = _atom(0x03E9, noise(5000), version=1)
    for number in range(themes):  # as the newer versions keep them in an old file
        theme = zipped(("_rels/.rels", b"<x/>"), (f"theme/theme{number}.xml", b"<a:theme/>" * 99))
        records += _atom(0x040E, theme)
    if macro:
        storage = compound_file({"VBA": VBA["VBA"], "PROJECT": VBA["PROJECT"]})
        squeezed = zlib.compressobj()
        octets = squeezed.compress(storage) + squeezed.flush(zlib.Z_SYNC_FLUSH)  # with no end
        packed = struct.pack("<I", len(storage)) + octets
        records += _atom(0x1011, packed, instance=1)
    token = 0xF3D1C4DF if locked else 0xE391C05F
    user = _atom(0x0FF6, struct.pack("<III", 20, token, len(records)) + bytes(40))
    return compound_file({"PowerPoint Document": records, "Current User": user})


def outlook_message(*attached: bytes) -> bytes:
    """Return a .msg file with attachments."""
    tree: dict[str, bytes | Tree] = {
        "__properties_version1.0": bytes(32) + noise(160),
        "__substg1.0_0037001F": "Our meeting".encode("utf-16-le"),
        "__substg1.0_1000001F": "See what is attached, please.\r\n".encode("utf-16-le") * 20,
        "__substg1.0_10090102": b"\x40\0\0\0\x50\0\0\0LZFu" + noise(900),
        "__nameid_version1.0": {"__substg1.0_00020102": bytes(64), "__substg1.0_00030102": b""},
    }
    for number, content in enumerate(attached):
        tree[f"__attach_version1.0_#{number:08X}"] = {
            "__properties_version1.0": bytes(8) + noise(80, seed=number),
            "__substg1.0_37010102": content,
            "__substg1.0_3707001F": "attached.dat".encode("utf-16-le"),
        }
    return compound_file(tree)


def native_package(content: bytes) -> bytes:
    """Return the stream in which a document keeps a file of any kind."""
    names = b"a.bin\0C:\\a.bin\0\0\0\3\0" + struct.pack("<I", 9) + b"C:\\a.bin\0"
    octets = b"\2\0" + names + struct.pack("<I", len(content)) + content
    return struct.pack("<I", len(octets)) + octets


def notebook(*files: bytes) -> bytes:
    """Return a OneNote section with files in it."""
    octets = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + noise(900)
    for content in files:
        mark = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
        octets += mark + struct.pack("<QIQ", len(content), 0, 0) + content
        octets += bytes(-len(content) % 8) + bytes.fromhex("22a7fb71790f0b4abb13899256426b24")
    return octets


def new_word(*embedded: tuple[str, bytes]) -> bytes:
    """Return a Word document of today."""
    return zipped(
        ("[Content_Types].xml", b"<?xml version='1.0'?><Types/>"),
        ("_rels/.rels", b"<?xml version='1.0'?><Relationships/>"),
        ("word/document.xml", b"<?xml version='1.0'?><w:document>text</w:document>"),
        ("word/media/image1.png", b"\x89PNG\r\n\x1a\n" + noise(3000)),
        *embedded,
    )


def locked_new_office() -> bytes:
    """Return what Office makes of any of its new formats with a password."""
    transform = {"StrongEncryptionTransform": {"\x06Primary": bytes(200)}}
    return compound_file(
        {
            "EncryptionInfo": struct.pack("<HHI", 4, 4, 0x40) + b"<encryption/>" * 40,
            "EncryptedPackage": struct.pack("<Q", 8000) + noise(8000),
            "\x06DataSpaces": {"Version": bytes(76), "TransformInfo": transform},
        }
    )


def open_document(*, locked: bool = False) -> bytes:
    """Return an OpenDocument text."""
    key = b"<manifest:encryption-data manifest:checksum='x'/>" if locked else b""
    entry = b"<manifest:file-entry manifest:full-path='content.xml'>" + key
    return zipped(
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", noise(900) if locked else b"<office:document-content/>"),
        ("META-INF/manifest.xml", b"<manifest:manifest>" + entry + b"</manifest:file-entry>"),
    )


def blank_tiff(mebibytes: int = 12) -> bytes:
    """Return a scanned page with nothing on it."""
    return b"II*\0\x08\0\0\0" + b"\xff" * (mebibytes << 20) + bytes(6)


def tar_gz(*members: tuple[str, bytes]) -> bytes:
    """Return a packed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            described = tarfile.TarInfo(name)
            described.size = len(content)
            archive.addfile(described, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def zip_by(method: int, *members: tuple[str, bytes]) -> bytes:
    """Return an archive packed by one of the methods that the standard library knows."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def streamed_zip(*members: tuple[str, bytes]) -> bytes:
    """Return an archive as it is written where one cannot go back: lengths stand behind."""

    class _Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.octets = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, piece: object) -> int:
            self.octets += memoryview(piece)  # type: ignore[arg-type]
            return len(memoryview(piece))  # type: ignore[arg-type]

    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return bytes(pipe.octets)


def with_backslashes(archive: bytes, name: str) -> bytes:
    """Return an archive whose directory has a name with ``\\`` where the member has ``/``."""
    octets = name.encode()
    head, _, tail = archive.rpartition(octets)
    return head + octets.replace(b"/", b"\\") + tail


def self_extracting(archive: bytes) -> bytes:
    """Return a program that unpacks what stands behind it."""
    return WINDOWS_PROGRAM + noise(4000) + b"PK\x03\x04 is what it looks for" + archive


def _biff(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _atom(kind: int, content: bytes, *, instance: int = 0, version: int = 0) -> bytes:
    return struct.pack("<HHI", instance << 4 | version, kind, len(content)) + content
