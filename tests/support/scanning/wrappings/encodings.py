"""How may a file be encoded so that some program decodes it?

Pure. Source: RFC 2045 sections 6.7 and 6.8, POSIX uuencode, yEnc 1.3, RFC 1741.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from tests.support.scanning.clamd import EICAR
from tests.support.scanning.wrappings.parts import (
    ARCHIVE,
    BASE64,
    MIXED,
    NOTE,
    OCTETS,
    TOP,
    attached,
    encoded,
)

FAMILY = "encodings"

_PRINTABLE = b"Content-Transfer-Encoding: quoted-printable\r\n"
# No program takes these for base64 unless it is told to.
_NEED_A_WORD = {
    "with blanks before",
    "with signs that are none",
    "with a sign that is none in each quantum",
}
_XX = b"+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UU_TO_XX = bytes.maketrans(bytes(range(32, 96)) + b"`", _XX + b"+")
_WHOLE = base64.b64encode(ARCHIVE)


def wrappings() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the octets of each."""
    for name, body in _base64().items():
        yield f"base64 {name}", attached(OCTETS + BASE64, body)
        if name not in _NEED_A_WORD:
            yield f"base64 {name}, not said", attached(OCTETS, body)
    for name, body in _quoted_printable().items():
        yield f"quoted-printable {name}", attached(OCTETS + _PRINTABLE, body)
        yield f"quoted-printable {name}, not said", attached(OCTETS, body)
    for name, body in _uuencode().items():
        encoding = b"Content-Transfer-Encoding: x-uuencode\r\n"
        yield f"uuencode {name}, said", attached(OCTETS + encoding, body)
        if name == "without a beginning":
            continue  # no program takes it for a file unless it is told to
        yield f"uuencode {name}", attached(b"Content-Type: text/plain\r\n", body)
        yield f"uuencode {name}, alone", TOP + b"\r\nhello\r\n\r\n" + body
    yield from _around_each_other()
    yield from _unread()


def _base64() -> dict[str, bytes]:
    lines = encoded(ARCHIVE)
    halves = len(ARCHIVE) // 6 * 3
    return {
        "as everybody": lines,
        "in one line": _WHOLE + b"\r\n",
        "in lines of four": _in_lines(4),
        "in lines of thirty": _in_lines(30),
        "in lines of odd length": _in_lines(61),
        "with empty lines": lines.replace(b"\r\n", b"\r\n\r\n"),
        "with blanks before": b"  " + lines.replace(b"\r\n", b"\r\n  "),
        "with blanks behind": lines.replace(b"\r\n", b" \t\r\n"),
        "without padding": _WHOLE.rstrip(b"=") + b"\r\n",
        "with too much padding": _WHOLE.rstrip(b"=") + b"=====\r\n",
        "in two pieces": base64.b64encode(ARCHIVE[: halves + 1])
        + b"\r\n"
        + base64.b64encode(ARCHIVE[halves + 1 :])
        + b"\r\n",
        "with padding inside": _WHOLE[:40] + b"=" + _WHOLE[40:] + b"\r\n",
        "with signs that are none": lines.replace(b"\r\n", b"!\r\n"),
        "with a sign that is none in each quantum": b"!".join(
            _WHOLE[at : at + 4] for at in range(0, len(_WHOLE), 4)
        ),
        "with a word before it": b"Hello\r\n" + lines,
        "with a word and an empty line before it": b"Hello\r\n\r\n" + lines,
        "with text behind it": lines + b"\r\n_______\r\nA list, and its footer.\r\n",
        "with more of it behind its end": lines + b"QUJDREVG\r\n",
    }


def _quoted_printable() -> dict[str, bytes]:
    hexadecimal = b"".join(b"=%02X" % octet for octet in EICAR)
    return {
        "every octet": hexadecimal + b"\r\n",
        "in small letters": b"".join(b"=%02x" % octet for octet in EICAR) + b"\r\n",
        "some octets": EICAR.replace(b"E", b"=45").replace(b"X", b"=58") + b"\r\n",
        "soft breaks": b"=\r\n".join(EICAR[at : at + 7] for at in range(0, len(EICAR), 7)),
        "soft breaks with blanks": b"= \t\r\n".join(
            EICAR[at : at + 7] for at in range(0, len(EICAR), 7)
        ),
        "of an archive": b"=\r\n".join(
            b"".join(b"=%02X" % octet for octet in ARCHIVE[at : at + 25])
            for at in range(0, len(ARCHIVE), 25)
        ),
    }


def _uuencode() -> dict[str, bytes]:
    lines = [binascii.b2a_uu(ARCHIVE[at : at + 45]) for at in range(0, len(ARCHIVE), 45)]
    body = b"".join(lines).replace(b"\n", b"\r\n")
    ticks = b"".join(
        binascii.b2a_uu(ARCHIVE[at : at + 45], backtick=True) for at in range(0, len(ARCHIVE), 45)
    ).replace(b"\n", b"\r\n")
    return {
        "as everybody": b"begin 644 a.zip\r\n" + body + b"`\r\nend\r\n",
        "with back ticks": b"begin 644 a.zip\r\n" + ticks + b"`\r\nend\r\n",
        "without an end": b"begin 644 a.zip\r\n" + body,
        "without a mode": b"begin a.zip\r\n" + body + b"`\r\nend\r\n",
        "as base64": b"begin-base64 644 a.zip\r\n" + encoded(ARCHIVE) + b"====\r\n",
        "with a sum behind each line": b"begin 644 a.zip\r\n"
        + body.replace(b"\r\n", b"X\r\n")
        + b"`\r\nend\r\n",
        "without a beginning": body + b"`\r\nend\r\n",
        "in signs of xxencode": b"begin 644 a.zip\r\n"
        + body.translate(_UU_TO_XX)
        + b"+\r\nend\r\n",
    }


def _around_each_other() -> Iterator[tuple[str, bytes]]:
    both = _PRINTABLE + BASE64
    twice = encoded(encoded(ARCHIVE))
    printable = encoded(ARCHIVE).replace(b"U", b"=55").replace(b"=\r\n", b"=3D\r\n")
    yield "base64 of base64", attached(OCTETS + BASE64, twice)
    yield "base64 of uuencode", attached(OCTETS + BASE64, encoded(_uuencode()["as everybody"]))
    yield (
        "base64 of quoted-printable",
        attached(OCTETS + BASE64, encoded(_quoted_printable()["every octet"])),
    )
    yield "quoted-printable of base64", attached(OCTETS + both, printable)
    yield "quoted-printable of base64, not said", attached(OCTETS, printable)
    yield (
        "quoted-printable of uuencode",
        attached(
            b"Content-Type: text/plain\r\n" + _PRINTABLE,
            binascii.b2a_qp(_uuencode()["as everybody"]),
        ),
    )
    inner = NOTE + b"--b\r\n" + OCTETS + BASE64 + b"\r\n" + encoded(ARCHIVE) + b"--b--\r\n"
    yield (
        "quoted-printable of all parts",
        (
            TOP
            + MIXED
            + _PRINTABLE
            + b"\r\n"
            + inner.replace(b"=\r\n", b"=3D\r\n").replace(b"U", b"=55")
        ),
    )
    yield "base64 of all parts", TOP + MIXED + BASE64 + b"\r\n" + encoded(inner)


def _unread() -> Iterator[tuple[str, bytes]]:
    """Yield what we do not decode, and must say so."""
    packed = bytes((octet + 42) % 256 for octet in ARCHIVE)
    for critical, escaped in ((0x3D, b"=}"), (0, b"=@"), (10, b"=J"), (13, b"=M")):
        packed = packed.replace(bytes([critical]), escaped)
    size = len(ARCHIVE)
    yield (
        "yEnc",
        TOP
        + (
            b"\r\n=ybegin line=9999 size=%d name=a.zip\r\n%s\r\n=yend size=%d\r\n"
            % (size, packed, size)
        ),
    )
    binhex = b"(This file must be converted with BinHex 4.0)\r\n\r\n:$f*TEQKPH#jdE'9c:\r\n"
    yield "BinHex", TOP + b"\r\n" + binhex
    yield (
        "an encoding of nobody's",
        attached(OCTETS + b"Content-Transfer-Encoding: x-gzip64\r\n", b"?\x02?" * 40),
    )


def _in_lines(length: int) -> bytes:
    lines = [_WHOLE[at : at + length] for at in range(0, len(_WHOLE), length)]
    return b"".join(line + b"\r\n" for line in lines)
