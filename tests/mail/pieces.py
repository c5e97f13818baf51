"""Of what pieces are the messages made?

Pure, and the same on each machine: no clock, no randomness, no compression (whose output depends
on the library's version). Text goes in as ``str`` and comes out as octets with CRLF.
"""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass

FIXED_TIME = (2026, 3, 2, 9, 30, 0)  # of every member of every archive
CMS_ARC = bytes.fromhex("06092a864886f70d0107")  # the last number of the identifier follows
DATE = "Mon, 2 Mar 2026 09:30:00 +0000"


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part: its own header lines and its content as octets."""

    header: tuple[str, ...]
    content: bytes


def text(content: str, charset: str = "utf-8") -> bytes:
    """Return text with CRLF."""
    return content.replace("\r\n", "\n").replace("\n", "\r\n").encode(charset)


def header(*lines: str) -> bytes:
    """Return header lines; a line may be folded with ``\\n`` and white space."""
    return text("".join(f"{line}\n" for line in lines))


def usual(
    subject: str,
    *more: str,
    sender: str = "Ada Weber <ada@sender.example>",
    to: str = "Bo Lind <bo@acme.example>",
    mark: str = "",
) -> bytes:
    """Return the header that most messages have, then further lines.

    Args:
        mark: makes the Message-ID; by default the letters of the subject.
    """
    letters = mark or "".join(c for c in subject.lower() if c.isascii() and c.isalnum())
    return header(
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {subject}",
        f"Date: {DATE}",
        f"Message-ID: <{letters}@sender.example>",
        "MIME-Version: 1.0",
        *more,
    )


def message(head: bytes, body: bytes) -> bytes:
    """Return a header, the empty line, and a body."""
    return head + b"\r\n" + body


def plain(content: str, charset: str = "utf-8", encoding: str = "8bit") -> Part:
    """Return a part of plain text."""
    return Part(
        (f"Content-Type: text/plain; charset={charset}", f"Content-Transfer-Encoding: {encoding}"),
        text(content, charset),
    )


def html(content: str) -> Part:
    """Return a part of HTML."""
    return Part(
        ("Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit"),
        text(content),
    )


def attachment(name: str, media_type: str, content: bytes, *more: str) -> Part:
    """Return a part in base64 that a program offers to save under ``name``."""
    return Part(
        (
            f'Content-Type: {media_type}; name="{name}"',
            "Content-Transfer-Encoding: base64",
            f'Content-Disposition: attachment; filename="{name}"',
            *more,
        ),
        in_base64(content),
    )


def multipart(kind: str, boundary: str, *parts: Part, parameters: str = "") -> Part:
    """Return a multipart of ``kind`` (mixed, alternative, …)."""
    content = b"".join(
        b"--" + boundary.encode() + b"\r\n" + header(*part.header) + b"\r\n" + part.content
        for part in parts
    )
    return Part(
        (f'Content-Type: multipart/{kind}{parameters}; boundary="{boundary}"',),
        content + b"--" + boundary.encode() + b"--\r\n",
    )


def whole(head: bytes, part: Part) -> bytes:
    """Return a message whose body is ``part``."""
    return message(head + header(*part.header), part.content)


def in_base64(content: bytes) -> bytes:
    """Return base64 in lines of 76 characters."""
    encoded = base64.b64encode(content)
    lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
    return b"".join(line + b"\r\n" for line in lines)


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Return a ZIP archive that stores its members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name, FIXED_TIME)
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return file.getvalue()


def der(tag: int, *contents: bytes) -> bytes:
    """Return one element of ASN.1 in its distinguished encoding (X.690 section 8.1)."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def cms(kind: int, *inside: bytes) -> bytes:
    """Return a cryptographic message of kind 1.2.840.113549.1.7.``kind`` (RFC 5652 section 3)."""
    return der(0x30, CMS_ARC + bytes([kind]), der(0xA0, der(0x30, *inside)))


def signed_cms(*held: bytes) -> bytes:
    """Return an S/MIME signature without signers that holds something, or nothing."""
    version, digests = der(0x02, b"\1"), der(0x31)
    inner = der(0x30, CMS_ARC + b"\1", *(der(0xA0, der(0x04, content)) for content in held))
    return cms(2, version, digests, inner, der(0x31))


def pdf(line: str) -> bytes:
    """Return a PDF of one page that says ``line``."""
    stream = f"BT /F1 18 Tf 72 720 Td ({line}) Tj ET\n".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%sendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)


# One pixel, so that an inline image is a real one.
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
