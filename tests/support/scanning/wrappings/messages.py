"""How may a message lie inside another one?

Pure. Source: RFC 2046 section 5.2, RFC 6532 section 3.7 (``message/global``).
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from tests.support.scanning.messages import zipped
from tests.support.scanning.wrappings.parts import ARCHIVE, BASE64, attached, encoded, file

FAMILY = "messages in messages"

_INNER = file(ARCHIVE)
_PRINTABLE = b"Content-Transfer-Encoding: quoted-printable\r\n"
_FORWARDED = (
    b'Subject: FW\r\nContent-Type: multipart/mixed; boundary="f%d"\r\n\r\n--f%d\r\n'
    b"Content-Type: message/rfc822\r\n\r\n%s\r\n--f%d--\r\n"
)
_TYPES = {
    "a message": b"Content-Type: message/rfc822\r\n",
    "an internationalised message": b"Content-Type: message/global\r\n",
    "octets": b'Content-Type: application/octet-stream; name="a.eml"\r\n',
    "text": b'Content-Type: text/plain; name="a.eml"\r\n',
    "of no type": b"",
}


def wrappings() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the octets of each."""
    printable = binascii.b2a_qp(_INNER).replace(b"=\n", b"=\r\n")
    for name, kind in _TYPES.items():
        yield f"{name}, as it stands", attached(kind, _INNER)
        yield f"{name}, in base64", attached(kind + BASE64, encoded(_INNER))
        yield f"{name}, in quoted-printable", attached(kind + _PRINTABLE, printable)
        separator = b"From a@b.example Mon Mar  2 09:30:00 2026\r\n"
        yield (
            f"{name}, in base64, of a mailbox",
            attached(kind + BASE64, encoded(separator + _INNER)),
        )
    yield "in an archive", file(zipped(("a.eml", _INNER)))
    yield "in an archive in an archive", file(zipped(("a.zip", zipped(("a.eml", _INNER)))))
    message = _INNER
    for level in range(6):
        message = file(message)
        yield f"as a file, {level + 2} times", message
    for level in range(12):
        message = file(message)
        if level == 5:
            yield "as a file, 13 times", message
    yield "as a file, 19 times", message
    for _ in range(4):
        message = file(message)
    yield "as a file, too often", message
    message = _INNER
    for level in range(24):
        message = _FORWARDED % (level, level, message, level)
        if level == 11:
            yield "attached, 12 times", message
    yield "attached, too often", message
    partial = b'Content-Type: message/partial; id="1"; number=1; total=2\r\n\r\n'
    yield (
        "in two pieces, the first",
        b"From: a@b.example\r\n" + partial + _INNER[: len(_INNER) // 2],
    )
    yield (
        "in two pieces, the second",
        (
            b"From: a@b.example\r\n"
            + partial.replace(b"number=1", b"number=2")
            + _INNER[len(_INNER) // 2 :]
        ),
    )
    yield "a piece that is attached", attached(partial[:-2], _INNER[:200])
