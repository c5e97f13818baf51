"""Do both readings of a message end within their limits, whatever it says it is?

Pure.
"""

from __future__ import annotations

from satellite.scanning import mime
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits

READS_MAIL = True
WORDS = (
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n", b"--b--\r\n", b"; boundary=",
    b"Content-Type: message/rfc822\r\n\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"; name=", b"; charset=utf-16",
    b"begin 644 a\r\n", b"UEsDBA==\r\n", b"=41=\r\n", b"\r\n\r\n",
)  # fmt: skip
LIMITS = UnfoldingLimits(mime_parts_max=100, mime_depth_max=10, lines_max=20_000)

# The stdlib compares None with a number when a parameter comes whole and in pieces (RFC 2231).
KNOWN = {"known-parameter-whole-and-in-pieces": "`name*=…; name*0=…` raises TypeError"}
KNOWN_ERRORS = ("TypeError: '<' not supported between instances of",)


def target(data: bytes) -> None:
    """Take a message apart as two programs would."""
    found: list[bytes] = []
    try:
        for content in mime.contents(data, LIMITS):
            found.append(content)
    except LimitExceeded as error:
        assert error.what

    assert len(found) <= 2 * LIMITS.mime_parts_max
    # Decoding makes content smaller, and text in another character set at most four times as long.
    assert sum(map(len, found)) <= 2 * 4 * len(data) + 1_000
