"""Which fields does a header section have, and where does it end?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.headers import HEADER_BYTES_MAX, HeaderBlock
from tests.support.work import work_s


def test_an_ordinary_header_is_read() -> None:
    data = b"From: a@b.example\r\nSubject: hi\r\n there\r\nMessage-ID: <1@b>\r\n\r\nbody\r\n"

    block = HeaderBlock.parse(data)

    assert block.fields == (
        ("From", b" a@b.example"),
        ("Subject", b" hi\r\n there"),
        ("Message-ID", b" <1@b>"),
    )
    assert data[block.end :] == b"body\r\n"
    assert (block.subject, block.message_id) == ("hi there", "<1@b>")
    assert not block.oversized


@pytest.mark.parametrize(
    ("data", "end", "names"),
    [
        (b"", 0, []),
        (b"\r\n", 2, []),
        (b"\r\nbody: no\r\n", 2, []),
        (b"A: 1\r\n", 6, ["A"]),
        (b"A: 1", 4, ["A"]),
        (b"A: 1\r\n\r\n", 8, ["A"]),
        (b"A: 1\nB: 2\n\nbody", 11, ["A", "B"]),
        (b"A: 1\r\n \r\nB: 2\r\n\r\n", 17, ["A", "B"]),
        (b"junk without a colon\r\nA: 1\r\n\r\n", 30, ["A"]),
        (b"A : 1\r\nB\t: 2\r\n\r\n", 16, ["A", "B"]),
        (b" starts with a space\r\nA: 1\r\n\r\n", 30, ["A"]),
    ],
)
def test_odd_headers_are_taken_as_they_come(data: bytes, end: int, names: list[str]) -> None:
    block = HeaderBlock.parse(data)

    assert block.end == end
    assert [name for name, _ in block.fields] == names


def test_names_are_compared_without_case_and_the_first_field_counts() -> None:
    block = HeaderBlock.parse(b"X-A: one\r\nx-a: two\r\n\r\n")

    assert block.get("x-A") == "one"
    assert block.get_all("X-a") == ["one", "two"]
    assert block.get("missing") is None
    assert block.get_all("missing") == []


def test_a_message_id_is_printable_and_bounded() -> None:
    block = HeaderBlock.parse(b"Message-ID: <\x1b[2J\xff" + b"x" * 5000 + b">\r\n\r\n")

    assert block.message_id.isascii()
    assert block.message_id.isprintable()
    assert len(block.message_id) <= 998


def test_a_header_without_an_end_is_oversized() -> None:
    line = b"X-Filler: " + b"x" * 60 + b"\r\n"

    whole = HeaderBlock.parse(line * (HEADER_BYTES_MAX // len(line)) + b"\r\nbody")
    endless = HeaderBlock.parse(line * (HEADER_BYTES_MAX // len(line) + 2))

    assert not whole.oversized
    assert endless.oversized
    assert endless.end == HEADER_BYTES_MAX


@pytest.mark.parametrize(
    "line", [b"A:\n", b"\r", b" \r\n", b'"', b":", b"A:\r\n b\r\n", b"(", b"\x00", b"=?a?q?"]
)
def test_hostile_repetition_takes_linear_time(line: bytes) -> None:
    def seconds(octets: int) -> float:
        data = b"S: " + line * (octets // len(line))

        def parse() -> None:
            block = HeaderBlock.parse(data)
            assert block.subject == ""
            assert isinstance(block.fields, tuple)

        return min(work_s(parse) for _ in range(5))  # what else the machine does only adds to it

    seconds(1_000)
    # Sixteen times the octets: a quadratic reader would need 256 times as long.
    assert seconds(256_000) < 64 * max(seconds(16_000), 0.0005)


@given(st.binary(max_size=300) | st.text("Ab:\r\n \t\x00-", max_size=80).map(str.encode))
def test_any_octets_are_read_and_none_is_lost(data: bytes) -> None:
    block = HeaderBlock.parse(data)

    last = block.spans[-1].end if block.spans else len(block.mailbox_line)
    assert block.mailbox_line + b"".join(span.raw for span in block.spans) == data[:last]
    assert data[last : block.end] in (b"", b"\n", b"\r\n")
    assert 0 <= block.end <= len(data)


@pytest.mark.parametrize(
    "line",
    [
        b"From a@b.example Mon Mar  2 09:30:00 2026\r\n",
        b">>From x\r\n\tgoes on\r\n",
        b">From a@b.example Mon Mar  2 09:30:00 2026\r\nFrom c@d.example Mon Mar  2\r\n",
    ],
)
def test_a_mailbox_files_separator_ends_no_header(line: bytes) -> None:
    block = HeaderBlock.parse(line + b"Subject: hi\r\n\r\nbody")

    assert block.mailbox_line == line
    assert block.fields == (("Subject", b" hi"),)
    assert block.spans[0].start == len(line)


@pytest.mark.parametrize("line", [b"From : a@b.example\r\n", b"From: a@b.example\r\n"])
def test_a_field_of_that_name_is_no_separator(line: bytes) -> None:
    block = HeaderBlock.parse(line + b"\r\n")

    assert block.mailbox_line == b""
    assert block.get_all("from") == ["a@b.example"]
