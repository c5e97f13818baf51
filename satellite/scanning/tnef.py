"""Which files lie in a winmail.dat, the form in which Outlook sends what others send as MIME parts?

Pure, and linear in its input. Each attribute that is long enough to be a file is one: an attached
file, a text, or a list of MAPI properties, in which each long value is one in turn. A message that
is attached is a winmail.dat inside such a value. Sums are not looked at: Outlook opens the file
whatever they are.

Source: [MS-OXTNEF] sections 2.1.3 (structure) and 2.1.3.4 (lists of properties); [MS-OXCDATA] 2.11.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from satellite.scanning.limits import LimitExceeded

SIGNATURE = b"\x78\x9f\x3e\x22"
VALUE_BYTES_MIN = 64  # a shorter one holds a number or a name
_ATTRIBUTE = struct.Struct("<BII")  # level, which one, octets
_SUM_BYTES = 2
_LISTS = frozenset({0x00069003, 0x00069005})  # of the message and of a file
_NAMED = 0x8000  # and above: the property has a name of its own
_SEVERAL = 0x1000
_OBJECT = 0x000D
_OBJECT_ID_BYTES = 16  # the interface's, before an attached message
# The octets of values of one length, as they are padded; the others say theirs.
_LENGTHS = {1: 4, 2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_OF_ANY_LENGTH = frozenset({_OBJECT, 0x001E, 0x001F, 0x0102})


def files(content: bytes) -> Iterator[bytes]:
    """Yield what may be a file.

    Raises:
        LimitExceeded: it is damaged.
    """
    if not content.startswith(SIGNATURE):
        return
    place = len(SIGNATURE) + 2  # the key means nothing
    while place < len(content):
        if place + _ATTRIBUTE.size > len(content):
            raise LimitExceeded("a damaged winmail.dat")
        _, kind, size = _ATTRIBUTE.unpack_from(content, place)
        start = place + _ATTRIBUTE.size
        value = content[start : start + size]
        if kind in _LISTS:
            yield from _properties(value)
        elif size >= VALUE_BYTES_MIN:
            yield value
        if len(value) < size:
            raise LimitExceeded("a damaged winmail.dat")
        place = start + size + _SUM_BYTES


def _properties(octets: bytes) -> Iterator[bytes]:
    """Yield the long values of a list of properties.

    Raises:
        LimitExceeded: it is damaged.
    """
    try:
        yield from _values(octets)
    except struct.error:
        raise LimitExceeded("a damaged winmail.dat") from None


def _values(octets: bytes) -> Iterator[bytes]:
    (count,) = struct.unpack_from("<I", octets)
    place = 4
    for _ in range(count):
        kind, number = struct.unpack_from("<HH", octets, place)
        place = _behind_name(octets, place + 4) if number >= _NAMED else place + 4
        values = 1
        is_long = kind & ~_SEVERAL in _OF_ANY_LENGTH
        if is_long or kind & _SEVERAL:
            (values,) = struct.unpack_from("<I", octets, place)
            place += 4
        if not is_long:
            length = _LENGTHS.get(kind & ~_SEVERAL)
            if length is None:
                raise LimitExceeded("a damaged winmail.dat")
            place += values * length
            continue
        for _ in range(values):
            (size,) = struct.unpack_from("<I", octets, place)
            value = octets[place + 4 : place + 4 + size]
            if len(value) < size:
                raise LimitExceeded("a damaged winmail.dat")
            place += 4 + _padded(size)
            if size >= VALUE_BYTES_MIN:
                yield value[_OBJECT_ID_BYTES:] if kind == _OBJECT else value


def _behind_name(octets: bytes, place: int) -> int:
    """Return where the name of a property ends: its set, its kind, its number or its letters."""
    kind, size = struct.unpack_from("<16xII", octets, place)
    return place + 24 + (_padded(size) if kind else 0)


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4
