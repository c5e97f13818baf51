"""What a next hop says becomes a bounded, printable reply, or an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.delivery.decisions.reply import (
    LINES_MAX,
    TEXT_LENGTH_MAX,
    BadReply,
    HopReply,
    ReplyLines,
)


def read(*lines: bytes) -> HopReply | None:
    reader = ReplyLines()
    reply = None
    for line in lines:
        assert reply is None
        reply = reader.add(line)
    return reply


def test_a_reply_of_several_lines_is_one_reply() -> None:
    reply = read(b"550-5.1.1 No such", b"550 user")

    assert reply == HopReply(550, ("5.1.1 No such", "user"))
    assert str(reply) == "550 5.1.1 No such user"
    assert reply.enhanced == "5.1.1"


@pytest.mark.parametrize("line", [b"250", b"250 ", b"250 ok"])
def test_text_is_optional(line: bytes) -> None:
    reply = read(line)

    assert reply is not None
    assert reply.code == 250


@pytest.mark.parametrize(
    "line",
    [b"", b"ok", b"25", b"2500 ok", b"150 soon", b"650 x", b"\x00250 ok", b"250ok", b" 250 ok"],
)
def test_what_has_no_code_is_no_reply(line: bytes) -> None:
    with pytest.raises(BadReply):
        read(line)


def test_lines_with_different_codes_are_no_reply() -> None:
    with pytest.raises(BadReply):
        read(b"250-fine", b"550 not")


def test_lines_without_end_are_no_reply() -> None:
    reader = ReplyLines()
    for _ in range(LINES_MAX):
        assert reader.add(b"250-more") is None

    with pytest.raises(BadReply):
        reader.add(b"250 done")


@given(st.binary(max_size=3000))
def test_whatever_comes_is_printable_and_bounded_afterwards(text: bytes) -> None:
    reply = read(b"550 " + text)

    assert reply is not None
    assert str(reply).isascii()
    assert str(reply).isprintable()
    assert len(str(reply)) <= TEXT_LENGTH_MAX


@pytest.mark.parametrize("text", ["5.1", "3.1.1 x", "5.1.1.1 x", "5.1111.1", "x 5.1.1"])
def test_only_a_real_enhanced_code_counts(text: str) -> None:
    assert HopReply(550, (text,)).enhanced == ""
