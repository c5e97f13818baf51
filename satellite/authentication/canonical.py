"""What are the canonical octets of a header field, and of a body?

Pure, and linear in the input: a body comes in pieces and is never held. Only CRLF ends a line.

Source: RFC 6376 sections 3.4 and 3.7.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from common.frozen import dataclass

_BLANKS = re.compile(rb"  +")  # of two on: most are single, and are left as they are
_LINE_ENDS_BACKWARDS = re.compile(rb"(?:\n\r)*")


def canonical_field(raw: bytes, *, is_relaxed: bool) -> bytes:
    """Return a header field as it is signed, with its line break.

    Args:
        raw: the field as it stands in the message, with its line break if it has one.
        is_relaxed: else ``simple``.
    """
    if not is_relaxed:
        return raw.removesuffix(b"\n").removesuffix(b"\r") + b"\r\n"
    name, _, value = raw.partition(b":")
    unfolded = value.replace(b"\r\n", b"").replace(b"\t", b" ")
    return name.rstrip(b" \t").lower() + b":" + _BLANKS.sub(b" ", unfolded).strip(b" ") + b"\r\n"


class CanonicalBody:
    """A body that is made canonical piece by piece.

    Args:
        is_relaxed: else ``simple``.
    """

    def __init__(self, *, is_relaxed: bool) -> None:
        self._is_relaxed = is_relaxed
        self._blank = b""  # relaxed: what may stand at the end of a line, with its CR
        self._cr = b""  # that may be half of a line's end
        self._line_ends = 0  # that may stand at the end of the body
        self._is_empty = True

    def feed(self, piece: bytes) -> bytes:
        """Return what is known of the canonical body with this piece."""
        return self._without_last_lines(self._relaxed(piece) if self._is_relaxed else piece)

    def end(self) -> bytes:
        """Return what stands at the body's end."""
        rest = b""
        if self._is_relaxed and self._blank.endswith(b"\r"):
            rest = self._without_last_lines(self._blank)
        if self._cr:
            rest += b"\r\n" * self._line_ends + self._cr
            self._is_empty = False
        if self._is_empty and self._is_relaxed:
            return rest
        return rest + b"\r\n"

    def _relaxed(self, piece: bytes) -> bytes:
        octets = (self._blank + piece).replace(b"\t", b" ")
        has_cr = octets.endswith(b"\r")
        line = octets[:-1] if has_cr else octets
        kept = line.rstrip(b" ")
        self._blank = (b" " if len(kept) < len(line) else b"") + (b"\r" if has_cr else b"")
        return _BLANKS.sub(b" ", kept).replace(b" \r\n", b"\r\n")

    def _without_last_lines(self, piece: bytes) -> bytes:
        octets = self._cr + piece
        tail = octets[len(octets.rstrip(b"\r\n")) :]
        self._cr = b"\r" if tail.endswith(b"\r") else b""
        tail = tail.removesuffix(b"\r")
        match = _LINE_ENDS_BACKWARDS.match(tail[::-1])
        assert match is not None  # it matches nothing as well
        line_ends = match.end() // 2
        kept = octets[: len(octets) - len(self._cr) - 2 * line_ends]
        if not kept:
            self._line_ends += line_ends
            return b""
        before, self._line_ends = self._line_ends, line_ends
        self._is_empty = False
        return b"\r\n" * before + kept


@dataclass(frozen=True, slots=True)
class WantedBody:
    """Which hash of a body somebody wants.

    Args:
        is_relaxed: of its canonical form; else ``simple``.
        length: octets of it that count; None: all.
    """

    is_relaxed: bool
    length: int | None = None


@dataclass(frozen=True, slots=True)
class HashedBody:
    """The SHA-256 of a canonical body.

    Args:
        digest: of as much as was wanted.
        is_whole: nothing of the body was left out.
    """

    digest: bytes
    is_whole: bool


class _Hashing:
    def __init__(self, length: int | None) -> None:
        self._left = length
        self._hash = hashlib.sha256()
        self._is_whole = True

    def feed(self, octets: bytes) -> None:
        if self._left is None:
            self._hash.update(octets)
            return
        self._hash.update(octets[: self._left])
        self._is_whole = self._is_whole and len(octets) <= self._left
        self._left = max(0, self._left - len(octets))

    def result(self) -> HashedBody:
        # A length beyond the body's end is that of another body.
        is_short = self._left is not None and self._left > 0
        return HashedBody(b"" if is_short else self._hash.digest(), self._is_whole)


def hashed_bodies(
    pieces: Iterable[bytes], wanted: Sequence[WantedBody]
) -> dict[WantedBody, HashedBody]:
    """Return each hash that is wanted of a body, made in one pass over it."""
    hashing = {each: _Hashing(each.length) for each in wanted}
    bodies = {each.is_relaxed: CanonicalBody(is_relaxed=each.is_relaxed) for each in wanted}

    def feed(is_relaxed: bool, octets: bytes) -> None:
        for each, one in hashing.items():
            if each.is_relaxed is is_relaxed and octets:
                one.feed(octets)

    for piece in pieces:
        for is_relaxed, body in bodies.items():
            feed(is_relaxed, body.feed(piece))
    for is_relaxed, body in bodies.items():
        feed(is_relaxed, body.end())
    return {each: one.result() for each, one in hashing.items()}
