"""What is encoded in a message, whatever its structure says or hides?

Pure. Every reading of a structure can be led astray: two boundaries that are one, a field that
nobody recognises, a part that stands where none should. What is hidden must still be decoded by
somebody, and encoded octets look like nothing else. So each run of base64's lines is decoded,
whatever stands behind a header that speaks of base64, uuencoded files, and all of it once as
quoted-printable. What the other readings decoded, and nobody could decode otherwise, is left out:
ordinary mail holds little else.

Source: RFC 2045 sections 6.7 and 6.8; POSIX uuencode; RFC 1741 (BinHex); yEnc 1.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.decoding import (
    ENCODED_BYTES_MIN,
    base64_readings,
    base64_runs,
    from_uuencode,
    from_xxencode,
    is_pure_base64,
    kindly_from_quoted_printable,
)
from satellite.scanning.limits import MEBIBYTE
from satellite.scanning.material import has_material
from satellite.scanning.mime import Decoded, Known
from satellite.scanning.skeleton import Skeleton

# Lines of base64's signs, each with the break before it and empty lines behind it; the place of an
# encoded run is such a line. Nothing stands before them: such are signatures in header fields.
_LINES = re.compile(rb"(?:\n[A-Za-z0-9+/=]++[ \t]*+\r?(?:\n[ \t]*+\r?(?=\n))*+(?=\n|\Z))+")
_FIELD = re.compile(rb"[!-9;-~]*[ \t]*:")
_FIRST_LINE = re.compile(rb"(?<=\n)[^ \t\r\n]|\A[^ \t\r\n]")
_SPEAKS_OF_BASE64 = re.compile(rb"base64", re.I)
_BEHIND_HEADER = re.compile(rb"\r?\n[ \t]*\r?\n")
_SEPARATOR = re.compile(rb"\n--")
_QUOTED = re.compile(rb"=[0-9A-Fa-f]{2}")
# A line that goes on, and is none of base64's, which may end so.
_GOES_ON = re.compile(rb"=[ \t]*\r?\n(?<![A-Za-z0-9+/=]{4}=\r\n)(?<![A-Za-z0-9+/=]{4}=\n)")
_MARKS = re.compile(
    rb"\n(?:(begin[- \t][^\r\n]*\r?\n)|(=ybegin )"
    rb"|(\(This file must be converted with BinHex[^\r\n]*\r?\n\s*+:)"
    rb"|-----BEGIN PGP MESSAGE-----)"
)
OVERLAP_MAX = 8  # times the text, for what may begin in several places and end in one
OVERLAP_BYTES = 16 * MEBIBYTE  # which nobody notices, however short the text is
FOLD_BYTES_MAX = 2048
_TOO_OFTEN = "too many encoded files begin in each other"
_PGP = "a PGP message"
_YEND = re.compile(rb"\n=yend ")
_OF_PROSE = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])
_END = re.compile(rb"\nend[ \t]*\r?(?:\n|\Z)")


def contents(
    skeleton: Skeleton, known: Known, budget: CpuBudget, *, was_quoted: bool = False
) -> Iterator[Decoded]:
    """Yield what is encoded in a message or a text and was not decoded for sure.

    Args:
        skeleton: of the message.
        known: what the other readings decoded; is told what cannot be read.
        budget: of the message.
        was_quoted: it is what came of reading all of something as quoted-printable. Nobody does
            that twice, and a boundary such as ``=====3332==`` would be other quoted-printable
            each time.

    Raises:
        LimitExceeded: it takes too much work.
    """
    yield from _base64(skeleton, known, budget)
    yield from _behind_headers(skeleton, known, budget)
    # The runs of encoded lines are decoded above: none of the following can be in them.
    text = skeleton.readable
    if known.from_quoted_printable:
        without = skeleton.encoded | known.from_quoted_printable
        text = skeleton.filled(skeleton.text, without=without)
    if not was_quoted and _is_quoted(text):
        budget.check()
        yield Decoded(kindly_from_quoted_printable(text), is_whole=True)
    yield from _marked(b"\n" + skeleton.readable, known, budget)


def _marked(text: bytes, known: Known, budget: CpuBudget) -> Iterator[Decoded]:
    """Yield what a line announces; note what we cannot decode."""
    left = max(OVERLAP_MAX * len(text), OVERLAP_BYTES)
    for found in _MARKS.finditer(text):
        budget.check()
        uuencoded, in_yenc, in_binhex = found.groups()
        if uuencoded:
            end = _END.search(text, found.end() - 1)
            lines = text[found.end() : end.start() if end else len(text)]
            left -= len(lines)
            if left < 0:
                return known.complain(_TOO_OFTEN)
            yield Decoded(from_uuencode(lines))
            if in_xx := from_xxencode(lines):
                yield Decoded(in_xx)
        elif in_yenc:
            end = _YEND.search(text, found.end())
            lines = text[found.end() : end.start() if end else len(text)]
            left -= len(lines)
            if left < 0 or not _is_prose(lines):
                known.complain("a file in yEnc")
        elif in_binhex:
            known.complain("a file in BinHex")
        elif _PGP not in known.locked:
            known.locked.append(_PGP)


def _is_prose(lines: bytes) -> bool:
    """Say whether it is text: what yEnc makes of a file is neither UTF-8 nor free of controls."""
    try:
        lines.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not lines.translate(None, _OF_PROSE)


def _is_quoted(text: bytes) -> bool:
    """Say whether quoted-printable would read it otherwise."""
    return _QUOTED.search(text) is not None or _GOES_ON.search(text) is not None


def _base64(skeleton: Skeleton, known: Known, budget: CpuBudget) -> Iterator[Decoded]:
    for found in _LINES.finditer(b"\n" + skeleton.text):
        numbers = skeleton.numbers(found[0])
        if numbers and known.from_base64.issuperset(numbers):
            continue
        lines = skeleton.filled(found[0])
        if len(lines) >= ENCODED_BYTES_MIN and has_material(lines):
            budget.check()
            yield from map(Decoded, base64_runs(lines))


def _is_in_header(text: bytes, place: int) -> bool:
    """Say whether a place is in a field, or in a fold of one; programs indent lines, too."""
    line = text.rfind(b"\n", 0, place) + 1
    if not text.startswith((b" ", b"\t"), line):
        return _FIELD.match(text, line) is not None
    before = text[max(0, line - FOLD_BYTES_MAX) : line]
    first = max((found.start() for found in _FIRST_LINE.finditer(before)), default=-1)
    return _FIELD.match(before, first) is not None if first >= 0 else not before.strip()


def _behind_headers(skeleton: Skeleton, known: Known, budget: CpuBudget) -> Iterator[Decoded]:
    """Yield what stands behind headers that speak of base64, if programs may differ about it."""
    text, done = skeleton.text, -1
    left = max(OVERLAP_MAX * len(text), OVERLAP_BYTES)
    for spoken in _SPEAKS_OF_BASE64.finditer(text):
        budget.check()
        if spoken.start() < done:
            continue
        if not _is_in_header(text, spoken.start()):
            end_of_line = text.find(b"\n", spoken.end())
            done = end_of_line if end_of_line >= 0 else len(text)
            continue
        header = _BEHIND_HEADER.search(text, spoken.end())
        if header is None:
            return
        done = header.end()
        end = _SEPARATOR.search(text, done - 1)
        piece = text[done : end.start() if end else len(text)]
        left -= len(piece)
        if left < 0:
            return known.complain(_TOO_OFTEN)
        if is_pure_base64(skeleton.outside_runs(piece)):
            numbers = skeleton.numbers(piece)
            if known.from_base64.issuperset(numbers):
                continue  # read for sure, or short and read above
        yield from map(Decoded, base64_readings(skeleton.filled(piece)))
