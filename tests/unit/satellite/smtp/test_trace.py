"""The Received line."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.ids import MessageId
from satellite.smtp.trace import date_time, received_line, with_protocol

ID = MessageId("01KTEST0000000000000000000")


def line(**changed: Any) -> bytes:
    facts: dict[str, Any] = {
        "message": ID,
        "helo": "mail.sender.example",
        "client_address": "192.0.2.7",
        "hostname": "mx1.scout.example",
        "extended": True,
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "smtputf8": False,
        "recipients": ("x@acme.example",),
        "now_us": 1_767_225_600_123_456,
    }
    return received_line(**(facts | changed))


def test_the_line_says_who_how_for_whom_and_when() -> None:
    assert line() == (
        b"Received: from mail.sender.example ([192.0.2.7])\r\n"
        b"\tby mx1.scout.example with ESMTPS id 01KTEST0000000000000000000\r\n"
        b"\t(using TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tfor <x@acme.example>; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    )


def test_for_is_left_out_when_there_are_several_recipients() -> None:
    several = line(recipients=("x@acme.example", "y@acme.example"))

    assert b"for <" not in several
    assert several.endswith(b"SHA384);\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n")


@pytest.mark.parametrize("helo", ["a(b", "a)b", "a;b", 'a"b', "a<b", "", "x\r\nEvil: 1", "-"])
def test_b3_row_4_a_name_that_is_no_token_is_not_repeated(helo: str) -> None:
    assert line(helo=helo).startswith(b"Received: from unknown ([192.0.2.7])\r\n\tby ")


@pytest.mark.parametrize(
    "recipient", ['"a b"@acme.example', "ä@acme.example", '"x\\>"@acme.example']
)
def test_b3_row_4_an_address_that_is_not_plain_is_not_repeated(recipient: str) -> None:
    assert b"for" not in line(recipients=(recipient,))


@given(st.text(max_size=255), st.text(max_size=300), st.text(max_size=100))
def test_b3_row_4_whatever_comes_in_one_field_comes_out(
    helo: str, recipient: str, tls: str
) -> None:
    written = line(helo=helo, recipients=(recipient,), tls=tls)

    lines = written.split(b"\r\n")
    assert lines.pop() == b""
    assert lines[0].startswith(b"Received: ")
    assert all(folded.startswith(b"\t") for folded in lines[1:])
    assert all(len(folded) <= 998 for folded in lines)
    assert written.replace(b"\r\n\t", b"").rstrip(b"\r\n").decode("ascii").isprintable()


def test_the_longest_names_stay_within_a_line() -> None:
    longest = line(helo="h" * 255, recipients=("l" * 64 + "@" + "d" * 253,))

    assert max(map(len, longest.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("extended", "tls", "smtputf8", "protocol"),
    [
        (False, False, False, "SMTP"),
        (True, False, False, "ESMTP"),
        (True, True, False, "ESMTPS"),
        (True, False, True, "UTF8SMTP"),
        (True, True, True, "UTF8SMTPS"),
    ],
)
def test_the_protocol_is_the_registered_keyword(
    extended: bool, tls: bool, smtputf8: bool, protocol: str
) -> None:
    assert with_protocol(extended=extended, tls=tls, smtputf8=smtputf8) == protocol


@given(st.integers(0, 4_000_000_000))
def test_the_date_is_read_back_by_the_standard_library(seconds: int) -> None:
    assert parsedate_to_datetime(date_time(seconds * 1_000_000)).timestamp() == seconds


def test_an_ipv6_client_is_written_as_a_literal() -> None:
    assert b"([IPv6:2001:db8::7])" in line(client_address="2001:db8::7")
