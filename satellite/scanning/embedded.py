"""What do programs take out of a text or a document that is no part, no archive and no encoding?

Pure, and linear in its input. A text may be written in a character set that no rule reads; a
calendar has what is attached to its events in base64, a notebook its files as they are.

Source: RFC 2152 (UTF-7), RFC 2781 (UTF-16), RFC 5545 section 3.8.1.1 and RFC 2426 section 3.1.4
(iCalendar and vCard), [MS-ONESTORE] section 2.6.13, ECMA-376 (Flat OPC).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from satellite.scanning.decoding import base64_readings
from satellite.scanning.limits import MEBIBYTE, LimitExceeded

LOOK_BYTES = 1024  # what has a NUL in them is no text
TEXT_BYTES_MAX = 32 * MEBIBYTE  # held three times

_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"))
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_WORDS_LOOKED_AT = 32  # of a text in UTF-16 without a mark
# What may be a character or more in UTF-7; a number after a plus is how a telephone is called.
_SHIFTED = re.compile(rb"\+(?![0-9]+[^A-Za-z0-9+/])[A-Za-z0-9+/]{3}")
# With a quoted pair, a percent sign or an equals sign in it, and its older names.
_UTF7 = re.compile(rb"(?:utf|unicode-?1-?1-?utf|unicode-?2-?0-?utf)[^0-9A-Za-z]{0,3}(?:2d)?7", re.I)
_FOLD = re.compile(rb"\r?\n[ \t]")
_IN_CALENDAR = re.compile(
    rb"^[^\r\n:]{0,256};[ \t]*ENCODING=\"?B(?:ASE64)?\b[^\r\n:]{0,256}:[ \t]*"
    rb"([A-Za-z0-9+/=]{40,}+)",
    re.I | re.M,
)
_ONE_NOTE_FILE = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
_BINARY_DATA = re.compile(
    rb"<(?:\w{1,20}:)?bin(?:ary)?Data\b[^>]{0,256}>([A-Za-z0-9+/=\s]{40,}+)", re.I
)


def in_utf8(content: bytes) -> bytes | None:
    """Return a text in UTF-16 or UTF-32 as UTF-8; None: it is no such text.

    Raises:
        LimitExceeded: it is too long.
    """
    charset = _wide_charset(content)
    if charset is None:
        return None
    if len(content) > TEXT_BYTES_MAX:
        raise LimitExceeded("a text in another character set is too long")
    return _as_utf8(content, charset)


def from_utf7(content: bytes) -> bytes | None:
    """Return a text as UTF-8 whose sender says UTF-7; None: that makes no difference."""
    if b"\0" in content[:LOOK_BYTES] or not _SHIFTED.search(content):
        return None
    return _as_utf8(content, "utf-7")


def says_utf7(message: bytes) -> bool:
    """Say whether a message names that character set, however its name is written."""
    return _UTF7.search(message) is not None


def files_of_calendar(content: bytes) -> Iterator[bytes]:
    """Yield what is attached to events and to the cards of people."""
    unfolded = _FOLD.sub(b"", content)
    for found in _IN_CALENDAR.finditer(unfolded):
        yield from base64_readings(found[1])


def files_of_one_note(content: bytes) -> Iterator[bytes]:
    """Yield the files in a notebook: each stands behind a mark and its length, as it is."""
    place = content.find(_ONE_NOTE_FILE)
    while place >= 0:
        start = place + len(_ONE_NOTE_FILE) + 20
        size = int.from_bytes(content[start - 20 : start - 12], "little")
        yield content[start : start + size]
        place = content.find(_ONE_NOTE_FILE, start)


def files_of_xml(content: bytes) -> Iterator[bytes]:
    """Yield the parts of an Office document that was saved as one XML file."""
    for found in _BINARY_DATA.finditer(content):
        yield from base64_readings(found[1])


def _wide_charset(content: bytes) -> str | None:
    for mark, charset in _MARKS:
        if content.startswith(mark):
            return charset
    if content.startswith(_WIDE_MARKS):
        return "utf-16"
    head = content[: 2 * _WORDS_LOOKED_AT]
    if len(head) < 8 or b"\0" not in head:
        return None
    high, low = head[1::2], head[::2]
    if not any(high) and all(low):
        return "utf-16-le"
    return "utf-16-be" if not any(low) and all(high) else None


def _as_utf8(content: bytes, charset: str) -> bytes | None:
    text = content.decode(charset, "ignore")
    octets = text.encode("utf-8", "ignore")
    return octets if octets and octets != content else None
