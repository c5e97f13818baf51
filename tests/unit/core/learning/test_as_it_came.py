"""A lesson has none of our lines, nor of what stands above them."""

from __future__ import annotations

import pytest

from core.learning.as_it_came import as_it_came

CAME = (
    b"Received: from a.example by b.example; Mon, 2 Nov 2026 09:00:00 +0000\r\n"
    b"Authentication-Results: b.example; spf=pass\r\n"
    b"Subject: hello\r\n\r\nX-BorderScout: in the text\r\n"
)
OURS = (
    b"Received: from b.example by lon1.mx.example;\r\n\tMon, 2 Nov 2026 09:00:01 +0000\r\n"
    b"X-BorderScout: id=1; node=lon1; disposition=deliver\r\n"
    b"X-BorderScout-Virus: clean;\r\n clamav=clean\r\n"
    b"X-BorderScout-Spam: yes; score=6.0\r\n"
    b"Authentication-Results: mx.example;\r\n spf=pass\r\n"
)
ABOVE = b"Return-Path: <a@a.example>\r\nDelivered-To: x@acme.example\r\n"


@pytest.mark.parametrize(
    "delivered",
    [OURS + CAME, ABOVE + OURS + CAME, b"From a@a.example Mon Nov 2\r\n" + ABOVE + OURS + CAME],
)
def test_what_we_and_later_servers_wrote_is_gone(delivered: bytes) -> None:
    assert as_it_came(delivered) == CAME
    unix = delivered.replace(b"\r\n", b"\n")
    assert as_it_came(unix) == CAME.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("octets", [CAME, b"", b"no header at all", b"\r\n\r\nx", b"\n" * 9])
def test_what_has_no_lines_of_ours_stays_as_it_is(octets: bytes) -> None:
    assert as_it_came(octets) == octets


def test_a_header_section_without_an_end_is_left_alone() -> None:
    endless = OURS * 400

    assert as_it_came(endless) == endless
