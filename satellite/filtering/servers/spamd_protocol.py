"""What is said to SpamAssassin's spamd, and what do its replies mean?

Pure. spamd has no words for the envelope: it is told as two header fields before the message, of
the form that SpamAssassin reads, so that its tests of the client see ours and not a forged one.

Source: SpamAssassin 4.0, spamd/PROTOCOL; Mail::SpamAssassin::Conf, *envelope_sender_header*.
"""

from __future__ import annotations

import ipaddress
import re
from email.utils import formatdate

from common.envelope import Envelope
from common.frozen import dataclass
from common.lessons import LessonOutcome, Truth
from common.verdict import printable
from satellite.filtering.filter import Learned
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.taken_over import TOTAL_MAX, Symbol, clamped

REPLY_BYTES_MAX = 262_144
LINES_MAX = 2_000
HEAD_LINES_MAX = 50
EX_UNAVAILABLE = 69
USER_PATTERN = r"^[A-Za-z0-9._@+-]{0,100}$"

_FIRST = re.compile(rb"SPAMD/[0-9]{1,3}\.[0-9]{1,3} ([0-9]{1,5}) ?([\x20-\x7e]{0,200})")
_SPAM = re.compile(rb"(True|False|Yes|No) ; (-?[0-9.a-z]{1,20}) / (-?[0-9.a-z]{1,20})")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_NUMBER = re.compile(rb"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")
# A line of the report's summary: points, name, the beginning of what it is about.
_REPORTED = re.compile(r" {0,3}(-?[0-9]{1,4}(?:\.[0-9]{1,4})?) +([A-Za-z_][A-Za-z0-9_]{2,}) *(.*)")
_IN_TRACE = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
_IN_ADDRESS = re.compile(r"[^!-~]|[<>]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamdReply:
    """What spamd said of a message.

    Args:
        score, required: as it says.
        symbols: what it found; without points where it does not tell them.
    """

    score: float
    required: float
    symbols: tuple[Symbol, ...]


def question(command: str, message: bytes, *, user: str) -> bytes:
    """Return what is sent before the message.

    Args:
        command: ``REPORT``, ``SYMBOLS``, ``CHECK`` or ``PING``.
        message: what will follow.
        user: whose preferences hold at spamd; empty: its own.
    """
    lines = [f"{command} SPAMC/1.5", f"Content-length: {len(message)}"]
    if user:
        lines.append(f"User: {user}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def tell(message: bytes, *, truth: Truth, user: str) -> bytes:
    """Return what is sent before a message that spamd is to learn; it unlearns the contrary.

    Args:
        message: what will follow.
        truth: what it is.
        user: for whom it is learned.
    """
    lines = [
        "TELL SPAMC/1.5",
        f"Content-length: {len(message)}",
        f"Message-class: {truth}",
        "Set: local",
        f"User: {user}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def told(said: bytes) -> Learned:
    """Return what spamd made of a message that it was to learn.

    It does not say whether it knew it, or learns nothing at all since Bayes is off.

    Raises:
        Nonsense: it is no reply, or says that spamd failed.
    """
    first, *lines = said.partition(b"\r\n\r\n")[0].split(b"\r\n")[:HEAD_LINES_MAX]
    found = _FIRST.fullmatch(first)
    shown = printable(first[:160].decode("latin-1"))
    if found is None:
        raise Nonsense(f"spamd speaks another protocol: {shown!r}")
    if int(found[1]) == EX_UNAVAILABLE:
        return Learned(LessonOutcome.AWAY, f"{shown}; start it with --allow-tell")
    if int(found[1]) != 0:
        raise Nonsense(f"spamd failed: {shown}")
    did = dict(_field(line) for line in lines).get(b"didset", b"")
    return Learned(LessonOutcome.LEARNED if b"local" in did else LessonOutcome.KNOWN)


def envelope_fields(envelope: Envelope, *, now_us: int) -> bytes:
    """Return the fields that tell spamd where the message came from.

    The message's own fields of these names stand below our ``Received``, where SpamAssassin does
    not trust them: a forged sender leaves it with none, and never with that one.

    Args:
        envelope: the message's.
        now_us: the time, microseconds since the epoch, UTC.
    """
    helo = _IN_TRACE.sub("_", envelope.helo[:255]) or "unknown"
    client = _IN_TRACE.sub("_", envelope.client_address[:50]) or "127.0.0.1"
    if ":" in client and not _is_ipv6(client):
        client = "127.0.0.1"
    sender = _IN_ADDRESS.sub("_", envelope.sender[:320])
    date = formatdate(now_us / 1_000_000, usegmt=True).replace("GMT", "+0000")
    shown = f"IPv6:{client}" if ":" in client else client
    return (
        f"X-Envelope-From: <{sender}>\r\n"
        f"Received: from {helo} (unknown [{shown}])\r\n"
        f"\tby localhost (Postfix) with ESMTP id 0000000000;\r\n"
        f"\t{date}\r\n"
    ).encode("ascii")


def reply(said: bytes) -> SpamdReply:
    """Return what a whole reply says.

    Raises:
        Nonsense: it is none, half of one, or says that spamd failed.
    """
    head, fields, body = _parts(said)
    verdict = _SPAM.fullmatch(fields.get(b"spam", b""))
    if verdict is None:
        raise Nonsense(f"spamd's reply has no score: {head}")
    numbers = [verdict[2], verdict[3]]
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        raise Nonsense(f"spamd's score is no number: {printable(repr(numbers))}")
    return SpamdReply(
        score=clamped(float(numbers[0]), most=TOTAL_MAX),
        required=clamped(float(numbers[1]), most=TOTAL_MAX),
        symbols=tuple(_symbols(body.decode("utf-8", "replace"))),
    )


def pong(said: bytes) -> str:
    """Return what spamd calls itself in its answer to ``PING``.

    Raises:
        Nonsense: it is no such answer.
    """
    found = _FIRST.match(said)
    if found is None or found[1] != b"0" or found[2] != b"PONG":
        raise Nonsense(f"spamd answers PING with {printable(said[:80].decode('latin-1'))!r}")
    return said.split(b" ")[0].decode("ascii")


def _parts(said: bytes) -> tuple[str, dict[bytes, bytes], bytes]:
    head, blank, body = said.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")[:HEAD_LINES_MAX]
    found = _FIRST.fullmatch(first)
    shown = printable(first[:100].decode("latin-1"))
    if found is None:
        raise Nonsense(f"spamd speaks another protocol: {shown!r}")
    if int(found[1]) != 0:
        raise Nonsense(f"spamd failed: {shown}")
    fields = dict(_field(line) for line in lines)
    length = fields.get(b"content-length", b"%d" % len(body))  # CHECK has none
    if not blank or not _LENGTH.fullmatch(length) or int(length) != len(body):
        raise Nonsense("spamd's reply is not whole")
    return shown, fields, body


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _symbols(body: str) -> list[Symbol]:
    """Return the symbols of a list (SYMBOLS) or of a report's summary (REPORT)."""
    text = body.strip()
    if "\n" not in text and " " not in text:
        return [Symbol(name=name, score=0.0) for name in text.split(",")[:LINES_MAX] if name]
    lines = text.splitlines()[:LINES_MAX]
    found = (_REPORTED.fullmatch(line.rstrip()) for line in lines)
    return [
        Symbol(name=match[2], score=clamped(float(match[1])), detail=match[3])
        for match in found
        if match is not None
    ]


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False
