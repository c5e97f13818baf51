"""Which files does a page, a picture or a script have written into itself?

Pure, and linear in its input. A browser that is shown a page follows links that are the file
(``data:``), and runs scripts that make one of a long literal. Both may be written with references
(``&#54;``), with escapes (``\\x36``), in pieces, as numbers, or with breaks that a URL is read
without. What a script computes nobody knows but who runs it.

Source: RFC 2397; WHATWG URL section 4.4 and Fetch section 6 (``data:``); HTML section 13.5
(references); ECMA-262 section 12.9.4 (escapes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from urllib.parse import unquote_to_bytes

from satellite.scanning.decoding import base64_readings
from satellite.scanning.limits import LimitExceeded
from satellite.scanning.material import BETWEEN_PIECES, LITERAL_BYTES_MIN, literals

LOOK_BYTES = 1024  # what has a NUL in them is no text
FILES_MAX = 3000  # of one content: none that is mailed has as many pictures
PAGES_MAX = 5  # in each other, as attributes
NUMBERS_MIN = 64  # in a row

_BREAKS = b"\t\r\n"  # a URL is read without them
_LOWER = bytes(range(256)).lower()
_URL_SIGNS = bytes.maketrans(b"-_", b"+/")
_USUAL_LINK = b";base64,"  # is looked for as a literal
_LINK = re.compile(
    rb"data:((?:(?!data:)[^,\"'<>]){0,256}+),([^\"'<>`]{%d,}+)" % LITERAL_BYTES_MIN, re.I
)
_BETWEEN_PIECES = re.compile(BETWEEN_PIECES)
_DIGITS = re.compile(rb"(?:[0-9A-Fa-f]{2})++")
_NUMBER = rb"\s*+(?:0[xX][0-9A-Fa-f]{1,2}|[0-9]{1,3})\s*+"
_NUMBERS = re.compile(rb"[\[(]((?:%b,){%d,}+%b)" % (_NUMBER, NUMBERS_MIN - 1, _NUMBER))

_NAMED = {
    b"colon": b":", b"semi": b";", b"comma": b",", b"equals": b"=", b"sol": b"/", b"plus": b"+",
    b"percnt": b"%", b"lpar": b"(", b"rpar": b")", b"Tab": b"", b"NewLine": b"",
}  # fmt: skip
_QUOTES = {b"quot": b'"', b"apos": b"'", b"amp": b"&", b"lt": b"<", b"gt": b">"}
_SIGNS = _NAMED | _QUOTES
# References to signs of ASCII; of other signs there is none in a link.
_REFERENCE = re.compile(
    rb"&(?:#0{0,9}+([0-9]{1,3})(?![0-9])|#[xX]0{0,9}+([0-7]?[0-9A-Fa-f])(?![0-9A-Fa-f])|(%b));?"
    % b"|".join(_SIGNS)
)
# What honest texts hardly ever have: their references are to quotes and to letters beyond ASCII.
_HIDING = re.compile(
    rb"&(?:#(?:0{0,9}+(?!3[2489]\b|6[02]\b)(?:[0-9]{1,2}|1[01][0-9]|12[0-7])(?![0-9])"
    rb"|[xX]0{0,9}+(?!2[0267]\b|3[CEce]\b)[0-7]?[0-9A-Fa-f](?![0-9A-Fa-f]))|lt;[!A-Za-z]|%b)"
    % b"|".join(_NAMED)
)
# To another character set and back, where a browser is told of ISO-2022-JP: it shows nothing.
_SHIFT = re.compile(rb"\x1b(?:\([BIJ]|\$[@B])")
_ESCAPE = re.compile(rb"\\(?:x|u00|u\{0{0,4}+)([0-7][0-9A-Fa-f])\}?")


def may_hold_file(text: bytes) -> bool:
    """Say whether a text, which does not speak of base64, may be a page that holds a file."""
    if b"<" not in text and b"(" not in text:
        return False
    may_hold = _links(lower := text.lower()) or _calls(text, lower) or _is_hiding(text)
    return may_hold and next(files(text), None) is not None


def files(content: bytes) -> Iterator[bytes]:
    """Yield what the long literals and links of a page or a script stand for.

    Raises:
        LimitExceeded: there are too many, or pages in each other.
    """
    if b"\0" in content[:LOOK_BYTES] or (b"<" not in content and b"(" not in content):
        return
    found = chain.from_iterable(map(_written_in, _readings(content)))
    for count, octets in enumerate(found):
        if count >= FILES_MAX:
            raise LimitExceeded("too many literals in a text")
        yield octets


def _readings(text: bytes) -> Iterator[bytes]:
    """Yield a text as it stands and, where it hides some, with each sign as itself."""
    for _ in range(PAGES_MAX):
        yield text
        if not _is_hiding(text):
            return
        text = _SHIFT.sub(b"", _ESCAPE.sub(_escaped, _REFERENCE.sub(_referred, text)))
    raise LimitExceeded("pages in pages nested too deeply")


def _links(lower: bytes) -> bool:
    return b"data:" in lower


def _calls(text: bytes, lower: bytes) -> bool:
    """Say whether it may have a script; a word is a pass over the text, one sign is nearly none."""
    return b"(" in text and (b"script" in lower or b"atob" in lower)


def _is_hiding(text: bytes) -> bool:
    return (
        (b"&" in text and _HIDING.search(text) is not None)
        or (b"\\" in text and _ESCAPE.search(text) is not None)
        or (b"\x1b" in text and _SHIFT.search(text) is not None)
    )


def _referred(found: re.Match[bytes]) -> bytes:
    number, digits, name = found.groups()
    if name:
        return _SIGNS[name]
    sign = int(number) if number else int(digits, 16)
    return bytes([sign]) if sign < 0x80 else found[0]


def _escaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])


def _written_in(text: bytes) -> Iterator[bytes]:
    flat = text.translate(_LOWER, _BREAKS)
    has_link, has_call = _links(flat), _calls(text, flat)
    if has_link or has_call:
        for written in literals(text):
            signs = _BETWEEN_PIECES.sub(b"", written)
            if len(signs) >= LITERAL_BYTES_MIN:
                yield from _meant(signs)
    if has_link:
        is_broken = flat.count(_USUAL_LINK) > text.lower().count(_USUAL_LINK)
        yield from _linked(text.translate(None, _BREAKS), is_broken=is_broken)
    if has_call or (b"[" in text and b"array" in flat):
        for found in _NUMBERS.finditer(text):
            numbers = found[1].translate(None, b" \t\r\n\f\v").split(b",")
            octets = [int(number, 16 if b"x" in number.lower() else 10) for number in numbers]
            if max(octets) < 0x100:
                yield bytes(octets)


def _meant(signs: bytes) -> Iterator[bytes]:
    """Yield what a literal may stand for: base64, hexadecimal digits, signs of a URL."""
    if b"%" in signs:
        signs = unquote_to_bytes(signs)
        yield signs
    elif _DIGITS.fullmatch(signs):
        yield bytes.fromhex(signs.decode("ascii"))
    yield from base64_readings(signs.translate(_URL_SIGNS))


def _linked(flat: bytes, *, is_broken: bool) -> Iterator[bytes]:
    """Yield what links stand for; those as everybody writes them only where breaks hide them."""
    for found in _LINK.finditer(flat):
        said = found[1].lower()
        octets = unquote_to_bytes(found[2].partition(b"#")[0])
        if not said.rstrip(b" ").endswith(b"base64"):
            yield octets
        elif is_broken or not said.endswith(_USUAL_LINK[:-1]):
            yield from base64_readings(octets.translate(_URL_SIGNS))
