"""Where does message data end, and is it over a limit, with bare newlines, or in a loop?

Pure. Blocks of any size go in, unstuffed octets come out; the result is the same however the
octets are cut. Only CR LF . CR LF ends the data. A message with a bare CR, a bare LF or a NUL is
read to that end and then refused as a whole, since the next server might find an end of data in it
(SMTP smuggling: VU#302671). All searching is done on whole blocks: no work and no memory per line.

Source: RFC 5321 sections 2.3.8, 4.1.1.4, 4.5.2 and 6.3; RFC 1870 section 5 (what a size counts).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

HOPS_MAX = 100  # RFC 5321 section 6.3

_END = b"\r\n.\r\n"
_PARTS_OF_END = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # longest first
_HOP = b"\nreceived:"
_CR = 13
_LF = 10


class Fault(StrEnum):
    """Why a message cannot be taken."""

    SIZE = "size"
    BARE_NEWLINE = "bare_newline"  # or NUL
    LINE_LENGTH = "line_length"
    LOOP = "loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLimits:
    """What one message may be; octets count without dot-stuffing, CR LF included."""

    message_bytes_max: int
    line_bytes_max: int
    hops_max: int = HOPS_MAX


class DataScanner:
    """The data of one message as it comes in.

    Attributes:
        ended: the final dot was seen.
        rest: the octets behind the final dot.
        fault: the first thing found that forbids to take the message, or None.
        size: octets of the message so far.
        hops: Received fields in its header section so far.
    """

    __slots__ = (
        "_carry",
        "_crs",
        "_header_tail",
        "_last",
        "_lfs",
        "_limits",
        "_line_octets",
        "_pairs",
        "_started",
        "ended",
        "fault",
        "hops",
        "rest",
        "size",
    )

    def __init__(self, limits: DataLimits) -> None:
        self._limits = limits
        # A dot may stand on the very first line: as if a CR LF had come before.
        self._carry = b"\r\n"
        self._started = False
        self._header_tail: bytes | None = b"\r\n"  # None once the header section is over
        self._crs = self._lfs = self._pairs = 0
        self._last = _LF
        self._line_octets = 0
        self.ended = False
        self.rest = b""
        self.fault: Fault | None = None
        self.size = 0
        self.hops = 0

    def feed(self, block: bytes) -> bytes:
        """Return the next octets of the message, unstuffed.

        Args:
            block: what came, at least one octet; not after the data has ended.
        """
        assert block and not self.ended
        data = self._carry + block if self._carry else block
        end = data.find(_END)
        if end >= 0:
            self.ended = True
            stop = end + 2
            self.rest = data[end + len(_END) :]
            block = block[: len(block) - len(self.rest)]
            self._carry = b""
        else:
            stop = len(data) - _length_of_partial_end(data)
            self._carry = data[stop:]
        self._inspect(block)
        return self._emit(data[:stop])

    def _emit(self, stuffed: bytes) -> bytes:
        if not stuffed:
            return b""
        octets = stuffed.replace(b"\r\n.", b"\r\n")
        if not self._started:
            self._started = True
            octets = octets[2:]  # the CR LF that we put before the first line
        self.size += len(octets)
        if self.size > self._limits.message_bytes_max:
            self._blame(Fault.SIZE)
        if self._header_tail is not None:
            self._count_hops(self._header_tail + octets)
        return octets

    def _inspect(self, block: bytes) -> None:
        """Look for bare CR and LF by counting: each must be half of a pair."""
        lfs = block.count(b"\n")
        self._lfs += lfs
        self._crs += block.count(b"\r")
        self._pairs += block.count(b"\r\n") + (self._last == _CR and block[0] == _LF)
        self._last = block[-1]
        open_pair = self._last == _CR  # its LF may still come
        if self._lfs != self._pairs or self._crs - open_pair != self._pairs or b"\0" in block:
            self._blame(Fault.BARE_NEWLINE)
        self._measure_lines(block, lfs)

    def _measure_lines(self, block: bytes, lfs: int) -> None:
        longest = self._limits.line_bytes_max
        if not lfs:
            self._line_octets += len(block)
            if self._line_octets > longest:
                self._blame(Fault.LINE_LENGTH)
            return
        first = block.find(b"\n") + 1
        if self._line_octets + first > longest:
            self._blame(Fault.LINE_LENGTH)
        if len(block) > longest and max(map(len, block.split(b"\n"))) + 1 > longest:
            self._blame(Fault.LINE_LENGTH)
        self._line_octets = len(block) - block.rfind(b"\n") - 1

    def _count_hops(self, window: bytes) -> None:
        end = window.find(b"\r\n\r\n")
        if end >= 0:
            window = window[: end + 2]
        self.hops += window.lower().count(_HOP)
        # One octet short of the pattern: nothing is counted twice, nothing is missed at a cut.
        self._header_tail = None if end >= 0 else window[1 - len(_HOP) :]
        if self.hops > self._limits.hops_max:
            self._blame(Fault.LOOP)

    def _blame(self, fault: Fault) -> None:
        if self.fault is None:
            self.fault = fault


def _length_of_partial_end(data: bytes) -> int:
    return next((len(part) for part in _PARTS_OF_END if data.endswith(part)), 0)
