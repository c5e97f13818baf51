"""A winmail.dat as Outlook sends it, with files or another message attached.

Pure. Source: [MS-OXTNEF] sections 2.1.3 and 2.1.3.4.
"""

from __future__ import annotations

import struct

_MESSAGE, _FILE = 1, 2
_PROPERTIES_OF_MESSAGE, _PROPERTIES_OF_FILE = 0x00069003, 0x00069005
_RECIPIENTS = 0x00069004  # rows, each with its list
_RENDERING, _TITLE, _DATA = 0x00069002, 0x00018010, 0x0006800F
_STORAGE = bytes.fromhex("0703020000000000C000000000000046")  # the interface of an attached message


def winmail(*files: bytes, message: bytes = b"") -> bytes:
    """Return one with a text, and with files; and a message, which is a winmail.dat itself."""
    text = b"\x50\0\0\0\x40\0\0\0LZFu" + bytes(80)
    about = _properties(
        _property(0x0003, 0x0017, struct.pack("<I", 1)),  # importance
        _property(0x0040, 0x0039, bytes(8)),  # sent at
        _named(0x001F, 0x8001, "Company", _long("A company\0".encode("utf-16-le"))),
        _named(0x000B, 0x8002, 34054, b"\1\0\0\0"),
        _property(0x1003, 0x3000, struct.pack("<III", 2, 7, 8)),  # two numbers
        _property(0x0102, 0x1009, _long(text)),
    )
    written = struct.pack("<IH", 0x223E9F78, 1)
    written += _attribute(_MESSAGE, 0x00089006, struct.pack("<I", 0x10000))
    written += _attribute(_MESSAGE, _PROPERTIES_OF_MESSAGE, about)
    person = _property(0x001F, 0x3001, _long("Bo Lind\0".encode("utf-16-le")))
    rows = _properties(person, _property(0x0003, 0x0C15, struct.pack("<I", 1))) * 2
    written += _attribute(_MESSAGE, _RECIPIENTS, struct.pack("<I", 2) + rows)
    for number, content in enumerate(files):
        written += _attribute(_FILE, _RENDERING, bytes(14))
        written += _attribute(_FILE, _TITLE, b"file%d.bin\0" % number)
        written += _attribute(_FILE, _DATA, content)
        name = _property(0x001F, 0x3707, _long("file.bin\0".encode("utf-16-le")))
        written += _attribute(_FILE, _PROPERTIES_OF_FILE, _properties(name))
    if message:
        held = _property(0x000D, 0x3701, _long(_STORAGE + message))
        written += _attribute(_FILE, _RENDERING, bytes(14))
        written += _attribute(_FILE, _PROPERTIES_OF_FILE, _properties(held))
    return written


def _attribute(level: int, number: int, value: bytes) -> bytes:
    total = struct.pack("<H", sum(value) & 0xFFFF)
    return struct.pack("<BII", level, number, len(value)) + value + total


def _properties(*properties: bytes) -> bytes:
    return struct.pack("<I", len(properties)) + b"".join(properties)


def _property(kind: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, number) + value


def _named(kind: int, number: int, name: str | int, value: bytes) -> bytes:
    if isinstance(name, int):
        called = struct.pack("<II", 0, name)
    else:
        octets = f"{name}\0".encode("utf-16-le")
        called = struct.pack("<II", 1, len(octets)) + _padded(octets)
    return struct.pack("<HH", kind, number) + bytes(16) + called + value


def _long(value: bytes) -> bytes:
    return struct.pack("<II", 1, len(value)) + _padded(value)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
