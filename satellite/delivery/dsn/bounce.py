"""What is the text of a DSN: of mail that failed, is late, or was relayed?

Pure: ids and the time come in as arguments. A DSN has three parts: words for people, fields for
programs, and what is returned of the message: its header, or on RET=FULL all of it. The third is
left out when the content was lost. It goes to the envelope sender, from nobody, so that it cannot
be answered.

Source: RFC 3461 section 6, RFC 3464 (delivery status), RFC 6522 (multipart/report), RFC 6533
(addresses beyond ASCII), RFC 3834 (automatic mail), RFC 2047 (our subject beyond ASCII).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from common.envelope import DsnParameters, Envelope, Notify
from common.ids import MessageId
from common.preferences.policy import DsnLanguage
from common.states import State
from satellite.delivery.decisions.outcome import (
    STATUS_DELAYED,
    STATUS_UNREACHABLE,
    DsnAction,
    Fate,
)
from satellite.delivery.decisions.reply import ENHANCED
from satellite.delivery.dsn.languages import SENTENCES
from satellite.delivery.dsn.returned import Part, returned_part
from satellite.delivery.dsn.status_part import Reporter, field_date, lines, status_groups
from satellite.delivery.dsn.words import words_of
from satellite.spool.model.messages import Copy, NewMessage, Origin, Recipient, Stored

ENCODED_WORD_LENGTH_MAX = 75  # RFC 2047 section 2
CODE_LENGTH = len("450 ")  # of a reply, before its enhanced status code


def report(
    message: Stored,
    fates: Sequence[Fate],
    *,
    start: bytes | None,
    report_id: MessageId,
    now_us: int,
    reporter: Reporter,
    language: DsnLanguage = DsnLanguage.ENGLISH,
) -> NewMessage:
    """Return the DSN for recipients of a message to whom the same happened at one time.

    Args:
        message: the message.
        fates: one or more, all of one action, of recipients about whom there is no ``silence``.
        start: the first ``returned_bytes`` of its body; None when it cannot be read.
        report_id: the DSN's own.
        now_us: microseconds since the epoch, UTC.
        reporter: who we are.
        language: of what people read in it.
    """
    assert message.envelope.sender
    (action,) = {fate.action for fate in fates}
    sender = message.envelope.sender
    wide = not sender.isascii()  # only then can it go out as an internationalised message
    groups = status_groups(message, fates, reporter, now_us=now_us, wide=wide)
    kind = "message/global-delivery-status" if wide else "message/delivery-status"
    words = words_of(
        message, fates, language=language, reporter=reporter, is_content_lost=start is None
    )
    parts = [words, Part(kind, groups)]
    if start is not None:
        parts.append(returned_part(message, action, start, wide=wide))
    boundary = f"=_{report_id}"
    subject = SENTENCES[language].subjects[action]
    head = _head(subject, sender, boundary, report_id=report_id, now_us=now_us, reporter=reporter)
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
        subject=subject,
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
    language: DsnLanguage = DsnLanguage.ENGLISH,
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
        language: of what people read in it.
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
        message,
        fates,
        start=start,
        report_id=report_id,
        now_us=now_us,
        reporter=reporter,
        language=language,
    )


def _status_late(recipient: Recipient) -> str:
    said = ENHANCED.match(recipient.reply, CODE_LENGTH)
    if said is not None and said[0].startswith("4."):
        return said[0]
    return STATUS_UNREACHABLE if recipient.state is State.HELD else STATUS_DELAYED


def _why_late(recipient: Recipient, diagnostic: str) -> str:
    if recipient.reply and not diagnostic:
        return f"smtp; {recipient.reply}"
    text = diagnostic or recipient.reason
    return f"X-BorderScout; {text}" if text else ""


def _head(
    subject: str,
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
        f"Subject: {_encoded(subject)}",
        f"Date: {field_date(now_us)}",
        f"Message-ID: <{report_id}@{reporter.mail_domain}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
        "",
    )


def _encoded(text: str) -> str:
    """Return a subject of ours as a header field holds it: RFC 2047 section 2, one encoded word."""
    if text.isascii():
        return text
    word = f"=?utf-8?B?{b64encode(text.encode()).decode('ascii')}?="
    assert len(word) <= ENCODED_WORD_LENGTH_MAX
    return word
