"""Does the message end where RFC 5321 says, however its octets are cut?

Pure. The scanner is held against the plainest reading of section 4.5.2, and what goes out to the
next hop is read back.
"""

from __future__ import annotations

from satellite.delivery.hop.stuffing import Stuffing
from satellite.smtp.data import DataLimits, DataScanner, Fault

READS_MAIL = True
WORDS = (b".\r\n", b"\r\n.", b"\r\n..\r\n", b"\r.\r\n", b"\n.\n", b"Received: x\r\n", b"\r", b"\n")
LIMITS = DataLimits(message_bytes_max=50_000, line_bytes_max=1_000, hops_max=20)
PIECES_MAX = 1_000


def target(data: bytes) -> None:
    """Scan a message, whole and in pieces, and hold it against the plain reading."""
    if not data:
        return
    whole, octets = _scanned(data, step=len(data))
    pieces, same = _scanned(data, step=max(1 + len(data) % 5, len(data) // PIECES_MAX))

    assert octets == same == _plainly_read(data, ended=whole.ended)[: len(octets)]
    assert (whole.ended, whole.rest) == (pieces.ended, pieces.rest)
    if whole.ended:
        assert octets == _plainly_read(data, ended=True)
        assert _is_wrong(octets, stuffed=data[: len(data) - len(whole.rest)]) is bool(whole.fault)
        assert bool(whole.fault) is bool(pieces.fault)
        assert (whole.size, whole.hops) == (pieces.size, pieces.hops) == (len(octets), whole.hops)
    _check_round_trip(octets if whole.ended and whole.fault is None else b"")


def _scanned(data: bytes, *, step: int) -> tuple[DataScanner, bytes]:
    scanner, octets, place = DataScanner(LIMITS), bytearray(), 0
    while place < len(data) and not scanner.ended:
        octets += scanner.feed(data[place : place + step])
        place += step
    if scanner.ended:
        scanner.rest += data[place:]
    return scanner, bytes(octets)


def _plainly_read(data: bytes, *, ended: bool) -> bytes:
    text = b"\r\n" + data  # a dot may stand on the first line
    if ended:
        text = text[: text.index(b"\r\n.\r\n") + 2]
    return text.replace(b"\r\n.", b"\r\n")[2:]


def _is_wrong(octets: bytes, *, stuffed: bytes) -> bool:
    header = (b"\r\n" + octets).partition(b"\r\n\r\n")[0]
    bare = stuffed.replace(b"\r\n", b"")
    return (
        len(octets) > LIMITS.message_bytes_max
        or b"\r" in bare
        or b"\n" in bare
        or b"\0" in stuffed
        or any(len(line) + 1 > LIMITS.line_bytes_max for line in stuffed.split(b"\n")[:-1])
        or header.lower().count(b"\nreceived:") > LIMITS.hops_max
    )


def _check_round_trip(message: bytes) -> None:
    stuffing = Stuffing()
    half = len(message) // 2
    sent = stuffing.feed(message[:half]) + stuffing.feed(message[half:]) + stuffing.end()
    scanner, octets = _scanned(sent, step=len(sent))

    assert scanner.ended
    assert scanner.rest == b""
    assert scanner.fault in (None, Fault.LINE_LENGTH)  # a dot that was doubled makes a line longer
    assert octets == message
