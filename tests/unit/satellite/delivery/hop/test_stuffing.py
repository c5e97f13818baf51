"""Dots are doubled where a line starts, wherever the blocks end."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from satellite.delivery.hop.stuffing import Stuffing

TRICKY = st.text(alphabet="\r\n.ax\0", max_size=60).map(str.encode)


def sent(message: bytes, cuts: list[int]) -> bytes:
    stuffing = Stuffing()
    places = sorted({min(cut, len(message)) for cut in cuts})
    starts, ends = [0, *places], [*places, len(message)]
    blocks = [message[a:b] for a, b in zip(starts, ends, strict=True)]
    return b"".join(stuffing.feed(block) for block in blocks) + stuffing.end()


def received(wire: bytes) -> tuple[bytes, bytes]:
    """Return what a server that ends lines with CRLF only takes, and what is left on the wire."""
    data = b""
    while True:
        line, end, wire = wire.partition(b"\r\n")
        assert end, "the data has no end"
        if line == b".":
            return data, wire
        data += (line[1:] if line.startswith(b".") else line) + end


@given(message=TRICKY, cuts=st.lists(st.integers(0, 60), max_size=60))
@example(message=b".", cuts=[])
@example(message=b"a\r\n.\r\nb", cuts=[1, 2, 3, 4, 5, 6])
def test_one_message_arrives_as_it_was_however_it_is_cut(message: bytes, cuts: list[int]) -> None:
    data, rest = received(sent(message, cuts))

    ending = b"" if not message or message.endswith(b"\r\n") else b"\r\n"
    assert data == message + ending
    assert rest == b""


@given(message=TRICKY, cuts=st.lists(st.integers(0, 60), max_size=60))
def test_cuts_change_nothing_on_the_wire(message: bytes, cuts: list[int]) -> None:
    assert sent(message, cuts) == sent(message, [])
