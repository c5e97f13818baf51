"""What is a message, a record or a release called?

Pure: time and randomness come in as arguments.

Source: the ULID specification: 48 bits of milliseconds, 80 bits of randomness, Crockford base 32.
"""

from __future__ import annotations

import re
from typing import NewType

MessageId = NewType("MessageId", str)
ReleaseId = NewType("ReleaseId", str)
Incarnation = NewType("Incarnation", str)

ULID_RANDOM_BYTES = 10

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)  # two digits at a time
_SHIFTS = range(120, -10, -10)
_SHAPE = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def ulid(*, now_us: int, randomness: bytes) -> str:
    """Return a ULID of 26 characters; later ones sort after earlier ones.

    Args:
        now_us: microseconds since the epoch, UTC.
        randomness: exactly ``ULID_RANDOM_BYTES`` octets.
    """
    assert len(randomness) == ULID_RANDOM_BYTES
    value = ((now_us // 1000) & ((1 << 48) - 1)) << 80 | int.from_bytes(randomness, "big")
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in _SHIFTS])


def ulid_ms(text: str) -> int:
    """Return the milliseconds since the epoch (UTC) at which a ULID was made."""
    value = 0
    for character in text[:10]:
        value = value << 5 | _ALPHABET.index(character)
    return value


def is_ulid(text: str) -> bool:
    """Say whether ``text`` has the shape of a ULID; anything else must not name a file or a row."""
    return _SHAPE.fullmatch(text) is not None
