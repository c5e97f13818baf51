"""Where does message data end, and is it over a limit, with bare newlines, or in a loop?

Pure. Blocks of any size go in, unstuffed octets come out; the result is the same however the octets
are cut. Only CR LF . CR LF ends the data. A message with a bare CR, a bare LF or a NUL is read to
that end and then refused as a whole, since the next server might find an end of data in it (SMTP
smuggling: VU#302671), unless it is mended (``satellite.smtp.newlines``). All searching is done on
whole blocks: no work and no memory per line.

Source: RFC 5321 sections 2.3.8, 4.1.1.4, 4.5.2 and 6.3; RFC 1870 section 5 (what a size counts).
"""

from __future__ import annotations

from enum import StrEnum

from common.dotted_line import first_dotted_line
from common.frozen import dataclass
from satellite.smtp.intake import FrontEndSettings
from satellite.smtp.newlines import NewlineMender
from satellite.smtp.trace import own_hop

HOPS_MAX = 100  # RFC 5321 section 6.3
# Of them our own. Mail that customers forward to each other, or a list sends back, passes us a few
# times; each pass is a scan.
OWN_HOPS_MAX = 5

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."
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
    WIDE_HEADER = "wide_header"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLimits:
    """What one message may be; octets count without dot-stuffing, CR LF included."""

    message_bytes_max: int
    line_bytes_max: int
    takes_wide_header: bool = True  # octets beyond ASCII in the header section
    mends_newlines: bool = False
    hops_max: int = HOPS_MAX
    own_hop: bytes = b""  # what only a Received field of ours has, in lower case; empty: none
    own_hops_max: int = OWN_HOPS_MAX


def limits_of(
    settings: FrontEndSettings,
    *,
    message_bytes_max: int,
    takes_wide_header: bool,
    mends_newlines: bool,
) -> DataLimits:
    """Return what the node's settings say that one message may be.

    Args:
        message_bytes_max: of this message: its recipients' servers may take less than we do.
        takes_wide_header: whether any of those servers takes a header beyond ASCII.
        mends_newlines: whether this client's bare newlines are mended.
    """
    return DataLimits(
        message_bytes_max=message_bytes_max,
        line_bytes_max=settings.smtp.line_bytes_max,
        takes_wide_header=takes_wide_header,
        mends_newlines=mends_newlines,
        own_hop=own_hop(settings.hostname, settings.mail_domain),
    )


class DataScanner:
    """The data of one message as it comes in.

    Attributes:
        ended: the final dot was seen.
        rest: the octets behind the final dot.
        fault: the first thing found that forbids to take the message, or None.
        size: octets of the message so far.
        hops: Received fields in its header section so far.
        own_hops: those of them that are ours.
    """

    __slots__ = (
        "_carry",
        "_header_tail",
        "_last",
        "_limits",
        "_line_octets",
        "_mender",
        "_started",
        "ended",
        "fault",
        "hops",
        "own_hops",
        "rest",
        "size",
    )

    def __init__(self, limits: DataLimits) -> None:
        self._limits = limits
        self._mender = NewlineMender() if limits.mends_newlines else None
        # A dot may stand on the very first line: as if a CR LF had come before.
        self._carry = b"\r\n"
        self._started = False
        self._header_tail: bytes | None = b"\r\n"  # None once the header section is over
        self._last = _LF
        self._line_octets = 0
        self.ended = False
        self.rest = b""
        self.fault: Fault | None = None
        self.size = 0
        self.hops = 0
        self.own_hops = 0

    @property
    def has_mended(self) -> bool:
        """True when the message had bare newlines that were mended."""
        return self._mender is not None and self._mender.has_mended

    def feed(self, block: bytes) -> bytes:
        """Return the next octets of the message, unstuffed.

        Args:
            block: what came, at least one octet; not after the data has ended.
        """
        assert block and not self.ended
        data = self._carry + block if self._carry else block
        dotted = first_dotted_line(data)
        end = data.find(_END, dotted) if dotted >= 0 else -1
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
        is_stuffed = 0 <= dotted <= stop - len(_STUFFED)
        return self._emit(data[:stop], is_stuffed=is_stuffed)

    def _emit(self, octets: bytes, *, is_stuffed: bool) -> bytes:
        if not octets:
            return b""
        if is_stuffed:
            octets = octets.replace(_STUFFED, b"\r\n")
        if not self._started:
            self._started = True
            octets = octets[2:]  # the CR LF that we put before the first line
        if self._mender is not None:
            octets = self._mender.mend(octets, ended=self.ended)
        self.size += len(octets)
        if self.size > self._limits.message_bytes_max:
            self._blame(Fault.SIZE)
        if self._header_tail is not None:
            self._count_hops(self._header_tail, octets)
        return octets

    def _inspect(self, block: bytes) -> None:
        """Look for NUL, and for bare CR and LF by what is left of the block without line breaks."""
        if self._mender is None and (_has_bare(block, self._last) or b"\0" in block):
            self._blame(Fault.BARE_NEWLINE)
        self._last = block[-1]
        self._measure_lines(block)

    def _measure_lines(self, block: bytes) -> None:
        longest = self._limits.line_bytes_max
        first = block.find(b"\n") + 1
        if not first:
            self._line_octets += len(block)
            if self._line_octets > longest:
                self._blame(Fault.LINE_LENGTH)
            return
        if self._line_octets + first > longest or _has_longer_line(block, longest):
            self._blame(Fault.LINE_LENGTH)
        self._line_octets = len(block) - block.rfind(b"\n") - 1

    def _count_hops(self, tail: bytes, octets: bytes) -> None:
        """Count trace fields as they come, and ours: a loop is found before its next scan.

        Args:
            tail: what came before, in lower case, as much as one of them may have begun in.
            octets: the next ones.
        """
        limits, window = self._limits, tail + octets
        end = window.find(b"\r\n\r\n")
        if end >= 0:
            window = window[: end + 2]
        if not limits.takes_wide_header and not window.isascii():
            self._blame(Fault.WIDE_HEADER)
        window = window.lower()
        # Each reaches beyond the tail: nothing is counted twice, nothing is missed at a cut.
        self.hops += window.count(_HOP, max(0, len(tail) + 1 - len(_HOP)))
        mark = limits.own_hop
        if mark:
            self.own_hops += window.count(mark, max(0, len(tail) + 1 - len(mark)))
        self._header_tail = None if end >= 0 else window[1 - max(len(_HOP), len(mark)) :]
        if self.hops > limits.hops_max or self.own_hops > limits.own_hops_max:
            self._blame(Fault.LOOP)

    def _blame(self, fault: Fault) -> None:
        if self.fault is None:
            self.fault = fault


def _has_bare(block: bytes, last: int) -> bool:
    """Say whether a CR or an LF is none of a pair.

    Args:
        block: the next octets; a CR at their end is not known to be bare.
        last: the octet before them.
    """
    if last == _CR:
        if block[0] != _LF:
            return True
        block = block[1:]
    block = block.removesuffix(b"\r")
    lines = block.splitlines()  # at CR LF, CR and LF, and at nothing else
    breaks = len(lines) - (not block.endswith((b"\n", b"\r"))) if lines else 0
    return len(block) - len(b"".join(lines)) != 2 * breaks


def _has_longer_line(block: bytes, longest: int) -> bool:
    """Say whether a line of the block, with its LF, has more than ``longest`` octets."""
    start = 0
    while len(block) - start >= longest:
        end = block.rfind(b"\n", start, start + longest)
        if end < 0:
            return True
        start = end + 1
    return False


def _length_of_partial_end(data: bytes) -> int:
    return next((len(part) for part in _PARTS_OF_END if data.endswith(part)), 0)
