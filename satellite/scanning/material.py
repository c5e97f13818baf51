"""May there be something encoded in a text?

Pure, and much cheaper than looking for it: what people write has none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(rb"\n[A-Za-z0-9+/=]{4,}+[ \t]*+\r?(?:\n|\Z)")  # much cheaper than the next
# One long line, or some short ones, of base64's signs.
_LINES = re.compile(
    rb"\n(?:[A-Za-z0-9+/=]{20,}+[ \t]*+\r?(?:\n|\Z)"
    rb"|[A-Za-z0-9+/=]{4,}+[ \t]*+\r?(?:\n[A-Za-z0-9+/=]{4,}+[ \t]*+\r?){4}(?=\n))"
)
_BEGINS = rb"begin[- \t]|=ybegin |\(This file must be|-----BEGIN PGP"
_BEGINNING = re.compile(rb"\n(?:%b)" % _BEGINS)
# Either of them, in one pass: what most mail has none of.
_EITHER = re.compile(rb"\n(?:[A-Za-z0-9+/=]{4,}+[ \t]*+\r?(?:\n|\Z)|%b)" % _BEGINS)

LOOKED_MAX = 50  # places that are looked at one by one, which is dearer than all at once
LITERAL_BYTES_MIN = 64  # of one in a page or a script; a shorter one holds no file
# How the pieces of a literal are put together: by a sign of some language, by a break of a line.
BETWEEN_PIECES = rb"[\"'`]\s*+[+,.&]?\s*+(?:_\s++)?[\"'`]|(?:\\?\s|\\[nrt])++"
# A literal of base64's signs, in quotes, perhaps in pieces, or behind its own word.
_LITERAL = re.compile(
    rb"(?:[\"'`]|&(?:quot|apos|#34|#39);|;[Bb][Aa][Ss][Ee]64,\s*+)"
    rb"((?:[A-Za-z0-9+/=_%%-]{4,}+(?:%b)?+)++)" % BETWEEN_PIECES
)


def literals(text: bytes) -> Iterator[bytes]:
    """Yield the long literals of a page or a script, as they are written."""
    for found in _LITERAL.finditer(text):
        if len(found[1]) >= LITERAL_BYTES_MIN:
            yield found[1]


def has_encoded_lines(text: bytes) -> bool:
    """Say whether a line, or a few in a row, are of base64's signs alone."""
    text = b"\n" + text
    return _LINE.search(text) is not None and _LINES.search(text) is not None


def has_material(text: bytes) -> bool:
    """Say whether there are such lines, or there is how something encoded begins."""
    if _EITHER.search(b"\n" + text) is not None and (
        has_encoded_lines(text) or _BEGINNING.search(b"\n" + text) is not None
    ):
        return True
    return names_base64(text)


def names_base64(text: bytes) -> bool:
    """Say whether a text has the word, in any case."""
    place = text.find(b"6")  # digits have no case, and are rare; one octet is found at once
    for _ in range(LOOKED_MAX):
        if place < 0:
            return False
        if place >= 4 and text[place - 4 : place + 2].lower() == b"base64":
            return True
        place = text.find(b"6", place + 1)
    return b"base64" in text.lower()
