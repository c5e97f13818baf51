"""Which digest does a message have, as Pyzor computes it?

Pure. Of the message's lines those are taken that say something, without what differs from copy to
copy: long words, addresses, URLs, blanks. Of many lines three count from a fifth on and three from
three fifths on. Two clients must agree to the octet, so that what stands here is Pyzor's rule and
not a better one.

Source: Pyzor 1.0 and 1.1, *digest* of its documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha1

from satellite.filtering.servers.html_words import html_words
from satellite.filtering.servers.mail_leaves import Leaf, leaves

LINE_LENGTH_MIN = 8  # a shorter one, once it is stripped, says nothing
WHOLE_LINES_MAX = 4  # of so few all count
FROM_PERCENT = (20, 60)
LINES_EACH = 3

_LONG = re.compile(r"\S{10,}")
_ADDRESS = re.compile(r"\S+@\S+")
_URL = re.compile(r"[a-z]+:\S+", re.IGNORECASE)
_BLANK = re.compile(r"\s")
# Others, some of which take a time that is not linear, are read as ASCII.
_CHARSET = re.compile(
    r"(?:us-)?ascii|utf-?(?:7|8|16|16-?[bl]e)|(?:iso-?8859-?|latin-?)[0-9]{1,2}"
    r"|(?:windows-|cp)[0-9]{3,4}|koi8-[ru]|gb2312|gbk|gb18030|big5(?:-?hkscs)?"
    r"|(?:shift_?jis|sjis)|euc-?(?:jp|kr)|iso-2022-(?:jp|kr)|mac-?roman|tis-?620"
)


def pyzor_digest(octets: bytes) -> str | None:
    """Return the digest of a message, 40 hex digits; None where no line of it says anything."""
    lines = [line for leaf in leaves(octets) for line in _lines(_text(leaf))]
    if not lines:
        return None
    made = sha1(usedforsecurity=False)
    for line in _counting(lines):
        made.update(line.rstrip())
    return made.hexdigest()


def _counting(lines: list[bytes]) -> Iterator[bytes]:
    if len(lines) <= WHOLE_LINES_MAX:
        yield from lines
        return
    for percent in FROM_PERCENT:
        begin = percent * len(lines) // 100
        yield from lines[begin : begin + LINES_EACH]


def _lines(text: str) -> Iterator[bytes]:
    for line in text.splitlines():
        bare = _BLANK.sub("", _URL.sub("", _ADDRESS.sub("", _LONG.sub("", line))))
        if len(bare) >= LINE_LENGTH_MIN:
            yield bare.encode("utf-8", "ignore")


def _text(leaf: Leaf) -> str:
    if not leaf.is_text:
        return leaf.payload.decode("ascii", "surrogateescape")
    text = _decoded(leaf.decoded(), leaf.charset)
    return html_words(text) if leaf.media_type == "text/html" else text


def _decoded(octets: bytes, charset: str) -> str:
    if _CHARSET.fullmatch(charset):
        try:
            return octets.decode(charset, "ignore")
        except (LookupError, UnicodeError):
            pass
    return octets.decode("ascii", "ignore")
