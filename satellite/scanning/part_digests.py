"""By which digests are the risky parts of a message known, whoever gets it and at whichever site?

Pure, and linear in its input. A mass mailing is another message for each recipient, and has one and
the same file in all of them. So what is compared is the decoded file, if it is of a risky type by
its name or its first octets. This is a quick look, for the event loop, and no scan: what hides from
it is scanned all the same, and is only not known by its digest.

Source: RFC 2046 section 5.1.1 (boundaries); RFC 2045 section 6.8 (base64).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from common.records.bounds import DIGESTS_MAX
from satellite.scanning.content_kind import ContentKind, kinds_of
from satellite.scanning.decoding import base64_stretches, from_base64
from satellite.scanning.risky import type_of_beginning, type_of_name, types_of_content
from satellite.scanning.told_names import told_names

LOOKED_BYTES_MAX = 4 * 1024 * 1024  # of a message: a mass mailing has no larger ones
PARTS_MAX = 100  # places that look like the beginning of a part
HEADER_BYTES_MAX = 8_192  # of a part
_BEGINNING_BYTES = 1_024  # of base64, for what a content begins with
CONTENT_BYTES_MIN = 16  # an empty file is in many honest messages


def digests_of(message: bytes) -> tuple[str, ...]:
    """Return the SHA-256 of each risky part, hexadecimal, each once, at most DIGESTS_MAX."""
    if len(message) > LOOKED_BYTES_MAX:
        return ()
    found: dict[str, None] = {}
    for header, start, stop in _parts(message):
        digest = _risky_digest(header, message, start, stop)
        if digest:
            found[digest] = None
            if len(found) == DIGESTS_MAX:
                break
    return tuple(found)


def _parts(message: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield whatever may be a part with a file in it; also the whole message.

    Each is its header, and where its body begins and ends: to copy large ones costs more than to
    hash them.
    """
    start, last = 0, message.rfind(b"\n--")  # whether there is one: in half of the time
    for _ in range(PARTS_MAX):
        following = message.find(b"\n--", start + 1) if start < last else -1
        end = message.find(b"\r\n\r\n", start, start + HEADER_BYTES_MAX)
        if end >= 0 and (following < 0 or end < following):
            header = message[start : end + 2]
            lower = header.lower()
            if b"name" in lower or b"base64" in lower:
                yield header, end + 4, following if following >= 0 else len(message)
        if following < 0:
            return
        start = following


def _risky_digest(header: bytes, message: bytes, start: int, stop: int) -> str:
    """Return the digest of a part's content; empty: it is not risky, or next to nothing."""
    is_named = any(type_of_name(name) is not None for name in told_names(header))
    is_base64 = b"base64" in header.lower()
    if is_named:
        if is_base64:
            return _digest(base64_stretches(message, start, stop))
        return _digest([message[start:stop].strip()])
    if is_base64:
        beginning = message[start : min(stop, start + _BEGINNING_BYTES)]
        if _begins_risky(from_base64(beginning)):
            content = from_base64(message[start:stop])
            if any(types_of_content(content, kinds_of(content))):
                return _digest([content])
    return ""


def _digest(content: Iterable[bytes]) -> str:
    digest, octets = sha256(), 0
    for stretch in content:
        digest.update(stretch)
        octets += len(stretch)
    return digest.hexdigest() if octets >= CONTENT_BYTES_MIN else ""


def _begins_risky(content: bytes) -> bool:
    if type_of_beginning(content) is not None:
        return True
    kind = kinds_of(content).beginning
    return kind is not None and kind not in (ContentKind.PDF, ContentKind.XML, ContentKind.CALENDAR)
