"""How does SMTP carry an identifier or an address that may hold any character?

Pure. Text from outside stays encoded wherever it is kept; it is decoded only where it is shown, and
only into printable ASCII, so that nothing of it can end a header line or a log line.

Source: RFC 3461 section 4 (xtext), RFC 6533 section 3 (addresses beyond ASCII).
"""

from __future__ import annotations

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_LOOSE_HEX = re.compile(rb"\+([0-9A-Fa-f]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_TO_ENCODE = re.compile(r"[^!-*,-<>-~]")


def encoded(text: str) -> str:
    """Return ASCII text as xtext."""
    assert text.isascii()
    return _TO_ENCODE.sub(lambda sign: f"+{ord(sign[0]):02X}", text)


def decoded(xtext: str) -> str | None:
    """Return what xtext stands for, if that is printable ASCII and not all blank, else None."""
    if not _XTEXT.fullmatch(xtext):
        return None
    text = _HEX.sub(lambda found: chr(int(found[1], 16)), xtext)
    return text if text.isascii() and text.isprintable() and not text.isspace() else None


def loosely_decoded(text: str) -> str:
    """Return what somebody meant who writes no xtext, or that of UTF-8; nothing if it is unclear.

    A plus that nothing of two hexadecimal digits follows stands for itself.
    """
    octets = text.encode("utf-8", "replace")
    try:
        return _LOOSE_HEX.sub(lambda found: bytes([int(found[1], 16)]), octets).decode("utf-8")
    except UnicodeDecodeError:
        return ""


def embedded(address: str) -> str:
    r"""Return an internationalised address in ASCII, other signs as ``\x{HEX}``: RFC 6533."""
    return "".join(sign if _is_plain(sign) else f"\\x{{{ord(sign):02X}}}" for sign in address)


def is_embedded(text: str) -> bool:
    """Say whether text is an address as ``embedded`` writes it, of characters that can be shown."""
    rest = _EMBEDDED.sub("", text)
    return all(map(_is_plain, rest)) and all(
        int(code, 16) <= 0x10FFFF and chr(int(code, 16)).isprintable()
        for code in _EMBEDDED.findall(text)
    )


def _is_plain(sign: str) -> bool:
    return "!" <= sign <= "~" and sign not in "+=\\"
