"""Which fields of a stranger's header section bear our name?

Pure. Those that begin with ``X-BorderScout``, and ``Authentication-Results`` with our authserv-id,
as the most forgiving reader would take them. They are taken out: a reader behind us may trust what
bears our name, whoever wrote it.

What is looked at is bounded for the message as a whole, since each look has its cost and a header
section room for thousands of them. What is beyond the bounds bears our name: no honest program is
near them.

Source: RFC 8601 sections 2.2 and 5.
"""

from __future__ import annotations

import re
from itertools import count

from common.address import AddressError, parse_domain
from satellite.headers.block import HeaderBlock, Span, visible_name

RESULTS_MAX = 200  # fields that tell of authentication; a dozen servers leave one each
PARTS_MAX = 200  # of such a value before its first semicolon: words, comments, quotes
FOREIGN_NAMES_MAX = 8  # names of a message that are not in ASCII, each a tenth of a millisecond
AUTHSERV_LENGTH_MAX = 512  # characters looked at; a domain name has at most 253

_OUR_PREFIX = b"x-borderscout"
_RESULTS = b"authentication-results"
_BARE_CR = re.compile(rb"\r(?!\n)")
_PART = re.compile(r"\\.|[^\\\"();]+|.", re.DOTALL)  # a quoted pair, a run of text, or one sign


def not_forged(block: HeaderBlock, mail_domain: str) -> tuple[Span, ...]:
    """Return the fields that do not bear our name; nearly always all of them.

    A bare CR begins a new line for some readers: each piece of a field is looked at.

    Args:
        block: the header section.
        mail_domain: our authserv-id, an A-label.
    """
    names = b"\n".join([b"", *block.by_key])
    if not block.has_bare_cr and b"\n" + _OUR_PREFIX not in names and _RESULTS not in names:
        return block.spans
    names_us = _Names(mail_domain)
    if not block.has_bare_cr:
        return tuple(s for s in block.spans if not names_us.is_ours(s.raw, name=s.key))
    return tuple(
        span
        for span in block.spans
        if not any(
            names_us.is_ours(piece, name=visible_name(piece)) for piece in _BARE_CR.split(span.raw)
        )
    )


class _Names:
    """Whether fields of one message bear our name.

    Args:
        mail_domain: our authserv-id.
    """

    def __init__(self, mail_domain: str) -> None:
        self._mail_domain = mail_domain
        self._results = count(1)
        self._foreign_names = count(1)

    def is_ours(self, raw: bytes, *, name: bytes) -> bool:
        """Say whether a field bears our name, for any reader.

        Args:
            raw: the field, its folds and last line break included.
            name: of the field, as the most forgiving reader would take it.
        """
        if name.startswith(_OUR_PREFIX):
            return True
        return name == _RESULTS and self._names_us(raw.partition(b":")[2])

    def _names_us(self, value: bytes) -> bool:
        """Say whether an Authentication-Results value has our authserv-id.

        It may stand behind comments, in quotes, in any case, with a final dot, or as U-labels. What
        cannot be parsed is taken for ours if our name is in it at all.
        """
        if next(self._results) > RESULTS_MAX:
            return True
        text, is_whole = _without_comments(value.decode("utf-8", "replace"))
        if text is None:
            return True
        if not is_whole:
            return self._mail_domain in text.lower()
        words = text.split() or [""]
        return self._is_our_name(words[0]) or self._is_our_name("".join(words))

    def _is_our_name(self, found: str) -> bool:
        visible = "".join(c for c in found[:AUTHSERV_LENGTH_MAX] if c > " " and c != "\x7f")
        if visible.lower().rstrip(".") == self._mail_domain:
            return True
        if visible.isascii():
            return False
        if next(self._foreign_names) > FOREIGN_NAMES_MAX:
            return True
        try:
            return parse_domain(visible) == self._mail_domain
        except AddressError:
            return False


def _without_comments(text: str) -> tuple[str | None, bool]:
    """Return what stands before the first semicolon, without comments and quotes.

    The second value is False when a comment or a quote never ends; the text is then all of it. The
    text is None when there is too much of it.
    """
    kept: list[str] = []
    depth, is_quoted = 0, False
    for number, match in enumerate(_PART.finditer(text)):
        part = match[0]
        if number >= PARTS_MAX:
            return None, False
        if part == '"' and not depth:
            is_quoted = not is_quoted
        elif part == "(" and not is_quoted:
            depth += 1
            kept.append(" ")  # a comment separates words
        elif part == ")" and depth:
            depth -= 1
        elif part == ";" and not depth and not is_quoted:
            break
        elif not depth:
            kept.append(part.removeprefix("\\"))
    is_whole = depth == 0 and not is_quoted
    return ("".join(kept) if is_whole else text), is_whole
