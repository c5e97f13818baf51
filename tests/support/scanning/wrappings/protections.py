"""How may a message be signed or encrypted around the test file?

Pure. Source: RFC 5652, RFC 8551, RFC 3274, X.690 section 8.1.3.6 (open lengths).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from tests.mail.pieces import CMS_ARC, cms, der, signed_cms
from tests.support.scanning.messages import zipped
from tests.support.scanning.wrappings.parts import ARCHIVE, BASE64, TOP, encoded, file

FAMILY = "signatures and encryption"

_INNER = file(ARCHIVE).partition(b"MIME-Version: 1.0\r\n")[2]
_MIME = b'Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"\r\n'


def wrappings() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the octets of each."""
    for name, content in _contents().items():
        yield name, TOP + _MIME + BASE64 + b"\r\n" + encoded(content)
        yield f"{name}, as a file", file(content)
    yield "signed, in an archive", file(zipped(("smime.p7m", signed_cms(_INNER))))
    armoured = b"-----BEGIN PGP MESSAGE-----\r\n\r\n" + encoded(ARCHIVE[::-1])
    yield "encrypted by PGP", TOP + b"\r\n" + armoured + b"-----END PGP MESSAGE-----\r\n"


def _contents() -> dict[str, bytes]:
    compressed = der(0x30, bytes.fromhex("060b2a864886f70d0109100108"))
    held = der(0x30, CMS_ARC + b"\1", der(0xA0, der(0x04, zlib.compress(_INNER))))
    kind = bytes.fromhex("060b2a864886f70d0109100109")
    stamped = bytes.fromhex("060b2a864886f70d010910011f")
    inside = der(0x04, _INNER)
    squeezed = der(0x30, kind, der(0xA0, der(0x30, der(0x02, b"\0"), compressed, held)))
    return {
        "signed": signed_cms(_INNER),
        "signed, of open length": _open_signed(_INNER),
        "signed twice": signed_cms(_MIME + BASE64 + b"\r\n" + encoded(signed_cms(_INNER))),
        "signed, cut off": signed_cms(_INNER)[:-200],
        "signed, its length in many octets": _of_long_length(signed_cms(_INNER)),
        "signed, its kind's length in two octets": der(0x30, b"\x06\x81" + signed_cms(_INNER)[5:]),
        "stamped with a time": der(0x30, stamped, der(0xA0, der(0x30, der(0x02, b"\1"), inside))),
        "digested": cms(5, der(0x02, b"\0"), der(0x30), der(0x30, CMS_ARC + b"\1", inside)),
        "compressed": squeezed,
        "encrypted": cms(3, der(0x02, b"\0"), der(0x31), der(0x04, _INNER[::-1])),
    }


def _open_signed(content: bytes) -> bytes:
    """Return a signature as a program writes it that does not know how long it will be."""
    pieces = b"".join(der(0x04, content[at : at + 100]) for at in range(0, len(content), 100))
    inner = _open(0x30, CMS_ARC + b"\1", _open(0xA0, _open(0x24, pieces)))
    signed = _open(0x30, der(0x02, b"\1"), der(0x31), inner, der(0x31))
    return _open(0x30, CMS_ARC + b"\2", _open(0xA0, signed))


def _of_long_length(element: bytes) -> bytes:
    """Return an element with zeros before the number of its octets, which is then far in."""
    count = element[1] & 0x7F
    return element[:1] + b"\xa0" + bytes(32 - count) + element[2:]


def _open(tag: int, *contents: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(contents) + b"\0\0"
