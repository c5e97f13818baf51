"""What do programs write?

Pure. Bounces, notices, lists, calendars: mail that must neither be answered nor broken.
Source: RFC 3464 (DSN), 8098 (MDN), 3834 (automatic answers), 2369 and 2919 (lists), 8058
(one-click), 6047 (iMIP), 8617 (ARC).
"""

from __future__ import annotations

from tests.mail.pieces import (
    DATE,
    Part,
    header,
    html,
    in_base64,
    message,
    multipart,
    plain,
    text,
    usual,
    whole,
)
from tests.mail.specimens import specimens

_DAEMON = "Mail Delivery System <MAILER-DAEMON@sender.example>"


def bounce() -> bytes:
    status = Part(
        ("Content-Type: message/delivery-status",),
        text(
            "Reporting-MTA: dns; mx.sender.example\nArrival-Date: Mon, 2 Mar 2026 09:00:00 +0000\n"
            "\nFinal-Recipient: rfc822; nobody@sender.example\nAction: failed\nStatus: 5.1.1\n"
            "Diagnostic-Code: smtp; 550 5.1.1 no such user\n"
        ),
    )
    returned = Part(
        ("Content-Type: text/rfc822-headers",),
        header("From: bo@acme.example", "To: nobody@sender.example", "Subject: Hello"),
    )
    report = multipart(
        "report",
        "dsn-1",
        plain("Your message could not be delivered.\n", "us-ascii", "7bit"),
        status,
        returned,
        parameters="; report-type=delivery-status",
    )
    return whole(
        usual(
            "Undelivered Mail Returned to Sender", "Auto-Submitted: auto-replied", sender=_DAEMON
        ),
        report,
    )


def read_receipt() -> bytes:
    notice = Part(
        ("Content-Type: message/disposition-notification",),
        text(
            "Reporting-UA: mail.sender.example; Example Mail 4\n"
            "Final-Recipient: rfc822; ada@sender.example\n"
            "Original-Message-ID: <hello@acme.example>\n"
            "Disposition: manual-action/MDN-sent-manually; displayed\n"
        ),
    )
    report = multipart(
        "report",
        "mdn-1",
        plain("Your message was displayed.\n", "us-ascii", "7bit"),
        notice,
        parameters="; report-type=disposition-notification",
    )
    return whole(usual("Read: Hello"), report)


def vacation() -> bytes:
    return message(
        usual(
            "Out of office: Hello",
            "Auto-Submitted: auto-replied",
            "X-Auto-Response-Suppress: All",
            "Precedence: bulk",
            "In-Reply-To: <hello@acme.example>",
            "Content-Type: text/plain; charset=us-ascii",
        ),
        text("I am away until 9 March.\n"),
    )


def invitation() -> bytes:
    calendar = Part(
        ("Content-Type: text/calendar; charset=utf-8; method=REQUEST",),
        text(
            "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//sender.example//EN\nMETHOD:REQUEST\n"
            "BEGIN:VEVENT\nUID:42@sender.example\nDTSTAMP:20260302T093000Z\n"
            "DTSTART:20260309T090000Z\nDTEND:20260309T100000Z\nSUMMARY:Weekly\n"
            "ORGANIZER:mailto:ada@sender.example\nATTENDEE;RSVP=TRUE:mailto:bo@acme.example\n"
            "END:VEVENT\nEND:VCALENDAR\n"
        ),
    )
    parts = (plain("You are invited.\n"), calendar)
    return whole(usual("Invitation: Weekly"), multipart("alternative", "cal-1", *parts))


def mailing_list() -> bytes:
    """List fields, and an ARC set of one hop, as a list server adds them (its seal is made up)."""
    head = header(
        "ARC-Seal: i=1; a=rsa-sha256; d=lists.example; s=arc; t=1772443800; cv=none;\n"
        "\tb=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=lists.example; s=arc;\n"
        "\th=from:subject; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;\n"
        "\tb=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ARC-Authentication-Results: i=1; lists.example; dkim=pass header.d=sender.example",
        "Received: from mail.sender.example (mail.sender.example [192.0.2.7])\n"
        "\tby lists.example with ESMTPS id 4XyZ; Mon, 2 Mar 2026 09:29:58 +0000",
        "Sender: talk-bounces@lists.example",
        "List-Id: Talk <talk.lists.example>",
        "List-Unsubscribe: <https://lists.example/unsubscribe/talk>,\n"
        " <mailto:talk-request@lists.example?subject=unsubscribe>",
        "List-Post: <mailto:talk@lists.example>",
        "Precedence: list",
    )
    return message(
        head + usual("[talk] Release 4", to="talk@lists.example"),
        text("Release 4 is out.\n\n_______________\ntalk mailing list\n"),
    )


def newsletter() -> bytes:
    page = "<html><body>" + "".join(
        f'<p>Item {n}: <a href="https://news.example/{n}?u=abc">read on</a></p>\n'
        for n in range(40)
    )
    pixel = '<img src="https://news.example/open.gif" width="1" height="1"></body></html>\n'
    head = usual(
        "This week: 20% off everything!",
        "List-Unsubscribe: <https://news.example/u/abc>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Feedback-ID: 1:news:example",
        sender="News <news@news.example>",
    )
    parts = (plain("See the web version.\n"), html(page + pixel))
    return whole(head, multipart("alternative", "news-1", *parts))


def cron_output() -> bytes:
    """No Message-ID, no MIME, the name in the old form with a comment."""
    head = header(
        "From: root (Cron Daemon)",
        "To: root",
        "Subject: Cron <root@host4> /usr/local/bin/backup",
        f"Date: {DATE}",
        "X-Cron-Env: <SHELL=/bin/sh>",
    )
    return message(head, text("rsync: 12 files\n"))


def voice_mail() -> bytes:
    sound = b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00\x80>\x00\x00"
    sound += b"\x02\x00\x10\x00data\x00\x00\x00\x00"
    part = Part(
        (
            "Content-Type: audio/x-wav",
            "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment;\n filename*0*=utf-8''Nachricht%20von%20;\n"
            " filename*1*=J%C3%BCrgen.wav",
        ),
        in_base64(sound),
    )
    return whole(
        usual("Voice mail from +44 20 7946 0000"),
        multipart("mixed", "voice-1", plain("7 seconds.\n"), part),
    )


def delivery_report_of_a_list_server() -> bytes:
    """A bounce that is none by its form: text only, from a null-like sender."""
    head = usual("Mail failure", sender="postmaster@old.example", to="ada@acme.example")
    return message(head, text("Message to <gone@old.example> failed: mailbox closed.\n"))


SPECIMENS = specimens(
    bounce,
    read_receipt,
    vacation,
    invitation,
    mailing_list,
    newsletter,
    cron_output,
    voice_mail,
    delivery_report_of_a_list_server,
)
