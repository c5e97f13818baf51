"""DSNs are what RFC 3464 says, and return no more of a message than was asked for."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from typing import Any, cast

import pytest
from flufl.bounce import all_failures
from hypothesis import given
from hypothesis import strategies as st

from common.envelope import DsnParameters, Notify, Return
from common.states import State
from satellite.delivery.decisions.outcome import DsnAction, Fate
from satellite.delivery.dsn.bounce import delayed, report
from satellite.delivery.dsn.returned import (
    HEADER_BYTES_MAX,
    WHOLE_BYTES_MAX,
    header_of,
    returned_bytes,
)
from satellite.spool.model.messages import NewMessage, Origin, Recipient
from tests.support.delivery.fates import BODY, ID, NOW_US, REPORTER, failed, recipient, stored
from tests.support.smtp.delivery_status import read_status


def made(
    *fates: Fate, sender: str = "a@sender.example", body: bytes = BODY, **envelope: Any
) -> NewMessage:
    message = stored(sender, body, **envelope)
    told = fates or (failed(),)
    return report(
        message,
        told,
        start=body[: returned_bytes(message, told[0].action)],
        report_id=ID,
        now_us=NOW_US,
        reporter=REPORTER,
    )


def parsed(dsn: NewMessage) -> EmailMessage:
    return email.message_from_bytes(dsn.body, policy=email.policy.default)


def parts(dsn: NewMessage) -> list[EmailMessage]:
    return [cast(EmailMessage, part) for part in parsed(dsn).iter_parts()]


def kinds(dsn: NewMessage) -> list[str]:
    return [part.get_content_type() for part in parts(dsn)]


def test_a_report_has_its_three_parts() -> None:
    dsn = made()
    message = parsed(dsn)

    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert kinds(dsn) == ["text/plain", "message/delivery-status", "text/rfc822-headers"]
    assert not message.defects
    assert not [defect for part in parts(dsn) for defect in part.defects]


def test_its_head_is_that_of_automatic_mail() -> None:
    dsn = made()
    message = parsed(dsn)

    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.scout.example>"
    assert message["To"] == "a@sender.example"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] == f"<{ID}@mx.scout.example>"
    assert message["Date"] == "Thu, 01 Jan 2026 01:00:00 +0000"
    assert dsn.envelope.sender == ""
    assert dsn.envelope.recipients == ("a@sender.example",)
    assert dsn.envelope.dsn(0).notify == {Notify.NEVER}
    assert dsn.origin is Origin.BOUNCE


def test_the_status_names_the_message_and_each_failed_recipient() -> None:
    asked = recipient(dsn=DsnParameters(original="rfc822;first+2Btag@old.example"))
    other = failed(
        recipient("y@acme.example"),
        status="4.4.7",
        diagnostic="X-BorderScout; away",
        remote_host="",
    )
    status = read_status(made(failed(asked), other, envelope_id="QQ+2B314").body)

    assert status.message == {
        "Original-Envelope-Id": "QQ+314",
        "Reporting-MTA": "dns; lon1.mx.scout.example",
        "Arrival-Date": "Thu, 01 Jan 2026 00:00:00 +0000",
    }
    assert status.recipients == [
        {
            "Original-Recipient": "rfc822; first+tag@old.example",
            "Final-Recipient": "rfc822; x@acme.example",
            "Action": "failed",
            "Status": "5.1.1",
            "Remote-MTA": "dns; mail.acme.example",
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


@pytest.mark.parametrize(
    ("host", "name"),
    [("192.0.2.1", "dns; [192.0.2.1]"), ("2001:db8::1", "dns; [IPv6:2001:db8::1]")],
)
def test_a_next_hop_without_a_name_is_a_literal(host: str, name: str) -> None:
    (group,) = read_status(made(failed(remote_host=host)).body).recipients

    assert group["Remote-MTA"] == name


def test_another_program_reads_who_failed() -> None:
    other = failed(recipient("y@acme.example"), status="4.4.7", diagnostic="", remote_host="")
    message = email.message_from_bytes(made(failed(), other).body)

    assert all_failures(message) == (
        frozenset(),
        frozenset({b"x@acme.example", b"y@acme.example"}),
    )


# ---- late, and passed on


def late(*recipients: Recipient, **more: Any) -> NewMessage:
    facts: dict[str, Any] = {"start": BODY, "retry_until_us": NOW_US + 86_400_000_000} | more
    return delayed(
        stored(),
        recipients or (recipient(reply="451 4.2.1 Busy"),),
        report_id=ID,
        now_us=NOW_US,
        reporter=REPORTER,
        **facts,
    )


def test_a_notice_of_delay_says_until_when_it_is_tried() -> None:
    dsn = late()
    (group,) = read_status(dsn.body).recipients

    assert parsed(dsn)["Subject"] == "Mail has not been delivered yet"
    assert group == {
        "Final-Recipient": "rfc822; x@acme.example",
        "Action": "delayed",
        "Status": "4.2.1",
        "Diagnostic-Code": "smtp; 451 4.2.1 Busy",
        "Last-Attempt-Date": "Thu, 01 Jan 2026 01:00:00 +0000",
        "Will-Retry-Until": "Fri, 02 Jan 2026 01:00:00 +0000",
    }
    assert "2026-01-02 01:00 UTC" in " ".join(parts(dsn)[0].get_content().split())


def test_another_program_reads_that_a_delay_is_no_failure() -> None:
    message = email.message_from_bytes(late().body)

    assert all_failures(message) == (
        frozenset({b"x@acme.example"}),
        frozenset(),
    )


@pytest.mark.parametrize(
    ("who", "diagnostic", "status", "said"),
    [
        (
            replace(recipient(reason="mail: refused"), state=State.HELD),
            "",
            "4.4.1",
            "X-BorderScout; mail: refused",
        ),
        (recipient(), "the server is away", "4.0.0", "X-BorderScout; the server is away"),
        (recipient(), "", "4.0.0", None),
    ],
)
def test_a_delay_without_a_reply_has_our_words(
    who: Recipient, diagnostic: str, status: str, said: str | None
) -> None:
    (group,) = read_status(late(who, diagnostic=diagnostic).body).recipients

    assert (group["Status"], group.get("Diagnostic-Code")) == (status, said)


def test_an_address_in_a_reply_is_no_status() -> None:
    who = replace(recipient(), reply="450 10.4.2.1 is greylisted", state=State.DEFERRED)
    (group,) = read_status(late(who).body).recipients

    assert group["Status"] == "4.0.0"


def test_a_notice_of_delay_returns_the_header_whatever_was_asked() -> None:
    assert b"secret" not in late().body
    message = stored(returned=Return.FULL)
    assert returned_bytes(message, DsnAction.DELAYED) == HEADER_BYTES_MAX
    assert returned_bytes(message, DsnAction.RELAYED) == HEADER_BYTES_MAX


def test_a_report_of_passing_on_is_no_failure() -> None:
    fate = Fate(
        recipient=recipient(),
        action=DsnAction.RELAYED,
        status="2.0.0",
        diagnostic="smtp; 250 2.0.0 Taken",
        remote_host="mail.acme.example",
    )
    dsn = made(fate, returned=Return.FULL)
    (group,) = read_status(dsn.body).recipients

    assert (group["Action"], group["Status"]) == ("relayed", "2.0.0")
    assert parsed(dsn)["Subject"] == "Mail was passed on"
    assert "could not" not in parts(dsn)[0].get_content()
    assert b"secret" not in dsn.body
    assert all_failures(email.message_from_bytes(dsn.body)) == (frozenset(), frozenset())


# ---- what is returned


@pytest.mark.parametrize("returned", [None, Return.HEADERS])
def test_only_the_header_goes_back_unless_all_was_asked_for(returned: Return | None) -> None:
    dsn = made(returned=returned)

    assert parts(dsn)[2].get_content_type() == "text/rfc822-headers"
    assert b"secret" not in dsn.body


def test_all_of_it_goes_back_octet_by_octet_when_that_was_asked_for() -> None:
    body = BODY + "grüße\r\n".encode() + b".\r\n"
    dsn = made(body=body, returned=Return.FULL)

    assert kinds(dsn)[2] == "message/rfc822"
    assert body in dsn.body
    assert dsn.envelope.eight_bit
    assert b"Content-Transfer-Encoding: 8bit" in dsn.body


@pytest.mark.parametrize(
    "body",
    [
        BODY + b"x" * WHOLE_BYTES_MAX,
        BODY + b"x" * 999 + b"\r\n",
        b"Subject: \xff\r\n\r\nthe secret text\r\n",
    ],
)
def test_of_a_message_that_would_not_come_through_only_the_header_goes_back(body: bytes) -> None:
    dsn = made(body=body, returned=Return.FULL)

    assert kinds(dsn)[2] == "text/rfc822-headers"
    assert b"secret" not in dsn.body


@pytest.mark.parametrize(
    ("subject", "line"),
    [("Täglicher\r\nBcc: x" + "y" * 400, "Täglicher??Bcc: x" + "y" * 183), ("", None)],
)
def test_a_body_that_cannot_be_read_leaves_no_third_part_and_the_words_say_so(
    subject: str, line: str | None
) -> None:
    lost = replace(stored(returned=Return.FULL), subject=subject)

    dsn = report(lost, [failed()], start=None, report_id=ID, now_us=NOW_US, reporter=REPORTER)

    assert kinds(dsn) == ["text/plain", "message/delivery-status"]
    assert len(read_status(dsn.body).recipients) == 1
    words = parts(dsn)[0].get_content()
    assert "The content of your message was lost here" in words
    assert f"Size: {lost.size}" in words
    assert "attached" not in words
    told = [one for one in words.splitlines() if one.startswith("Subject: ")]
    assert told == ([f"Subject: {line}"] if line else [])


def test_a_header_without_end_is_cut_at_a_line() -> None:
    header = header_of(b"X-Long: " + b"y" * 500 + b"\r\n" + b"Z: 1\r\n" * 10_000)

    assert len(header) <= HEADER_BYTES_MAX
    assert header.endswith(b"Z: 1\r\n")


# ---- beyond ASCII


def test_an_ascii_report_needs_nothing_of_the_way_back() -> None:
    wide = failed(
        recipient("grü+ße@acme.example"),
        status="5.6.7",
        diagnostic="X-BorderScout; internationalised",
        remote_host="",
    )
    dsn = made(wide, body="Subject: grüße\r\n\r\n".encode())

    assert dsn.body.isascii()
    assert not dsn.envelope.smtputf8
    assert not dsn.envelope.eight_bit
    assert rb"Final-Recipient: utf-8; gr\x{FC}\x{2B}\x{DF}e@acme.example" in dsn.body
    assert "grü+ße@acme.example" in parts(dsn)[0].get_content()


def test_an_internationalised_original_recipient_is_shown_in_ascii() -> None:
    asked = recipient(dsn=DsnParameters(original=r"utf-8;gr\x{FC}\x{2B}e@old.example"))
    (group,) = read_status(made(failed(asked)).body).recipients

    assert group["Original-Recipient"] == r"utf-8; gr\x{FC}\x{2B}e@old.example"


def test_to_an_internationalised_sender_the_report_is_internationalised() -> None:
    wide = failed(recipient("ж@acme.example"), diagnostic="smtp; 550 no")
    dsn = made(wide, sender="é@sender.example", body="Subject: grüße\r\n\r\n".encode())

    assert dsn.envelope.smtputf8
    assert dsn.envelope.eight_bit
    assert kinds(dsn) == ["text/plain", "message/global-delivery-status", "message/global-headers"]
    assert "Final-Recipient: utf-8; ж@acme.example".encode() in dsn.body


def test_to_an_internationalised_sender_an_internationalised_message_goes_back_whole() -> None:
    body = "Subject: grüße\r\n\r\nja\r\n".encode()
    dsn = made(sender="é@sender.example", body=body, returned=Return.FULL)

    assert b"Content-Type: message/global\r\n" in dsn.body
    assert body in dsn.body


@pytest.mark.parametrize(
    ("sender", "header"),
    [
        ("é@sender.example", b"Subject: \xff\r\n"),
        ("a@sender.example", "Subject: Größe = 3\r\nFrom: a@sender.example\r\n".encode()),
    ],
    ids=["no UTF-8", "on a way of 7 bit"],
)
def test_a_header_beyond_ascii_goes_back_octet_by_octet(sender: str, header: bytes) -> None:
    dsn = made(sender=sender, body=header + b"\r\nja\r\n")

    part = parts(dsn)[2]
    assert part.get_content_type() == "text/rfc822-headers"
    assert part.get_payload(decode=True) == header
    assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert dsn.body[dsn.body.index(b"text/rfc822-headers") :].isascii()


# ---- hostile


@given(
    start=st.binary(max_size=2000),
    said=st.text(max_size=300),
    original=st.text(max_size=80),
    envelope_id=st.text(max_size=80),
)
def test_hostile_octets_break_no_line_of_the_report(
    start: bytes, said: str, original: str, envelope_id: str
) -> None:
    asked = recipient(dsn=DsnParameters(original=f"rfc822;{original}"))
    fate = failed(asked, status="5.0.0", diagnostic=f"smtp; 550 {said}", remote_host=said)
    dsn = made(fate, body=start, envelope_id=envelope_id)

    assert dsn.body.count(f"--=_{ID}".encode()) == 4
    lines = dsn.body.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert len(parts(dsn)) == 3
    assert len(read_status(dsn.body).recipients) == 1
