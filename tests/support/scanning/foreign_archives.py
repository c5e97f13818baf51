"""Archives of kinds that no tool here writes, laid out by hand as their formats say.

Pure. Source: technote of RAR 4; RAR 5.0 archive format; 7zFormat.txt of 7-Zip 24.
"""

from __future__ import annotations

import lzma
import struct
import zlib


def rar4(name: bytes, content: bytes, *, locked: bool = False) -> bytes:
    """Return a RAR 4 archive with one stored file."""
    flags = 0x8000 | (0x04 if locked else 0)
    file = struct.pack(
        "<BHHIIBIIBBHI",
        0x74,
        flags,
        32 + len(name),
        len(content),
        len(content),
        3,
        zlib.crc32(content),
        0x5A21_0000,
        29,
        0x30,
        len(name),
        0o644,
    )
    main = struct.pack("<BHH6x", 0x73, 0, 13)
    end = struct.pack("<BHH", 0x7B, 0x4000, 7)
    return (
        b"Rar!\x1a\x07\x00"
        + _with_crc16(main)
        + _with_crc16(file + name)
        + content
        + _with_crc16(end)
    )


def rar5(name: bytes, content: bytes, *, locked: bool = False) -> bytes:
    """Return a RAR 5 archive with one stored file."""
    extra = bytes([2, 1, 0]) if locked else b""
    fields = bytes([2, 3 if locked else 2]) + (bytes([len(extra)]) if locked else b"")
    fields += _vint(len(content)) + _vint(4) + _vint(len(content)) + _vint(0o644)
    fields += struct.pack("<I", zlib.crc32(content)) + _vint(0) + _vint(1)
    file = fields + _vint(len(name)) + name + extra
    return (
        b"Rar!\x1a\x07\x01\x00"
        + _block(bytes([1, 0, 0]))
        + _block(file)
        + content
        + _block(bytes([5, 0, 0]))
    )


def seven_zip(content: bytes, *, locked: bool = False) -> bytes:
    """Return a 7z archive; its directory is packed with LZMA, as 7-Zip does it."""
    coder = b"\x24\x06\xf1\x07\x01\x0a\x53\x07" + bytes(8) if locked else b"\x21\x21\x01\x18"
    directory = b"\x01\x04\x06\x00\x01\x09" + bytes([len(content)]) + b"\x00\x07\x0b\x01\x00\x01"
    directory += coder + b"\x0c\x05\x00\x08\x0a\x01" + bytes(4) + b"\x00\x00" + bytes(64) + b"\x00"
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 4096}]
    packed = lzma.compress(directory, format=lzma.FORMAT_RAW, filters=filters)
    header = b"\x17\x06" + bytes([len(content), 1, 0x09, len(packed), 0])
    header += b"\x07\x0b\x01\x00\x01\x23\x03\x01\x01\x05\x5d" + struct.pack("<I", 4096)
    header += b"\x0c" + bytes([len(directory)]) + b"\x0a\x01"
    header += struct.pack("<I", zlib.crc32(directory)) + b"\x00\x00"
    start = struct.pack("<QQI", len(content) + len(packed), len(header), zlib.crc32(header))
    head = b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start
    return head + content + packed + header


def _with_crc16(block: bytes) -> bytes:
    return struct.pack("<H", zlib.crc32(block) & 0xFFFF) + block


def _block(fields: bytes) -> bytes:
    sized = _vint(len(fields)) + fields
    return struct.pack("<I", zlib.crc32(sized)) + sized


def _vint(value: int) -> bytes:
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])
