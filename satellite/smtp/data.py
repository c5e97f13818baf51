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

from common.frozen import dataclass
from satellite.smtp.intake import FrontEndSettings
from satellite.smtp.newlines import NewlineMender
from satellite.smtp.trace import own_hop

HOPS_MAX = 100  # RFC 5321 section 6.3
# Of them our own. Mail that customers forward to each other, or a list sends back, passes us a few
# times; each pass is a scan.
OWN_HOPS_MAX = 5

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
        "_crs",
        "_header_tail",
        "_last",
        "_lfs",
        "_limits",
        "_line_octets",
        "_mender",
        "_pairs",
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
        self._crs = self._lfs = self._pairs = 0
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
        if self._mender is not None:
            octets = self._mender.mend(octets, ended=self.ended)
        self.size += len(octets)
        if self.size > self._limits.message_bytes_max:
            self._blame(Fault.SIZE)
        if self._header_tail is not None:
            self._count_hops(self._header_tail, octets)
        return octets

    def _inspect(self, block: bytes) -> None:
        """Look for bare CR and LF by counting: each must be half of a pair."""
        lfs = block.count(b"\n")
        self._lfs += lfs
        self._crs += block.count(b"\r")
        self._pairs += block.count(b"\r\n") + (self._last == _CR and block[0] == _LF)
        self._last = block[-1]
        open_pair = self._last == _CR  # its LF may still come
        if self._mender is None and (
            self._lfs != self._pairs or self._crs - open_pair != self._pairs or b"\0" in block
        ):
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


def _length_of_partial_end(data: bytes) -> int:
    return next((len(part) for part in _PARTS_OF_END if data.endswith(part)), 0)
