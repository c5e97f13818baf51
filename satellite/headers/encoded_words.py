"""How are encoded words (RFC 2047) in a header field decoded?

Pure, and linear in its input: what is longer than the limits is cut first. Never raises: whatever a
stranger writes becomes some text without line breaks, control characters or bidirectional
overrides, which could make one file name or subject look like another.

Source: RFC 2047 (encoded words), RFC 6532 (raw UTF-8).
"""

from __future__ import annotations

import binascii
import re
from itertools import islice

RAW_BYTES_MAX = 8_192  # of one value; a subject that a person reads is a tenth of it
TEXT_LENGTH_MAX = 1_000  # characters of the result
WORDS_MAX = 200  # encoded words of one value that are decoded; such a text has a dozen

# No question mark inside the text (section 2): a search never looks at an octet many times.
_WORD = re.compile(
    rb"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?\?([bBqQ])\?([ ->@-~]*)\?="
)

# Names that mail uses. Python's own look-up is not asked: it imports a module by that name, and
# knows codecs that are no character sets (zlib, punycode, unicode_escape).
_CHARSETS = {
    name: codec
    for codec, names in {
        "ascii": ("us-ascii", "ascii"),
        "utf-8": ("utf-8", "utf8", "unicode-1-1-utf-8"),
        "cp1252": ("iso-8859-1", "latin1", "windows-1252", "cp1252", "iso8859-1"),
        "iso8859-2": ("iso-8859-2",),
        "iso8859-3": ("iso-8859-3",),
        "iso8859-4": ("iso-8859-4",),
        "iso8859-5": ("iso-8859-5",),
        "iso8859-6": ("iso-8859-6",),
        "iso8859-7": ("iso-8859-7",),
        "iso8859-8": ("iso-8859-8", "iso-8859-8-i"),
        "iso8859-9": ("iso-8859-9",),
        "iso8859-13": ("iso-8859-13",),
        "iso8859-15": ("iso-8859-15",),
        "cp1250": ("windows-1250", "cp1250"),
        "cp1251": ("windows-1251", "cp1251"),
        "cp1253": ("windows-1253",),
        "cp1254": ("windows-1254",),
        "cp1255": ("windows-1255",),
        "cp1256": ("windows-1256",),
        "cp1257": ("windows-1257",),
        "cp1258": ("windows-1258",),
        "koi8-r": ("koi8-r",),
        "koi8-u": ("koi8-u",),
        "gb18030": ("gb2312", "gbk", "gb18030"),
        "big5": ("big5", "big5-hkscs"),
        "euc_jp": ("euc-jp",),
        "shift_jis": ("shift_jis", "shift-jis"),
        "iso2022_jp": ("iso-2022-jp",),
        "euc_kr": ("euc-kr", "ks_c_5601-1987"),
        "iso2022_kr": ("iso-2022-kr",),
        "tis_620": ("tis-620", "windows-874"),
    }.items()
    for name in names
}
# Control characters but the tab, surrogates, line and paragraph separators, and what turns the
# direction of writing: Unicode's categories Cc, Cs, Zl and Zp, and the bidirectional controls.
_DROPPED = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def decoded_text(raw: bytes) -> str:
    """Return the text of a raw value: unfolded, encoded words decoded, made harmless, bounded."""
    value = raw[:RAW_BYTES_MAX].replace(b"\r", b"").replace(b"\n", b"").strip(b" \t")
    if b"=?" not in value:
        return harmless(_plain(value))
    return harmless("".join(_pieces(value)))


def codec_of(charset: str) -> str | None:
    """Return what Python calls a character set that mail uses; None: mail uses none of that name.

    Args:
        charset: as a field names it, in any case.
    """
    return _CHARSETS.get(charset.lower())


def harmless(text: str) -> str:
    """Return text without control characters, line separators and bidirectional overrides."""
    if text.isprintable():  # then nothing in it is dropped, and nearly all text is so
        return text[:TEXT_LENGTH_MAX].strip()
    return _DROPPED.sub("", text).replace("\t", " ")[:TEXT_LENGTH_MAX].strip()


def _pieces(value: bytes) -> list[str]:
    """Return the texts between and inside encoded words.

    White space between two encoded words is not part of the text (section 6.2). Octets of
    neighbours in one character set are joined first: many programs split a character in two.
    """
    pieces: list[str] = []
    pending, charset = b"", ""
    position = 0
    for match in islice(_WORD.finditer(value), WORDS_MAX):
        octets = _octets(match[2], match[3])
        if octets is None:
            continue
        between = value[position : match.start()]
        position = match.end()
        name = match[1].decode("ascii").lower()
        if pending and not between.strip(b" \t") and name == charset:
            pending += octets
            continue
        pieces.append(_text(pending, charset))
        if not pending or between.strip(b" \t"):
            pieces.append(_plain(between))
        pending, charset = octets, name
    return [*pieces, _text(pending, charset), _plain(value[position:])]


def _octets(encoding: bytes, text: bytes) -> bytes | None:
    """Return the octets of an encoded word, or None when it is none after all."""
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None


def _text(octets: bytes, charset: str) -> str:
    return octets.decode(_CHARSETS.get(charset, "ascii"), "replace")


def _plain(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
