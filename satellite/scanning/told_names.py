"""Which file names do the fields of a message tell, in whatever form?

Pure, and linear in its input. Names as programs make them of the fields: pieces put together, per
cent signs and encoded words decoded. Where programs differ about a name, each of its readings ends
alike, which is what is asked for.

Source: RFC 2045 section 5.1; RFC 2183 section 2.3; RFC 2231 sections 3 and 4; RFC 2047 (in names,
where it forbids itself and everybody writes it); POSIX uuencode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from satellite.headers.encoded_words import decoded_text

FIELD_BYTES_MAX = 4_096  # as the readers of parts have it

_FIELD = re.compile(
    rb"(?:^|\n)content-(?:type|disposition)[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.I
)
_PARAMETER = re.compile(
    rb"(?:file)?name(\*[0-9]{0,3})?(\*)?\s*+=\s*+(\"(?:[^\"\\]|\\.)*+|[^\s;]++)", re.I | re.S
)
_BEGIN = re.compile(rb"\nbegin[- \t]+(?:base64[ \t]+)?[0-7]{3,4}[ \t]+([^\r\n]{1,1024})", re.I)
_PAIR = re.compile(rb"\\(.)", re.S)
_FOLD = re.compile(rb"\r?\n[ \t]?")


def told_names(message: bytes) -> Iterator[str]:
    """Yield the names of files that a message speaks of, as they are told."""
    for field in _FIELD.finditer(message):
        yield from _names_in(field[1][:FIELD_BYTES_MAX])
    for found in _BEGIN.finditer(message):
        yield found[1].decode("utf-8", "replace")


def _names_in(value: bytes) -> Iterator[str]:
    """Yield the names in a field; the pieces of one are put together as they stand."""
    pieces: list[bytes] = []
    for found in _PARAMETER.finditer(value):
        number, star, said = found.groups()
        is_piece = number is not None and len(number) > 1
        if pieces and not (is_piece and int(number[1:])):
            yield from _readings(b"".join(pieces))
            pieces.clear()
        piece = _PAIR.sub(rb"\1", _FOLD.sub(b"", said.strip(b'"')))
        pieces.append(unquote_to_bytes(piece) if star or number == b"*" else piece)
    if pieces:
        yield from _readings(b"".join(pieces))


def _readings(name: bytes) -> Iterator[str]:
    plain = name.decode("utf-8", "replace")
    yield plain
    if b"=?" in name:
        yield decoded_text(name)
