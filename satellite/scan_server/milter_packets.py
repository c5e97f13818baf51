"""What do a mail server and a milter say to each other, as octets?

Pure. A packet is its length in four octets, big-endian, then a letter, then what the letter says.
Lengths are bounded, texts end with NUL, and whatever else comes is an error of the peer: there is
nothing to go on with then.

Source: libmilter's mfdef.h (protocol version 6) and Postfix's MILTER_README; there is no RFC.
"""

from __future__ import annotations

import struct
from enum import IntFlag

from common.address import canonical_ip
from common.errors import PeerError
from common.frozen import dataclass

PACKET_BYTES_MAX = 1 << 20  # Postfix sends 64 KiB of a body, and a header of 100 KiB at the most
VERSION = 6
WORDS_MAX = 200  # texts in one packet: macros, or the parameters of MAIL


class MilterError(PeerError):
    """A mail server said what is no milter packet, or not what may come now."""


class MilterAction(IntFlag):
    """What a milter may do with a message."""

    ADD_HEADERS = 0x01
    DELETE_RECIPIENTS = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20


class MilterStep(IntFlag):
    """What of the conversation is left out; a bit is used where the mail server offers it."""

    NO_UNKNOWN = 0x100
    UNANSWERED_HEADER = 0x80
    UNANSWERED_CONNECT = 0x1000
    UNANSWERED_HELO = 0x2000
    UNANSWERED_MAIL = 0x4000
    UNANSWERED_RCPT = 0x8000
    UNANSWERED_DATA = 0x10000
    UNANSWERED_UNKNOWN = 0x20000
    UNANSWERED_EOH = 0x40000
    UNANSWERED_BODY = 0x80000
    LEADING_SPACE = 0x100000  # a header's value comes, and goes back, with what follows its colon


UNANSWERED = {
    b"C": MilterStep.UNANSWERED_CONNECT,
    b"H": MilterStep.UNANSWERED_HELO,
    b"M": MilterStep.UNANSWERED_MAIL,
    b"R": MilterStep.UNANSWERED_RCPT,
    b"T": MilterStep.UNANSWERED_DATA,
    b"L": MilterStep.UNANSWERED_HEADER,
    b"N": MilterStep.UNANSWERED_EOH,
    b"B": MilterStep.UNANSWERED_BODY,
    b"U": MilterStep.UNANSWERED_UNKNOWN,
}
NEEDED = MilterAction.ADD_HEADERS | MilterAction.CHANGE_HEADERS

CONTINUE = b"\x00\x00\x00\x01c"
ACCEPT = b"\x00\x00\x00\x01a"
DISCARD = b"\x00\x00\x00\x01d"
TEMPFAIL = b"\x00\x00\x00\x01t"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides can do.

    Args:
        actions: what we may do with a message.
        steps: what is left out.
    """

    actions: MilterAction
    steps: MilterStep

    def is_unanswered(self, letter: bytes) -> bool:
        """Say whether nothing is answered to a packet."""
        step = UNANSWERED.get(letter)
        return step is not None and bool(self.steps & step)


def length_of(prefix: bytes) -> int:
    """Return how many octets follow the four of a packet's length.

    Raises:
        MilterError: it is none that may be.
    """
    (length,) = struct.unpack("!I", prefix)
    if not 1 <= length <= PACKET_BYTES_MAX:
        raise MilterError(f"a packet of {length} octets")
    return int(length)


def packet(letter: bytes, data: bytes = b"") -> bytes:
    """Return a packet."""
    return struct.pack("!I", 1 + len(data)) + letter + data


def negotiated(data: bytes) -> Agreed:
    """Return what is agreed on, from what the mail server offers.

    Raises:
        MilterError: it is too old, or does not let us write header lines.
    """
    if len(data) != 12:
        raise MilterError("an offer of another length")
    version, actions, steps = struct.unpack("!III", data)
    ours = (
        MilterAction.ADD_HEADERS
        | MilterAction.CHANGE_HEADERS
        | MilterAction.DELETE_RECIPIENTS
        | MilterAction.QUARANTINE
    )
    agreed = Agreed(
        ours & MilterAction(actions & ours), _all_steps() & MilterStep(steps & _all_steps())
    )
    if version < 2 or NEEDED & ~agreed.actions:
        raise MilterError(f"version {version} with actions {actions:#x} is not enough")
    return agreed


def _all_steps() -> MilterStep:
    return MilterStep(sum(MilterStep))


def negotiation(agreed: Agreed, *, version: int) -> bytes:
    """Return the answer to an offer."""
    return packet(b"O", struct.pack("!III", min(version, VERSION), agreed.actions, agreed.steps))


def version_of(data: bytes) -> int:
    """Return the protocol version of an offer that was negotiated."""
    return int.from_bytes(data[:4], "big")


def texts(data: bytes) -> list[bytes]:
    """Return the texts of a packet, each of which ends with NUL.

    Raises:
        MilterError: the last one does not, or there are too many.
    """
    if not data:
        return []
    if not data.endswith(b"\0") or data.count(b"\0") > WORDS_MAX:
        raise MilterError("texts that are none")
    return data[:-1].split(b"\0")


def client_of(data: bytes) -> str:
    """Return the client's address in canonical text from CONNECT; empty: it has none.

    Raises:
        MilterError: it is no CONNECT.
    """
    _, nul, rest = data.partition(b"\0")
    if not nul or not rest:
        raise MilterError("CONNECT without a family")
    family, rest = rest[:1], rest[1:]
    if family not in b"46" or len(rest) < 3:
        return ""
    text = rest[2:].rstrip(b"\0").decode("ascii", "replace")
    try:
        return canonical_ip(text[5:] if text[:5].lower() == "ipv6:" else text)
    except ValueError:
        return ""


def reply_code(text: str) -> bytes:
    """Return the packet that answers the client with an SMTP reply.

    Args:
        text: its one line, ``550 5.7.1 why``; a percent sign would begin a format.
    """
    return packet(b"y", text.replace("%", "%%").encode("ascii") + b"\0")


def held(reason: str) -> bytes:
    """Return the packet that has the mail server hold the message."""
    return packet(b"q", _printable(reason) + b"\0")


def inserted(name: bytes, value: bytes, *, index: int) -> bytes:
    """Return the packet that inserts a header field before the one at ``index``, from 0."""
    return packet(b"i", struct.pack("!I", index) + name + b"\0" + value + b"\0")


def changed(name: bytes, value: bytes, *, number: int) -> bytes:
    """Return the packet that changes a field, or deletes it where the value is empty.

    Args:
        number: which of those with this name, from 1.
    """
    return packet(b"m", struct.pack("!I", number) + name + b"\0" + value + b"\0")


def without_recipient(path: bytes) -> bytes:
    """Return the packet that takes a recipient away; the path as it came in RCPT."""
    return packet(b"-", path + b"\0")


def _printable(text: str) -> bytes:
    return "".join(c if " " <= c <= "~" else "?" for c in text[:200]).encode("ascii")
