"""How much of the message is returned in a DSN: all of it, or its header section?

Pure. The header, at most 16 KiB of it. All of the message only when the sender asked for it with
RET=FULL, the mail failed, and it is small and plain enough to come through as it was.

Source: RFC 3461 section 4.3 (RET), RFC 6522 section 3 (the third part), RFC 6533 section 4.
"""

from __future__ import annotations

import quopri
import re
from dataclasses import dataclass

from common.envelope import Return
from satellite.delivery.decisions.outcome import DsnAction
from satellite.delivery.dsn.status_part import lines
from satellite.spool.model.messages import Stored

HEADER_BYTES_MAX = 16_384  # of the message's header that goes back
WHOLE_BYTES_MAX = 1_048_576  # a message that goes back whole; of a larger one the header does
LINE_BYTES_MAX = 998  # RFC 5322 section 2.1.1

_STRAY = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # what must not stand inside a line


@dataclass(frozen=True, slots=True)
class Part:
    """One body part of a DSN."""

    kind: str
    content: bytes
    encoding: str = ""  # empty: 7bit or 8bit, as the content is
    language: str = ""  # RFC 3282; empty: it has none

    @property
    def octets(self) -> bytes:
        """Its header and content, with the line end that belongs to the boundary behind it."""
        encoding = self.encoding or ("7bit" if self.content.isascii() else "8bit")
        fields = [f"Content-Type: {self.kind}", f"Content-Transfer-Encoding: {encoding}"]
        if self.language:
            fields.append(f"Content-Language: {self.language}")
        return lines(*fields, "").encode() + self.content + b"\r\n"


def quoted_lines(text: bytes) -> bytes:
    """Return lines that end in CR LF as quoted-printable: RFC 2045 section 6.7."""
    return quopri.encodestring(text).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def returned_bytes(message: Stored, action: DsnAction) -> int:
    """Return how many octets of the start of a message's body a DSN is made from."""
    return message.size if _asks_for_all(message, action) else HEADER_BYTES_MAX


def returned_part(message: Stored, action: DsnAction, start: bytes, *, wide: bool) -> Part:
    """Return the third part of a DSN.

    Args:
        message: the message.
        action: what happened to it.
        start: the first ``returned_bytes`` of its body; empty when it cannot be read.
        wide: the DSN is an internationalised message.
    """
    if _asks_for_all(message, action) and len(start) == message.size and _is_plain(start):
        if start.partition(b"\r\n\r\n")[0].isascii():
            return Part("message/rfc822", start)
        if wide and _is_utf8(start):
            return Part("message/global", start)
    header = header_of(start)
    if not header.isascii() and wide and _is_utf8(header):
        return Part("message/global-headers", header)
    if not header.isascii():  # RFC 6522 section 4: encoded, since the way back may be 7 bit only
        return Part("text/rfc822-headers", quoted_lines(header), encoding="quoted-printable")
    return Part("text/rfc822-headers", header)


def header_of(start: bytes) -> bytes:
    """Return the header section at the start of a message, bounded and safe to quote.

    Each line is whole, at most 998 octets, and free of stray control characters; what is too long
    ends the header.
    """
    kept: list[bytes] = []
    taken = 0
    for line in start[:HEADER_BYTES_MAX].split(b"\r\n"):
        clean = _STRAY.sub(b"?", line)[:LINE_BYTES_MAX]
        taken += len(clean) + 2
        if not line or taken > HEADER_BYTES_MAX:
            break
        kept.append(clean)
    return b"".join(line + b"\r\n" for line in kept)


def _asks_for_all(message: Stored, action: DsnAction) -> bool:
    # Of success and delay only the header goes back: RFC 3461 section 4.3.
    wanted = action is DsnAction.FAILED and message.envelope.returned is Return.FULL
    return wanted and message.size <= WHOLE_BYTES_MAX


def _is_plain(message: bytes) -> bool:
    return all(len(line) <= LINE_BYTES_MAX for line in message.split(b"\r\n"))


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
