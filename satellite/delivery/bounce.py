"""What does the sender read when mail cannot be delivered?

Pure: ids and the time come in as arguments. A DSN has three parts: words for people, fields for
programs, and the header of the lost message; never its body. It goes to the envelope sender, from
nobody, so that it cannot be answered.

Source: RFC 3464 (delivery status), RFC 6522 (multipart/report), RFC 6533 (addresses beyond ASCII),
RFC 3834 (automatic mail).
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from common.address import AddressError, parse_address
from common.envelope import Envelope
from common.ids import MessageId
from common.verdict import printable
from satellite.delivery.outcome import STATUS_EXPIRED, Failure
from satellite.delivery.reply import TEXT_LENGTH_MAX
from satellite.spool.messages import Copy, NewMessage, Origin, Stored

HEADER_BYTES_MAX = 16_384  # of the lost message's header that goes back
LINE_BYTES_MAX = 998  # RFC 5322 section 2.1.1
SUBJECT = "Mail could not be delivered"

_STRAY = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # what must not stand inside a line
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Who makes the report."""

    hostname: str
    mail_domain: str


def may_be_told(message: Stored) -> bool:
    """Say whether the sender of a message is told that it failed.

    Never the null sender, which is how two servers would bounce to each other for ever; never for a
    DSN of our own; and not an address that cannot be one.
    """
    if not message.envelope.sender or message.origin is Origin.BOUNCE:
        return False
    try:
        parse_address(message.envelope.sender)
    except AddressError:
        return False
    return True


def header_of(start: bytes) -> bytes:
    """Return the header section at the start of a message, bounded and safe to quote.

    Each line is whole, at most 998 octets, and free of stray control characters; what is too long
    ends the header.
    """
    lines: list[bytes] = []
    taken = 0
    for line in start.split(b"\r\n"):
        clean = _STRAY.sub(b"?", line)[:LINE_BYTES_MAX]
        taken += len(clean) + 2
        if not line or taken > HEADER_BYTES_MAX:
            break
        lines.append(clean)
    return b"".join(line + b"\r\n" for line in lines)


def bounce(
    message: Stored,
    failures: Sequence[Failure],
    *,
    header: bytes,
    report_id: MessageId,
    now_us: int,
    reporter: Reporter,
) -> NewMessage:
    """Return the DSN for the recipients of a message that failed together.

    Args:
        message: the message; ``may_be_told`` holds for it.
        failures: one or more.
        header: its header section, from ``header_of``.
        report_id: the DSN's own.
        now_us: microseconds since the epoch, UTC.
        reporter: who we are.
    """
    assert failures
    assert may_be_told(message)
    sender = message.envelope.sender
    wide = not sender.isascii()  # only then can it go out as an internationalised message
    boundary = f"=_{report_id}"
    parts = [
        _words(failures, reporter),
        _status(message, failures, reporter, now_us=now_us, wide=wide),
        _returned(header, wide=wide),
    ]
    body = _head(sender, boundary, report_id=report_id, now_us=now_us, reporter=reporter).encode()
    body += b"".join(b"--" + boundary.encode() + b"\r\n" + part for part in parts)
    body += f"--{boundary}--\r\n".encode()
    envelope = Envelope(
        client_address="",
        helo=reporter.hostname,
        sender="",
        recipients=(sender,),
        smtputf8=wide,
        eight_bit=not body.isascii(),
    )
    return NewMessage(
        id=report_id,
        origin=Origin.BOUNCE,
        envelope=envelope,
        body=body,
        copy=Copy(head=b""),
        subject=SUBJECT,
    )


def _head(
    sender: str,
    boundary: str,
    *,
    report_id: MessageId,
    now_us: int,
    reporter: Reporter,
) -> str:
    return _lines(
        f"From: Mail Delivery System <MAILER-DAEMON@{reporter.mail_domain}>",
        f"To: <{sender}>",
        f"Subject: {SUBJECT}",
        f"Date: {_date(now_us)}",
        f"Message-ID: <{report_id}@{reporter.mail_domain}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
        "",
    )


def _words(failures: Sequence[Failure], reporter: Reporter) -> bytes:
    said = [
        f"This is the mail gateway {reporter.hostname}.",
        "",
        "Your message could not be delivered to:",
        "",
    ]
    for failure in failures:
        said += [f"<{failure.address}>", f"    {_why(failure)}", ""]
    said += ["Its header is attached. It will not be tried again.", ""]
    text = "\r\n".join(said).encode()
    if text.isascii():
        return _part("text/plain; charset=us-ascii", text)
    quoted = quopri.encodestring(text).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return _part("text/plain; charset=utf-8", quoted, encoding="quoted-printable")


def _why(failure: Failure) -> str:
    text = printable(failure.diagnostic.partition("; ")[2], length_max=TEXT_LENGTH_MAX)
    if failure.status == STATUS_EXPIRED:
        return f"it could not be delivered in time; the last answer was: {text}"
    host = printable(failure.remote_host)
    by = f"{host} answered: " if host and failure.diagnostic.startswith("smtp;") else ""
    return f"{by}{text}"


def _status(
    message: Stored,
    failures: Sequence[Failure],
    reporter: Reporter,
    *,
    now_us: int,
    wide: bool,
) -> bytes:
    groups = [
        _lines(
            f"Reporting-MTA: dns; {reporter.hostname}",
            f"Arrival-Date: {_date(message.received_us)}",
        )
    ]
    for failure in failures:
        lines = [
            f"Final-Recipient: {_recipient(failure.address, wide=wide)}",
            "Action: failed",
            f"Status: {failure.status}",
        ]
        if failure.remote_host:
            lines.append(f"Remote-MTA: dns; {printable(failure.remote_host)}")
        lines.append(f"Diagnostic-Code: {printable(failure.diagnostic, length_max=600)}")
        lines.append(f"Last-Attempt-Date: {_date(now_us)}")
        groups.append(_lines(*lines))
    content = "\r\n".join(groups).encode()
    kind = "message/global-delivery-status" if wide else "message/delivery-status"
    return _part(kind, content)


def _recipient(address: str, *, wide: bool) -> str:
    if address.isascii():
        return f"rfc822; {address}"
    if wide:
        return f"utf-8; {address}"
    return "utf-8; " + "".join(_xtext(character) for character in address)


def _xtext(character: str) -> str:
    """Return a character as utf-8-addr-xtext has it: RFC 6533 section 3."""
    plain = "!" <= character <= "~" and character not in "+=\\"
    return character if plain else f"\\x{{{ord(character):X}}}"


def _returned(header: bytes, *, wide: bool) -> bytes:
    if not header.isascii() and wide and _is_utf8(header):
        return _part("message/global-headers", header)
    # Where the way back may be 7 bit only, an octet beyond it would not arrive as it was either.
    return _part("text/rfc822-headers", _BEYOND_ASCII.sub(b"?", header))


def _is_utf8(header: bytes) -> bool:
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _part(kind: str, content: bytes, *, encoding: str = "") -> bytes:
    encoding = encoding or ("7bit" if content.isascii() else "8bit")
    head = _lines(f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}", "")
    return head.encode() + content + b"\r\n"


def _lines(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def _date(time_us: int) -> str:
    return format_datetime(datetime.fromtimestamp(time_us / 1_000_000, UTC))
