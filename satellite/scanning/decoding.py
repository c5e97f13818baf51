"""What do octets become when they are decoded, as strictly and as kindly as programs do it?

Pure, and linear in its input. Where programs differ, each of their answers is one.

Source: RFC 2045 sections 6.7 and 6.8; POSIX uuencode.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from itertools import groupby

import pybase64

_SIGNS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_XX_SIGNS = b"+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_XX_TO_UU = bytes.maketrans(_XX_SIGNS, bytes([96, *range(33, 96)]))
_BLANKS = b" \t\r\n"
_PADDING_AND_LINE_ENDS = b"=\r\n"
_NO_SIGNS = bytes(set(range(256)) - set(_SIGNS))
_NO_SIGNS_BUT_PADDING = bytes(set(range(256)) - set(_SIGNS + b"="))
_LATE_BREAK = re.compile(rb"=[ \t]+(\r?\n)")
ENCODED_BYTES_MIN = 40  # of base64 that nothing else speaks for: shorter are words
LINE_BYTES_MIN = 16  # on the average
PIECES_MAX = 64  # of one run of lines that are tried for themselves
_STRETCH_BYTES = 32_768  # what comes out of it fits the processor's second cache


def is_pure_base64(octets: bytes) -> bool:
    """Say whether nobody could differ: base64's signs, and padding at the end alone."""
    end = octets.rstrip(b"= \t\r\n")
    return not end.translate(None, _SIGNS + _BLANKS)


def is_read_alike(lines: bytes) -> bool:
    """Say whether it is one to read lines of base64's signs as one stretch or line by line."""
    first = lines.lstrip().partition(b"\n")[0].rstrip()
    return len(first) % 4 == 0 and b"=" not in lines.rstrip(b"= \t\r\n")


def from_base64(octets: bytes) -> bytes:
    """Return what base64 stands for up to its end; what is no sign of it is skipped."""
    try:
        return _base64(octets)
    except binascii.Error:  # signs are missing at the end: as if they were there
        signs = octets.partition(b"=")[0].translate(None, _NO_SIGNS)
        return _whole_quanta(signs)


def base64_stretches(octets: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Yield what ``from_base64`` returns of a part of the octets, in stretches and without a copy.

    Args:
        octets: of which a part is base64.
        start, stop: of that part.
    """
    view = memoryview(octets)
    while stop - start > _STRETCH_BYTES:
        end = octets.rfind(b"\n", start, start + _STRETCH_BYTES) + 1
        if not end or octets.find(b"=", start, end) >= 0:
            break
        try:
            stretch = pybase64.b64decode(view[start:end])
        except binascii.Error:  # a quantum goes on in the next line
            break
        yield stretch
        start = end
    yield from_base64(octets[start:stop])


def base64_readings(octets: bytes) -> Iterator[bytes]:
    """Yield what base64 may stand for.

    Programs differ about padding inside: it is the end, or one piece of several, or no sign at all.
    """
    yield from_base64(octets)
    if is_pure_base64(octets):
        return
    signs = octets.translate(None, _NO_SIGNS_BUT_PADDING)
    pieces = [piece for piece in signs.split(b"=") if piece]
    if len(pieces) > 1:
        yield b"".join(map(_whole_quanta, pieces))
    yield _whole_quanta(b"".join(pieces))


def base64_runs(lines: bytes) -> Iterator[bytes]:
    """Yield what lines of base64's signs alone may stand for.

    They may be several files, or a word before one: a piece is what an encoder writes, lines of one
    length and a shorter one.
    """
    yield from base64_readings(lines)
    words = lines.split()
    if len(words) * LINE_BYTES_MIN > len(lines):
        return  # no encoder writes such short lines
    pieces = list(_pieces(words))
    if 1 < len(pieces) <= PIECES_MAX:
        for piece in pieces:
            if len(piece) >= ENCODED_BYTES_MIN:
                yield from base64_readings(piece)


def from_quoted_printable(octets: bytes) -> bytes:
    """Return what quoted-printable stands for."""
    return binascii.a2b_qp(octets)


def kindly_from_quoted_printable(octets: bytes) -> bytes:
    """Return the same, blanks between a line that goes on and its end put aside (rule 3)."""
    return binascii.a2b_qp(_LATE_BREAK.sub(rb"=\1", octets))


def from_uuencode(lines: bytes) -> bytes:
    """Return what uuencoded lines stand for, up to the first that is none."""
    found: list[bytes] = []
    for line in lines.splitlines():
        stripped = line.rstrip(b" \t")
        if not stripped or stripped == b"end":
            break
        try:
            found.append(binascii.a2b_uu(line))
        except binascii.Error:
            octets = ((line[0] - 32) & 63) * 4 + 5
            try:  # some programs write more than the line says
                found.append(binascii.a2b_uu(line[: octets // 3]))
            except binascii.Error:
                break
    return b"".join(found)


def from_xxencode(lines: bytes) -> bytes:
    """Return what xxencoded lines stand for; empty when the first one is none."""
    first = lines.partition(b"\n")[0].strip()
    if not first or first.translate(None, _XX_SIGNS):
        return b""
    octets = _XX_SIGNS.index(first[:1])
    if not 0 <= len(first) - 1 - (octets + 2) // 3 * 4 <= 1:  # some programs add a sum
        return b""
    return from_uuencode(lines.translate(_XX_TO_UU))


def _base64(octets: bytes) -> bytes:
    """Return what ``binascii.a2b_base64`` does.

    The library is seven times quicker, and reads on where padding stands inside.
    """
    padding = octets.find(b"=")
    if padding >= 0 and octets[padding:].strip(_PADDING_AND_LINE_ENDS):
        return binascii.a2b_base64(octets)
    return pybase64.b64decode(octets)


def _whole_quanta(signs: bytes) -> bytes:
    rest = len(signs) % 4
    if rest == 1:
        signs = signs[:-1]
    elif rest:
        signs += b"=" * (4 - rest)
    return binascii.a2b_base64(signs)


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the lines of each piece, joined."""
    number, longest = 0, 0
    numbered: list[tuple[int, bytes]] = []
    for line in lines:
        if numbered and (len(line) > longest or numbered[-1][1][-1:] == b"="):
            number += 1
            longest = 0
        numbered.append((number, line))
        if len(line) < longest:
            number += 1
            longest = 0
        else:
            longest = len(line)
    for _, piece in groupby(numbered, key=lambda item: item[0]):
        yield b"".join(line for _, line in piece)
