"""What does a message hold, by all readings of it together?

Pure. Two readers of its structure, each with the fields as they stand and as the standards read
them, then one that is blind to any structure. What comes out and is text may be encoded once more.

Source: RFC 5322 section 2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from satellite.scanning import blind, mime
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.guarded import guarded
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.material import has_encoded_lines, has_material
from satellite.scanning.mime import Decoded, Known
from satellite.scanning.skeleton import Skeleton

TEXT_DEPTH_MAX = 4  # encodings around each other; a program undoes one

_HEADER = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:>*From [^\n]*\n)*+"
    rb"((?:[!-9;-~]{1,64}[ \t]*:[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)){1,200})"
)
_OF_A_PART = re.compile(rb"^content-(?:type|transfer-encoding)[ \t]*:", re.I | re.M)
_OF_MAIL = re.compile(
    rb"^(?:from|to|subject|date|message-id|received|return-path|mime-version)[ \t]*:", re.I | re.M
)


def looks_like_mail(octets: bytes) -> bool:
    """Say whether octets begin with a header section that some program would read as one."""
    header = _HEADER.match(octets)
    if header is None:
        return False
    return _OF_A_PART.search(header[1]) is not None or len(_OF_MAIL.findall(header[1])) > 1


def contents(
    message: bytes, known: Known, limits: UnfoldingLimits, budget: CpuBudget
) -> Iterator[Decoded]:
    """Yield what the message holds, decoded; most of it several times.

    Args:
        message: its octets.
        known: new; is told what could not be read.
        limits, budget: of the message.
    """
    most = limits.message_lines_max
    if len(message) > most and message.count(b"\n") > most:
        return known.complain("too many lines")
    skeleton = Skeleton.of(message)
    seen: set[int] = set()
    found = mime.contents(message, skeleton, known, limits, budget)
    yield from _with_hidden(found, 0, seen, known, budget)
    found = guarded(blind.contents(skeleton, known, budget), "encodings", budget, known.complain)
    yield from _with_hidden(found, 1, seen, known, budget)


def _with_hidden(
    found: Iterator[Decoded], depth: int, seen: set[int], known: Known, budget: CpuBudget
) -> Iterator[Decoded]:
    """Yield contents, each with what is encoded in it."""
    for content in found:
        yield content
        if content.is_verbatim or not _hides_something(content):
            continue
        if not content.is_whole and looks_like_mail(content.octets):
            continue  # it is read as a message, by who asked
        digest = hash(content.octets)
        if digest in seen:
            continue
        seen.add(digest)
        if depth >= TEXT_DEPTH_MAX:
            known.complain("encoded too often")
            continue
        inner = known.of_inner()
        skeleton = Skeleton.of(content.octets)
        hidden = blind.contents(skeleton, inner, budget, was_quoted=content.is_whole)
        hidden = guarded(hidden, "encodings", budget, inner.complain)
        yield from _with_hidden(hidden, depth + 1, seen, inner, budget)


def _hides_something(content: Decoded) -> bool:
    """Say whether there may be encoded lines in decoded text."""
    if b"\0" in content.octets:
        return False
    if content.is_whole:  # its headers speak of base64, as they did before
        return has_encoded_lines(content.octets)
    return has_material(content.octets)
