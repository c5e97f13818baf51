"""Is what the next hop says a bounded reply, or an error of the next hop?

Pure.
"""

from __future__ import annotations

from satellite.delivery.decisions.reply import (
    LINE_BYTES_MAX,
    LINES_MAX,
    TEXT_LENGTH_MAX,
    BadReply,
    HopReply,
    ReplyLines,
)

WORDS = (
    b"250 ",
    b"250-",
    b"550 5.1.1 ",
    b"421 4.3.2",
    b"354",
    b"\r\n",
    b"199 ",
    b"600 ",
    b"4.0.0.",
)


def target(data: bytes) -> None:
    """Read lines until they are a reply."""
    lines = ReplyLines()
    for number, line in enumerate(data.split(b"\r\n")):
        try:
            reply = lines.add(line[:LINE_BYTES_MAX])
        except BadReply as error:
            assert str(error).isprintable()
            assert len(str(error)) < 2 * TEXT_LENGTH_MAX
            return
        assert number < LINES_MAX
        if reply is not None:
            _check(reply, last=line)
            return


def _check(reply: HopReply, *, last: bytes) -> None:
    assert 200 <= reply.code <= 599
    assert last.startswith(str(reply.code).encode())
    assert reply.severity in (2, 3, 4, 5)
    assert 1 <= len(reply.lines) <= LINES_MAX
    for text in (*reply.lines, str(reply), reply.enhanced):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= TEXT_LENGTH_MAX
