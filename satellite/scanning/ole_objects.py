"""Which file lies in an object that was put into a document, as the first version of OLE has it?

Pure. A document names a program and holds its octets; the program "Package" stands for any file at
all, which is opened by a double click.

Source: [MS-OLEDS] sections 2.2.4 to 2.2.6 (objects) and 2.3.6 (the stream ``\\1Ole10Native``); the
layout of a package is nowhere written down, and is as Windows writes it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

HEADER_BYTES_MAX = 8192  # of an object; further in its file begins nowhere
NATIVE_STREAM = "\x01Ole10Native"
_EMBEDDED = 2
_OBJECT = re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|PK\x03\x04|\{\\rt|%PDF-|Rar!\x1a\x07|MZ")


def files_of_object(octets: bytes) -> Iterator[bytes]:
    """Yield what may be the file in an object with its header."""
    try:
        native = _native(octets)
    except struct.error:
        native = b""
    if native:
        yield native
        yield from files_of_package(native)
    if (found := _OBJECT.search(octets, 0, HEADER_BYTES_MAX)) and found.start():
        yield octets[found.start() :]


def files_of_package(octets: bytes) -> Iterator[bytes]:
    """Yield what may be the file in a package, which begins with a number."""
    try:
        file = _packaged(octets)
    except struct.error:
        return
    if file:
        yield file


def files_of_native_stream(octets: bytes) -> Iterator[bytes]:
    """Yield what may be the file in the stream of that name, which says its length first."""
    yield from files_of_package(octets[4:])
    if (found := _OBJECT.search(octets, 0, HEADER_BYTES_MAX)) and found.start():
        yield octets[found.start() :]


def _native(octets: bytes) -> bytes:
    _, kind, size = struct.unpack_from("<III", octets)
    if kind != _EMBEDDED:
        return b""
    place = 12 + size  # the name of the program
    for _ in range(2):  # topic and item
        (size,) = struct.unpack_from("<I", octets, place)
        place += 4 + size
    (size,) = struct.unpack_from("<I", octets, place)
    return octets[place + 4 : place + 4 + size]


def _packaged(octets: bytes) -> bytes:
    place = 2
    for _ in range(2):  # what it is called, and where it was
        place = octets.find(b"\0", place) + 1
        if not place:
            return b""
    (size,) = struct.unpack_from("<4xI", octets, place)
    place += 8 + size  # where it is put before it is opened
    (size,) = struct.unpack_from("<I", octets, place)
    return octets[place + 4 : place + 4 + size]
