"""What is the text of a DSN: of mail that failed, is late, or was relayed?

Pure: ids and the time come in as arguments. A DSN has three parts: words for people, fields for
programs, and what is returned of the message: its header, or on RET=FULL all of it. The third is
left out when the content was lost. It goes to the envelope sender, from nobody, so that it cannot
be answered.

Source: RFC 3461 section 6, RFC 3464 (delivery status), RFC 6522 (multipart/report), RFC 6533
(addresses beyond ASCII), RFC 3834 (automatic mail).
"""

from __future__ import annotations

import quopri
from collections.abc import Sequence

from common.envelope import DsnParameters, Envelope, Notify
from common.ids import MessageId
from common.states import State
from common.verdict import printable
from satellite.delivery.decisions.outcome import (
    STATUS_DELAYED,
    STATUS_EXPIRED,
    STATUS_UNREACHABLE,
    DsnAction,
    Fate,
)
from satellite.delivery.decisions.reply import ENHANCED, TEXT_LENGTH_MAX
from satellite.delivery.dsn.returned import Part, returned_part
from satellite.delivery.dsn.status_part import Reporter, field_date, lines, status_groups
from satellite.spool.model.messages import Copy, NewMessage, Origin, Recipient, Stored

SUBJECT_LENGTH_MAX = 200  # characters, of a message whose content was lost
SUBJECTS = {
    DsnAction.FAILED: "Mail could not be delivered",
    DsnAction.DELAYED: "Mail has not been delivered yet",
    DsnAction.RELAYED: "Mail was passed on",
}
_BEFORE = {
    DsnAction.FAILED: "Your message could not be delivered to:",
    DsnAction.DELAYED: "Your message has not been delivered yet to:",
    DsnAction.RELAYED: "Your message was passed on, and no more will be heard of it, for:",
}
_AFTER = {
    DsnAction.FAILED: "It will not be tried again.",
    DsnAction.DELAYED: "It will be tried again; nothing needs to be done.",
    DsnAction.RELAYED: "The next mail server took it, and gives no notice of delivery.",
}

_ATTACHED = ("What is returned of it is attached.",)


def report(
    message: Stored,
    fates: Sequence[Fate],
    *,
    start: bytes | None,
    report_id: MessageId,
    now_us: int,
    reporter: Reporter,
) -> NewMessage:
    """Return the DSN for recipients of a message to whom the same happened at one time.

    Args:
        message: the message.
        fates: one or more, all of one action, of recipients about whom there is no ``silence``.
        start: the first ``returned_bytes`` of its body; None when it cannot be read.
        report_id: the DSN's own.
        now_us: microseconds since the epoch, UTC.
        reporter: who we are.
    """
    assert message.envelope.sender
    (action,) = {fate.action for fate in fates}
    sender = message.envelope.sender
    wide = not sender.isascii()  # only then can it go out as an internationalised message
    groups = status_groups(message, fates, reporter, now_us=now_us, wide=wide)
    kind = "message/global-delivery-status" if wide else "message/delivery-status"
    returning = _ATTACHED if start is not None else _lost(message)
    parts = [_words(action, fates, reporter, returning), Part(kind, groups)]
    if start is not None:
        parts.append(returned_part(message, action, start, wide=wide))
    boundary = f"=_{report_id}"
    head = _head(action, sender, boundary, report_id=report_id, now_us=now_us, reporter=reporter)
    body = head.encode()
    body += b"".join(b"--" + boundary.encode() + b"\r\n" + part.octets for part in parts)
    body += f"--{boundary}--\r\n".encode()
    envelope = Envelope(
        client_address="",
        helo=reporter.hostname,
        sender="",
        recipients=(sender,),
        smtputf8=wide,
        eight_bit=not body.isascii(),
        dsn_parameters=(
            DsnParameters(notify=frozenset({Notify.NEVER})),
        ),  # nobody is told of a DSN's fate
    )
    return NewMessage(
        id=report_id,
        origin=Origin.BOUNCE,
        envelope=envelope,
        body=body,
        copy=Copy(head=b""),
        subject=SUBJECTS[action],
    )


def delayed(
    message: Stored,
    recipients: Sequence[Recipient],
    *,
    start: bytes | None,
    report_id: MessageId,
    now_us: int,
    retry_until_us: int,
    reporter: Reporter,
    diagnostic: str = "",
) -> NewMessage:
    """Return the notice that a message is late for some recipients.

    Args:
        message: the message.
        recipients: one or more, from ``notices.told(message, …, Notify.DELAY)``.
        start: as in ``report``.
        report_id: the notice's own.
        now_us: microseconds since the epoch, UTC.
        retry_until_us: the wall clock at which we expect to give up.
        reporter: who we are.
        diagnostic: why it is late, in our words; without it each recipient's last reply or reason.
    """
    fates = [
        Fate(
            recipient=recipient,
            action=DsnAction.DELAYED,
            status=_status_late(recipient),
            diagnostic=_why_late(recipient, diagnostic),
            retry_until_us=retry_until_us,
        )
        for recipient in recipients
    ]
    return report(
        message, fates, start=start, report_id=report_id, now_us=now_us, reporter=reporter
    )


def _status_late(recipient: Recipient) -> str:
    said = ENHANCED.search(recipient.reply)
    if said is not None and said[0].startswith("4."):
        return said[0]
    return STATUS_UNREACHABLE if recipient.state is State.HELD else STATUS_DELAYED


def _why_late(recipient: Recipient, diagnostic: str) -> str:
    if recipient.reply and not diagnostic:
        return f"smtp; {recipient.reply}"
    text = diagnostic or recipient.reason
    return f"X-BorderScout; {text}" if text else ""


def _head(
    action: DsnAction,
    sender: str,
    boundary: str,
    *,
    report_id: MessageId,
    now_us: int,
    reporter: Reporter,
) -> str:
    return lines(
        f"From: Mail Delivery System <MAILER-DAEMON@{reporter.mail_domain}>",
        f"To: <{sender}>",
        f"Subject: {SUBJECTS[action]}",
        f"Date: {field_date(now_us)}",
        f"Message-ID: <{report_id}@{reporter.mail_domain}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
        "",
    )


def _words(
    action: DsnAction, fates: Sequence[Fate], reporter: Reporter, returning: Sequence[str]
) -> Part:
    said = [f"This is the mail gateway {reporter.hostname}.", "", _BEFORE[action], ""]
    for fate in fates:
        said += [f"<{fate.recipient.address}>", f"    {_why(fate)}", ""]
    said += [_AFTER[action], *returning, ""]
    text = "\r\n".join(said).encode()
    if text.isascii():
        return Part("text/plain; charset=us-ascii", text)
    quoted = quopri.encodestring(text).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return Part("text/plain; charset=utf-8", quoted, encoding="quoted-printable")


def _lost(message: Stored) -> tuple[str, ...]:
    """Return what tells which message it was, when nothing of it can be returned."""
    known = f"It came on {field_date(message.received_us)} and had {message.size} octets."
    subject = printable(message.subject, length_max=SUBJECT_LENGTH_MAX)
    about = (f"Its subject was: {subject}",) if subject else ()
    return ("Its content was lost here, so nothing of it is returned.", known, *about)


def _why(fate: Fate) -> str:
    text = printable(fate.diagnostic.partition("; ")[2], length_max=TEXT_LENGTH_MAX)
    match fate.action:
        case DsnAction.DELAYED if fate.retry_until_us:
            until = f"it will be tried until {field_date(fate.retry_until_us)}"
            return f"{until}; the last answer was: {text}" if text else until
        case DsnAction.FAILED if fate.status == STATUS_EXPIRED:
            return f"it could not be delivered in time; the last answer was: {text}"
        case _:
            host = printable(fate.remote_host)
            by = f"{host} answered: " if host and fate.diagnostic.startswith("smtp;") else ""
            return f"{by}{text}"
