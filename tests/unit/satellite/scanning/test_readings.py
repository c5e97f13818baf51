"""What each reading makes of what another one would not see."""

from __future__ import annotations

import base64
import binascii
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.scanning import mime_fields, union
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.decoding import (
    base64_readings,
    base64_runs,
    from_uuencode,
    kindly_from_quoted_printable,
)
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.mime import Known
from satellite.scanning.signed_data import CmsKind, held_content, kind_of_cms
from satellite.scanning.unpack import Unpacking
from tests.mail.pieces import cms, der, signed_cms
from tests.support.scanning.messages import with_attachment, zipped
from tests.support.work import work_s

FILE = bytes(range(256)) * 3


def test_a_boundary_of_equal_signs_is_no_quoted_printable_in_quoted_printable() -> None:
    # As Python's email package writes it; each reading leaves signs that are some once more.
    file = FILE[:300]
    lines = base64.encodebytes(file).replace(b"\n", b"\r\n")
    boundary = b"=" * 15 + b"3332755087152173222=="
    message = (
        b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n\r\nAttached.\r\n--%s\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n%s--%s--\r\n"
    ) % (boundary, boundary, boundary, lines, boundary)
    unpacking = Unpacking(UnfoldingLimits())

    units = [unit.content for unit in unpacking.units(message)]

    assert file in units
    assert unpacking.limits_met == []


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        (b"Content-Type: text/plain; charset=utf-8", None),
        (b'Content-Type: multipart/mixed;\r\n\tboundary="a b"', None),
        (b"Content-Transfer-Encoding: base64", None),
        (b"Content-Transfer-Encoding: base64 ", b"Content-Transfer-Encoding: base64"),
        (b"Content-Transfer-Encoding:\r\n base64", b"Content-Transfer-Encoding: base64"),
        (b"Content-Transfer-Encoding: (x (y\\)) z) BASE64", b"Content-Transfer-Encoding: base64"),
        (b'content-transfer-encoding : "base64"', b"Content-Transfer-Encoding: base64"),
        (
            b'Content-Type: multipart/mixed; (; boundary=x) boundary="\\b;\\"c"',
            b'Content-Type: multipart/mixed; boundary="b;\\"c"',
        ),
        (
            b"Content-Type : (c) multipart/(c)mixed;\r\n \r\n boundary = b",
            b'Content-Type: multipart/mixed; boundary="b"',
        ),
        (b"X-Content-Type: (x)", None),
    ],
)
def test_a_field_is_read_as_the_standards_say(written: bytes, usual: bytes | None) -> None:
    message = b"Subject: x\r\n%s\r\n\r\ntext\r\n"

    assert mime_fields.usual(message % written) == message % (usual or written)


@given(st.text('Content-Type: ()"\\;=/ab\r\n\t\x80\xff').map(lambda text: text.encode("latin-1")))
def test_no_field_fails_or_reaches_into_the_next_line(octets: bytes) -> None:
    message = b"Content-Type:" + octets + b"\r\nX-Next: y\r\n\r\n"

    assert mime_fields.usual(message).endswith(b"\r\nX-Next: y\r\n\r\n")


@pytest.mark.parametrize(
    "written",
    [
        base64.encodebytes(FILE),
        base64.b64encode(FILE[:100]) + b"\r\n" + base64.b64encode(FILE[100:]),
        b"!".join(base64.encodebytes(FILE).split(b"\n")),
        base64.b64encode(FILE[:-1]).rstrip(b"="),
        base64.b64encode(FILE)[:9] + b"=" + base64.b64encode(FILE)[9:],
    ],
)
def test_one_of_the_readings_of_base64_is_the_file(written: bytes) -> None:
    assert any(FILE[:-1] in found for found in base64_readings(written))


def test_a_word_before_a_file_does_not_hide_it() -> None:
    assert FILE in list(base64_runs(b"Hello\r\n" + base64.encodebytes(FILE)))


def test_uuencode_ends_with_its_first_line_that_is_none() -> None:
    lines = b"".join(binascii.b2a_uu(FILE[at : at + 45]) for at in range(0, len(FILE), 45))

    assert from_uuencode(lines + b"`\nend\n" + lines) == FILE
    assert from_uuencode(lines.replace(b"\n", b"X\n")) == FILE


def test_blanks_behind_a_soft_break_are_no_text() -> None:
    assert kindly_from_quoted_printable(b"a= \t\r\nb=3D") == b"ab="


@pytest.mark.parametrize(
    ("octets", "is_mail"),
    [
        (b"From: a@b\r\nSubject: x\r\n\r\n", True),
        (b"Content-Type: text/plain\n\n", True),
        (b"\xef\xbb\xbf\r\nFrom a@b Mon\r\nReceived: x\r\n\ty\r\nDate: z\r\n", True),
        (b"Subject: a note\r\n\r\n", False),
        (b"name: value\nother: value\n", False),
        (b"PK\x03\x04", False),
        (b"", False),
    ],
)
def test_mail_is_known_by_its_header(octets: bytes, is_mail: bool) -> None:
    assert union.looks_like_mail(octets) is is_mail


def test_the_message_inside_a_signature_is_what_was_signed() -> None:
    assert kind_of_cms(signed_cms(FILE)) is CmsKind.SIGNED
    assert held_content(signed_cms(FILE), CmsKind.SIGNED) == FILE
    assert held_content(signed_cms(), CmsKind.SIGNED) == b""
    assert kind_of_cms(cms(3)) is CmsKind.ENCRYPTED
    assert kind_of_cms(der(0x30, b"another sequence")) is None


@given(st.data())
def test_a_damaged_signature_is_a_limit_and_no_failure(data: st.DataObject) -> None:
    octets = bytearray(signed_cms(FILE))
    octets[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))

    try:
        assert isinstance(held_content(bytes(octets), CmsKind.SIGNED), bytes)
    except LimitExceeded as error:
        assert "S/MIME" in error.what


def test_a_reader_that_fails_is_a_limit_of_its_reading() -> None:
    kind = b"Content-Type: text/plain; name*=a; name*0=b\r\n"
    unpacking = Unpacking(UnfoldingLimits())
    message = with_attachment(FILE).replace(b"Content-Type: text/plain\r\n", kind)

    assert FILE in [unit.content for unit in unpacking.units(message)]
    assert all("failed" in what for what in unpacking.limits_met)


def test_a_message_that_takes_too_much_work_is_a_limit() -> None:
    spent_s = iter(range(1_000))
    budget = CpuBudget(5.0, cpu_s=lambda: float(next(spent_s)))
    unpacking = Unpacking(UnfoldingLimits(), budget)
    message = with_attachment(zipped(*((f"{n}", b"x") for n in range(50))))

    assert len(list(unpacking.units(message))) < 20
    assert any("processor time" in what for what in unpacking.limits_met)


def test_what_was_read_for_sure_is_not_decoded_again() -> None:
    known = Known()
    budget = CpuBudget(5.0, cpu_s=time.thread_time)
    message = with_attachment(FILE * 10)
    found = list(union.contents(message, known, UnfoldingLimits(), budget))

    assert sum(content.octets == FILE * 10 for content in found) == 2  # one for each reader


@pytest.mark.parametrize("line", [b"X-A: base64\r\n\r\n", b"begin 644 a\r\n"])
def test_beginnings_without_an_end_cost_no_square(line: bytes) -> None:
    def reading_s(count: int) -> float:
        message = b"Subject: x\r\n\r\n" + line * count

        def read() -> None:
            known = Known()
            budget = CpuBudget(60.0, cpu_s=time.thread_time)
            list(union.contents(message, known, UnfoldingLimits(), budget))
            assert known.complaints == ["too many encoded files begin in each other"]

        return min(work_s(read) for _ in range(3))

    # Sixteen times as long: a reader of squares would take 256 times as long.
    assert reading_s(64_000) < 64 * reading_s(4_000)
