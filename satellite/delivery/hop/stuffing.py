"""How are the lines of a message dot-stuffed between DATA and the final dot?

Pure. Octets go out as they are, but for the dot that is doubled at the start of a line; a block may
end anywhere, even between CR and LF.

Source: RFC 5321 section 4.5.2. A line ends with CRLF and with nothing else: doubling a dot after a
lone LF would change what a strict server receives, and a lone LF never gets past our front end.
"""

from __future__ import annotations

from common.dotted_line import first_dotted_line

_LINE_END = b"\r\n"
_DOT_IN = b"\r\n."
_DOT_OUT = b"\r\n.."


class Stuffing:
    """Dot-stuffing of one message, block by block."""

    def __init__(self) -> None:
        self._tail = _LINE_END  # the last two octets before the block; a message starts a line

    def feed(self, block: bytes) -> bytes:
        """Return what to send for the next octets of the message."""
        joined = self._tail + block
        self._tail, before = joined[-2:], len(self._tail)
        if first_dotted_line(joined) < 0:
            return block
        return joined.replace(_DOT_IN, _DOT_OUT)[before:]

    def end(self) -> bytes:
        """Return the end of the data: the line end that the message lacks, and the final dot."""
        return b".\r\n" if self._tail == _LINE_END else b"\r\n.\r\n"
