"""DSNs are what RFC 3464 says, hold no body, and go to nobody who must not get one."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.envelope import Envelope
from common.ids import MessageId
from satellite.delivery.bounce import (
    HEADER_BYTES_MAX,
    Reporter,
    bounce,
    header_of,
    may_be_told,
)
from satellite.delivery.outcome import Failure
from satellite.spool.messages import NewMessage, Origin, Stored

REPORTER = Reporter(hostname="lon1.mx.scout.example", mail_domain="mx.scout.example")
ID = MessageId("01JDQ5W9Y0ABCDEFGHJKMNPQRS")
HEADER = b"Subject: hi\r\nFrom: a@sender.example\r\n"
FAILURE = Failure(
    address="x@acme.example",
    status="5.1.1",
    diagnostic="smtp; 550 5.1.1 No such user",
    remote_host="mail.acme.example:25",
)


def stored(sender: str = "a@sender.example", origin: Origin = Origin.SMTP) -> Stored:
    return Stored(
        id=MessageId("01JDQ5W9Y0000000000000000A"),
        origin=origin,
        envelope=Envelope(
            client_address="192.0.2.7", helo="c", sender=sender, recipients=("x@acme.example",)
        ),
        received_us=1_767_225_600_000_000,
        age_us=0,
        size=10,
        sha256=b"",
        trace=b"",
        revision=1,
        subject="hi",
        scans=1,
        recipients=(),
        copies=(),
        in_file=False,
    )


def made(
    *failures: Failure, sender: str = "a@sender.example", header: bytes = HEADER
) -> NewMessage:
    return bounce(
        stored(sender),
        failures or (FAILURE,),
        header=header,
        report_id=ID,
        now_us=1_767_229_200_000_000,
        reporter=REPORTER,
    )


def parsed(report: NewMessage) -> EmailMessage:
    return email.message_from_bytes(report.body, policy=email.policy.default)


def parts(report: NewMessage) -> list[EmailMessage]:
    return [cast(EmailMessage, part) for part in parsed(report).iter_parts()]


def test_a_report_has_its_three_parts() -> None:
    report = made()
    message = parsed(report)

    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in parts(report)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert not message.defects
    assert not [defect for part in parts(report) for defect in part.defects]


def test_its_head_is_that_of_automatic_mail() -> None:
    report = made()
    message = parsed(report)

    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.scout.example>"
    assert message["To"] == "a@sender.example"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] == f"<{ID}@mx.scout.example>"
    assert message["Date"] == "Thu, 01 Jan 2026 01:00:00 +0000"
    assert report.envelope.sender == ""
    assert report.envelope.recipients == ("a@sender.example",)
    assert report.origin is Origin.BOUNCE


def test_the_status_names_each_failed_recipient() -> None:
    other = Failure(
        address="y@acme.example", status="4.4.7", diagnostic="X-BorderScout; away", remote_host=""
    )
    status = parts(made(FAILURE, other))[1]
    groups = [dict(cast(EmailMessage, group).items()) for group in status.get_payload()]

    assert groups == [
        {
            "Reporting-MTA": "dns; lon1.mx.scout.example",
            "Arrival-Date": "Thu, 01 Jan 2026 00:00:00 +0000",
        },
        {
            "Final-Recipient": "rfc822; x@acme.example",
            "Action": "failed",
            "Status": "5.1.1",
            "Remote-MTA": "dns; mail.acme.example:25",
            "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
            "Last-Attempt-Date": "Thu, 01 Jan 2026 01:00:00 +0000",
        },
        {
            "Final-Recipient": "rfc822; y@acme.example",
            "Action": "failed",
            "Status": "4.4.7",
            "Diagnostic-Code": "X-BorderScout; away",
            "Last-Attempt-Date": "Thu, 01 Jan 2026 01:00:00 +0000",
        },
    ]


def test_only_the_header_goes_back() -> None:
    header = header_of(b"Subject: hi\r\nX: y\r\n\r\nthe secret body\r\n")

    assert header == b"Subject: hi\r\nX: y\r\n"
    assert b"secret" not in made(header=header).body


def test_a_header_without_end_is_cut_at_a_line() -> None:
    header = header_of(b"X-Long: " + b"y" * 500 + b"\r\n" + b"Z: 1\r\n" * 10_000)

    assert len(header) <= HEADER_BYTES_MAX
    assert header.endswith(b"Z: 1\r\n")


def test_an_ascii_report_needs_nothing_of_the_way_back() -> None:
    wide = Failure(
        address="grü+ße@acme.example",
        status="5.6.7",
        diagnostic="X-BorderScout; internationalised",
        remote_host="",
    )
    report = made(wide, header="Subject: grüße\r\n".encode())

    assert report.body.isascii()
    assert not report.envelope.smtputf8
    assert not report.envelope.eight_bit
    assert rb"Final-Recipient: utf-8; gr\x{FC}\x{2B}\x{DF}e@acme.example" in report.body
    assert "grü+ße@acme.example" in parts(report)[0].get_content()


def test_to_an_internationalised_sender_the_report_is_internationalised() -> None:
    wide = Failure(
        address="ж@acme.example", status="5.1.1", diagnostic="smtp; 550 no", remote_host="h"
    )
    report = made(wide, sender="é@sender.example", header="Subject: grüße\r\n".encode())

    assert report.envelope.smtputf8
    assert report.envelope.eight_bit
    assert [part.get_content_type() for part in parts(report)] == [
        "text/plain",
        "message/global-delivery-status",
        "message/global-headers",
    ]
    assert "Final-Recipient: utf-8; ж@acme.example".encode() in report.body


def test_a_header_that_is_no_utf8_is_shown_without_its_octets() -> None:
    report = made(sender="é@sender.example", header=b"Subject: \xff\r\n")

    assert parts(report)[2].get_content_type() == "text/rfc822-headers"
    assert b"Subject: ?" in report.body


@pytest.mark.parametrize(
    ("sender", "origin"),
    [("", Origin.SMTP), ("a@b.example", Origin.BOUNCE), ("nobody", Origin.SMTP)],
)
def test_some_are_never_told(sender: str, origin: Origin) -> None:
    assert not may_be_told(stored(sender, origin))


@pytest.mark.parametrize("origin", [Origin.SMTP, Origin.RELEASE])
def test_others_are(origin: Origin) -> None:
    assert may_be_told(stored(origin=origin))


@given(start=st.binary(max_size=2000), said=st.text(max_size=300))
def test_hostile_octets_break_no_line_of_the_report(start: bytes, said: str) -> None:
    failure = Failure(
        address="x@acme.example", status="5.0.0", diagnostic=f"smtp; {said}", remote_host=said
    )
    header = header_of(start)
    report = made(failure, header=header)

    assert report.body.count(f"--=_{ID}".encode()) == 4
    lines = report.body.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert len(parts(report)) == 3
