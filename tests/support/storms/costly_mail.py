"""Which messages are small to send and long to read?

Pure.
"""

from __future__ import annotations

import base64
import io
import zipfile

MEMBER_BYTES = 8 * 1024 * 1024  # unfolded: a few hundred octets of bzip2


def with_archive(members: int) -> bytes:
    """Return a mail with a ZIP whose members are small and take long to unfold."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as archive:
        for number in range(members):
            archive.writestr(f"{number}.txt", bytes([65 + number % 20]) * MEMBER_BYTES)
    body = base64.encodebytes(out.getvalue()).replace(b"\n", b"\r\n")
    return (
        b"Subject: archive\r\nMIME-Version: 1.0\r\nContent-Type: application/zip; name=a.zip\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + body + b"\r\n"
    )


def with_half_encoded_words(octets: int) -> bytes:
    """Return a mail with a header field of what begins as an encoded word and never is one."""
    line = b"=?" * 400
    fields = b"\r\n ".join([line] * (octets // len(line)))
    return b"Subject: " + fields + b"\r\n\r\ntext\r\n"


def with_empty_lines(lines: int, levels: int) -> bytes:
    """Return a mail of nested multiparts around very many empty lines."""
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(levels)
    )
    return b"MIME-Version: 1.0\r\n" + head + b"\r\n" + b"\r\n" * lines


def costly_mails() -> list[bytes]:
    """Return one of each kind, of 0.02 to 2 MB."""
    return [
        with_archive(members=80),
        with_half_encoded_words(400_000),
        with_empty_lines(1_000_000, 19),
    ]
