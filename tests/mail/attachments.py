"""What do people attach?

Pure. Documents and archives that programs can open, all harmless. Source: ECMA-376 (OOXML),
PKWARE's APPNOTE section 6.1 (the old ZIP encryption), MS-OXTNEF.
"""

from __future__ import annotations

import struct
import zlib

from tests.mail.pieces import (
    FIXED_TIME,
    Part,
    attachment,
    message,
    multipart,
    pdf,
    plain,
    text,
    usual,
    whole,
    zipped,
)
from tests.mail.specimens import Expectation, Specimen, specimens
from tests.support.scanning.compound_files import compound_file

_OOXML = "application/vnd.openxmlformats-officedocument"
_XML = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OLE = compound_file({"VBA": {"_VBA_PROJECT": b"\xcc\x61\xff\xff" + bytes(80)}})  # no module in it
ZIP_PASSWORD = b"scout-4711"  # stands in the text of the message, as such mail has it


def pdf_attached() -> bytes:
    return _with("Report", attachment("report.pdf", "application/pdf", pdf("A report")))


def zip_attached() -> bytes:
    archive = zipped(("readme.txt", b"Read me.\r\n"), ("folder/data.csv", b"a;b\r\n1;2\r\n"))
    return _with("Files", attachment("files.zip", "application/zip", archive))


def word_document() -> bytes:
    part = attachment("letter.docx", f"{_OOXML}.wordprocessingml.document", _document())
    return _with("Letter", part)


def word_with_macro() -> bytes:
    content = _document(("word/vbaProject.bin", _OLE))
    kind = "application/vnd.ms-word.document.macroEnabled.12"
    return _with("Letter with macro", attachment("letter.docm", kind, content))


def excel_with_macro() -> bytes:
    content = zipped(
        ("[Content_Types].xml", _XML + b"<Types/>"),
        ("xl/workbook.xml", _XML + b"<workbook/>"),
        ("xl/vbaProject.bin", _OLE),
    )
    kind = "application/vnd.ms-excel.sheet.macroEnabled.12"
    return _with("Sheet with macro", attachment("sheet.xlsm", kind, content))


def attachment_alone() -> bytes:
    """The whole message is one attachment, as scanners and fax machines send it."""
    return whole(usual("Scan"), attachment("scan.pdf", "application/pdf", pdf("A scan")))


def attachment_with_latin1_name() -> bytes:
    """A file name in raw 8 bits, against every rule and often seen."""
    part = attachment("report.pdf", "application/pdf", pdf("A report"))
    data = _with("Raw name", part)
    return data.replace(b'"report.pdf"', '"Präsentation für Köln.pdf"'.encode("latin-1"))


def winmail_dat() -> bytes:
    """A TNEF shell: signature, key, and the attribute that gives the version."""
    attribute = struct.pack("<BIIIH", 1, 0x00089006, 4, 0x00010000, 1)
    content = struct.pack("<IH", 0x223E9F78, 1) + attribute
    return _with("From Outlook", attachment("winmail.dat", "application/ms-tnef", content))


def uuencoded() -> bytes:
    """An attachment from before MIME: it stands in the text."""
    body = 'See below.\n\nbegin 644 hi.txt\n+2&5L;&\\L(&%L;"$*\n`\nend\n'
    return message(usual("Old style"), text(body))


def forwarded_five_times() -> bytes:
    data = message(usual("Innermost", "Content-Type: text/plain"), text("The core of it.\n"))
    for depth in range(1, 6):
        inner = Part(("Content-Type: message/rfc822",), data)
        both = multipart("mixed", f"fwd-{depth}", plain(f"Forward {depth}.\n"), inner)
        data = whole(usual(f"Fwd: {depth}"), both)
    return data


def encrypted_zip() -> bytes:
    archive = _encrypted("secret.txt", b"Nothing to see here.\r\n", ZIP_PASSWORD)
    part = attachment("secret.zip", "application/zip", archive)
    return _with("Secret", part, f"The password is {ZIP_PASSWORD.decode()}.\n")


def executable_in_zip() -> bytes:
    """The headers of a program, which does nothing because there is no more of it."""
    stub = b"MZ" + bytes(58) + struct.pack("<I", 0x80)
    archive = zipped(("invoice.pdf.exe", stub + bytes(64) + b"PE\x00\x00" + bytes(20)))
    return _with("Invoice", attachment("invoice.zip", "application/zip", archive))


def ten_megabytes() -> bytes:
    pattern = bytes(range(256)) * 4096
    content = b"".join(bytes([n]) + pattern for n in range(7))
    part = attachment("video.bin", "application/octet-stream", content)
    return _with("Large", part)


def _with(subject: str, part: Part, note: str = "See attached.\n") -> bytes:
    return whole(usual(subject), multipart("mixed", "mix-1", plain(note), part))


def _document(*more: tuple[str, bytes]) -> bytes:
    kinds = (
        b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Default Extension="rels" '
        b'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        b'<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats'
        b'-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    relations = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r1" Target="word/document.xml" Type="http://schemas.openxmlformats.org'
        b'/officeDocument/2006/relationships/officeDocument"/></Relationships>'
    )
    page = (
        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        b"<w:body><w:p><w:r><w:t>Dear Bo</w:t></w:r></w:p></w:body></w:document>"
    )
    return zipped(
        ("[Content_Types].xml", _XML + kinds),
        ("_rels/.rels", _XML + relations),
        ("word/document.xml", _XML + page),
        *more,
    )


def _encrypted(name: str, content: bytes, password: bytes) -> bytes:
    """Return a ZIP archive with one member in the old encryption, which ``zipfile`` only reads."""
    checksum = zlib.crc32(content)
    lead = bytes(range(11)) + bytes([checksum >> 24])  # real ones have random octets here
    secret = _Cipher(password).encrypt(lead + content)
    year, month, day, hour, minute, second = FIXED_TIME
    date = (year - 1980) << 9 | month << 5 | day
    time = hour << 11 | minute << 5 | second // 2
    common = struct.pack(
        "<HHHHHIIIHH", 20, 1, 0, time, date, checksum, len(secret), len(content), len(name), 0
    )
    local = b"PK\x03\x04" + common + name.encode() + secret
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + bytes(10) + struct.pack("<I", 0)
    directory = entry + name.encode()
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(directory), len(local), 0)
    return local + directory + b"PK\x05\x06" + end


class _Cipher:
    """The three keys of the old ZIP encryption."""

    def __init__(self, password: bytes) -> None:
        self._keys = [0x12345678, 0x23456789, 0x34567890]
        for octet in password:
            self._update(octet)

    def encrypt(self, content: bytes) -> bytes:
        out = bytearray()
        for octet in content:
            mask = self._keys[2] & 0xFFFF | 2
            out.append(octet ^ (mask * (mask ^ 1) >> 8 & 0xFF))
            self._update(octet)
        return bytes(out)

    def _update(self, octet: int) -> None:
        keys = self._keys
        keys[0] = _crc(keys[0], octet)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc(keys[2], keys[1] >> 24)


def _crc(key: int, octet: int) -> int:
    """Return one step of CRC-32 without the complements that ``zlib`` puts around it."""
    return zlib.crc32(bytes([octet]), key ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


SPECIMENS = (
    *specimens(
        pdf_attached,
        zip_attached,
        word_document,
        attachment_alone,
        attachment_with_latin1_name,
        winmail_dat,
        uuencoded,
        forwarded_five_times,
    ),
    *(
        Specimen(name=name, make=make, expectation=Expectation.MARK, finding=finding)
        for name, make, finding in (
            ("word-with-macro", word_with_macro, "macro"),
            ("excel-with-macro", excel_with_macro, "macro"),
            ("encrypted-zip", encrypted_zip, "encrypted"),
        )
    ),
    Specimen(
        name="executable-in-zip",
        make=executable_in_zip,
        expectation=Expectation.QUARANTINE,
        finding="virus",
    ),
    Specimen(name="ten-megabytes", make=ten_megabytes, in_file=False),
)
