"""Does a RAR or 7z archive need a password, as far as its headers tell?

Pure. Their contents are for other engines; the headers say in the clear whether anybody could look
into them, or are themselves encrypted.

Source: RAR 5.0 archive format; technote of RAR 4 (block types, flags); 7zFormat.txt of 7-Zip 24.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterator

from satellite.scanning.content_kind import RAR4_MARK, RAR5_MARK
from satellite.scanning.unfolding import DAMAGE

BLOCKS_MAX = 10_000
HEADER_BYTES_MAX = 4 * 1024 * 1024  # of 7z: some 30 000 names
_AES = b"\x06\xf1\x07\x01"  # the coder 7zAES
_LZMA1 = b"\x03\x01\x01\x05"  # the coder LZMA, with five octets of properties

_RAR4_MAIN, _RAR4_FILE = 0x73, 0x74
_RAR5_FILE, _RAR5_ENCRYPTION = 2, 4


def is_locked_rar(content: bytes, place: int) -> bool:
    """Say whether the RAR archive at ``place``, or a file in it, is encrypted."""
    try:
        if content.startswith(RAR5_MARK, place):
            return any(_rar5_blocks(content, place + len(RAR5_MARK)))
        return any(_rar4_blocks(content, place + len(RAR4_MARK)))
    except (struct.error, IndexError):
        return False  # it ends early


def is_locked_seven_zip(content: bytes, place: int) -> bool:
    """Say whether the 7z archive at ``place``, or its directory, is encrypted."""
    offset, size = struct.unpack_from("<QQ", content, place + 12)
    start = place + 32 + offset
    if size > HEADER_BYTES_MAX or start + size > len(content):
        return False
    header = content[start : start + size]
    if _AES in header or not header.startswith(b"\x17"):
        return _AES in header
    try:
        return _AES in _decoded(header, content[place + 32 : start])
    except (*DAMAGE, IndexError):
        return False


def _rar4_blocks(content: bytes, place: int) -> Iterator[bool]:
    """Yield for each block whether it says that something is encrypted."""
    for _ in range(BLOCKS_MAX):
        if place + 7 > len(content):
            return
        kind, flags, size = struct.unpack_from("<BHH", content, place + 2)
        yield (kind == _RAR4_MAIN and bool(flags & 0x80)) or (
            kind == _RAR4_FILE and bool(flags & 0x04)
        )
        added = struct.unpack_from("<I", content, place + 7)[0] if flags & 0x8000 else 0
        if size < 7:
            return
        place += size + added


def _rar5_blocks(content: bytes, place: int) -> Iterator[bool]:
    """Yield for each block whether it says that something is encrypted."""
    for _ in range(BLOCKS_MAX):
        if place + 7 > len(content):
            return
        size, place = _number(content, place + 4)
        stop = place + size
        kind, at = _number(content, place)
        flags, at = _number(content, at)
        extra_bytes = data_bytes = 0
        if flags & 1:
            extra_bytes, at = _number(content, at)
        if flags & 2:
            data_bytes, at = _number(content, at)
        extra = content[stop - extra_bytes : stop] if 0 < extra_bytes <= size else b""
        yield kind == _RAR5_ENCRYPTION or (kind == _RAR5_FILE and _has_encryption(extra))
        place = stop + data_bytes


def _has_encryption(extra: bytes) -> bool:
    """Say whether the extra records of a RAR 5 file name a key."""
    place = 0
    while place < len(extra):
        size, place = _number(extra, place)
        kind, _ = _number(extra, place)
        if kind == 1:
            return True
        place += max(1, size)
    return False


def _number(octets: bytes, place: int) -> tuple[int, int]:
    """Return RAR 5's number of variable length, and the place behind it."""
    value = shift = 0
    while shift < 70:
        octet = octets[place]
        place += 1
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            break
    return value, place


def _decoded(header: bytes, packed: bytes) -> bytes:
    """Return the directory of a 7z archive, which is nearly always packed with LZMA."""
    start, place = _seven_number(header, 2)  # behind kEncodedHeader and kPackInfo
    _, place = _seven_number(header, place)
    if header[place] != 0x09:
        return b""
    size, _ = _seven_number(header, place + 1)
    coder = header.find(_LZMA1)
    if coder < 0:
        return b""
    described, dictionary = struct.unpack_from("<BI", header, coder + len(_LZMA1))
    if described >= 225:
        return b""
    position, literal = divmod(described, 9)
    chain = {
        "id": lzma.FILTER_LZMA1,
        "lc": literal,
        "lp": position % 5,
        "pb": position // 5,
        "dict_size": max(4096, min(dictionary, HEADER_BYTES_MAX)),
    }
    reader = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=[chain])
    return reader.decompress(packed[start : start + size], HEADER_BYTES_MAX)


def _seven_number(octets: bytes, place: int) -> tuple[int, int]:
    """Return 7z's number of variable length, and the place behind it."""
    first = octets[place]
    place += 1
    value = 0
    mask = 0x80
    for count in range(8):
        if not first & mask:
            return value | (first & (mask - 1)) << 8 * count, place
        value |= octets[place] << 8 * count
        place += 1
        mask >>= 1
    return value, place
