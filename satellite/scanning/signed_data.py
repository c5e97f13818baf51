"""Which message lies inside an S/MIME signature, and what of S/MIME can nobody read?

Pure, and linear in its input. An opaque signature holds the message that it signs; programs show
that message, so it is read. What is encrypted needs a key that we do not have.

Source: RFC 5652 sections 3 and 5 (ContentInfo, SignedData); RFC 3274; RFC 5544 section 2; X.690
section 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from satellite.scanning.limits import LimitExceeded

DEPTH_MAX = 16  # of one element in the other
_PKCS7 = bytes.fromhex("2a864886f70d0107")  # 1.2.840.113549.1.7.x
_CT = bytes.fromhex("2a864886f70d01091001")  # 1.2.840.113549.1.9.16.1.x

_SEQUENCE, _IDENTIFIER, _OCTETS, _EXPLICIT = 0x30, 0x06, 0x04, 0xA0
_CONSTRUCTED = 0x20


class CmsKind(Enum):
    """What a cryptographic message is."""

    SIGNED = "signed"
    STAMPED = "stamped with a time"
    COMPRESSED = "compressed"
    ENCRYPTED = "encrypted"
    OTHER = "another"


_KINDS = {
    _PKCS7 + b"\x02": CmsKind.SIGNED,
    _PKCS7 + b"\x03": CmsKind.ENCRYPTED,  # enveloped
    _PKCS7 + b"\x04": CmsKind.ENCRYPTED,  # signed and enveloped
    _PKCS7 + b"\x06": CmsKind.ENCRYPTED,
    _CT + b"\x09": CmsKind.COMPRESSED,
    _CT + b"\x17": CmsKind.ENCRYPTED,  # enveloped and authenticated
    _CT + b"\x1f": CmsKind.STAMPED,
}


def kind_of_cms(octets: bytes) -> CmsKind | None:
    """Return what kind of cryptographic message this is, None for anything else."""
    if octets[:1] != b"\x30" or len(octets) < 12:
        return None
    # A length may be written in many ways; what is inside may be cut off, and still has its kind.
    start = 2 + (octets[1] & 0x7F if octets[1] > 0x80 else 0)
    if octets[start : start + 1] != bytes([_IDENTIFIER]):
        return None
    try:
        _, end, begin = _element(octets, start)
    except (IndexError, ValueError):
        return None
    kind = octets[begin:end]
    is_ours = len(kind) == len(_PKCS7) + 1 and kind.startswith(_PKCS7)
    is_ours = is_ours or (len(kind) == len(_CT) + 1 and kind.startswith(_CT))
    return _KINDS.get(kind, CmsKind.OTHER) if is_ours else None


def held_content(octets: bytes, kind: CmsKind) -> bytes:
    """Return what a signature or a time stamp holds; empty when it is of something outside of it.

    Raises:
        LimitExceeded: it is damaged.
    """
    try:
        return _signed_content(octets) if kind is CmsKind.SIGNED else _stamped_content(octets)
    except (IndexError, ValueError, StopIteration):  # the last one: an element is empty
        raise LimitExceeded("a damaged S/MIME signature") from None


def _parts(octets: bytes) -> list[tuple[int, int]]:
    """Return where the parts of a message are, whatever its kind."""
    outer = _only(octets, _SEQUENCE, *_element(octets, 0)[:2])
    _, explicit = _two(octets, *outer)
    held = next(_elements(octets, *_only(octets, _EXPLICIT, *explicit)))
    return list(_elements(octets, *_only(octets, _SEQUENCE, *held)))


def _stamped_content(octets: bytes) -> bytes:
    found = (part for part in _parts(octets) if octets[part[0]] & ~_CONSTRUCTED == _OCTETS)
    held = next(found, None)
    return b"" if held is None else b"".join(_octets(octets, held, 0))


def _signed_content(octets: bytes) -> bytes:
    parts = _parts(octets)
    # Version, digest algorithms, then what is signed: its type and its octets.
    inner = list(_elements(octets, *_only(octets, _SEQUENCE, *parts[2])))
    if len(inner) < 2:
        return b""
    held = next(_elements(octets, *_only(octets, _EXPLICIT, *inner[1])))
    return b"".join(_octets(octets, held, 0))


def _octets(octets: bytes, element: tuple[int, int], depth: int) -> Iterator[bytes]:
    """Yield the pieces of an octet string, which may be one of several."""
    place, _ = element
    if depth > DEPTH_MAX:
        raise ValueError("too deep")
    tag = octets[place]
    if tag == _OCTETS:
        _, end, start = _element(octets, place)
        yield octets[start:end]
    elif tag == _OCTETS | _CONSTRUCTED:
        for piece in _elements(octets, *_inside(octets, place)):
            yield from _octets(octets, piece, depth + 1)
    else:
        raise ValueError("no octet string")


def _two(octets: bytes, start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    found = _elements(octets, start, end)
    return next(found), next(found)


def _only(octets: bytes, tag: int, place: int, _: int) -> tuple[int, int]:
    """Return where the content of an element begins and ends, which must be of a kind."""
    if octets[place] != tag:
        raise ValueError("another element")
    return _inside(octets, place)


def _inside(octets: bytes, place: int) -> tuple[int, int]:
    _, end, start = _element(octets, place)
    is_open = octets[place + 1] == 0x80
    return start, end - 2 if is_open else end


def _elements(octets: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where each element between two places begins and ends."""
    place = start
    while place < end:
        _, stop, _ = _element(octets, place)
        yield place, stop
        place = stop


def _element(octets: bytes, place: int, depth: int = 0) -> tuple[int, int, int]:
    """Return where an element begins, where it ends, and where its content begins."""
    if octets[place] & 0x1F == 0x1F or depth > DEPTH_MAX:
        raise ValueError("not read")
    length = octets[place + 1]
    start = place + 2
    if length == 0x80:
        return place, _end_of_open(octets, start, depth), start
    if length > 0x80:
        count = length & 0x7F
        length = int.from_bytes(octets[start : start + count], "big")
        start += count
    if start + length > len(octets):
        raise ValueError("cut off")
    return place, start + length, start


def _end_of_open(octets: bytes, place: int, depth: int) -> int:
    """Return where an element of open length ends: behind two zero octets."""
    while octets[place : place + 2] != b"\0\0":
        _, place, _ = _element(octets, place, depth + 1)
    return place + 2
