"""Is every octet of a header section in exactly one field, and is what is shown harmless?

Pure.
"""

from __future__ import annotations

from satellite.headers.block import HEADER_BYTES_MAX, MESSAGE_ID_LENGTH_MAX, HeaderBlock
from satellite.headers.encoded_words import TEXT_LENGTH_MAX, harmless

READS_MAIL = True
WORDS = (
    b"Subject: ",
    b"Message-ID: <",
    b"Received: ",
    b"\r\n ",
    b"\r\n\t",
    b"\n\n",
    b"X :",
    b":",
    b"From a@b Mon Mar  2 09:30:00 2026\r\n",
)


def target(data: bytes) -> None:
    """Read the header section of a message."""
    block = HeaderBlock.parse(data)
    section = block.mailbox_line + b"".join(span.raw for span in block.spans)

    assert data.startswith(section)
    assert len(section) <= block.end <= len(data)
    assert data[len(section) : block.end] in (b"", b"\n", b"\r\n")
    assert len(section) <= HEADER_BYTES_MAX
    place = len(block.mailbox_line)
    for span in block.spans:
        assert (span.start, span.end) == (place, place + len(span.raw))
        assert span.raw
        place = span.end
    assert sum(map(len, block.by_key.values())) == len(block.spans)
    assert HeaderBlock.parse(data[: block.end]).spans == block.spans
    for name, value in block.fields:
        assert not value.endswith((b"\r", b"\n"))
        _check_text(block.get(name) or "")
    _check_text(block.subject)
    assert block.message_id.isascii()
    assert block.message_id.isprintable()
    assert len(block.message_id) <= MESSAGE_ID_LENGTH_MAX


def _check_text(text: str) -> None:
    assert len(text) <= TEXT_LENGTH_MAX
    assert harmless(text) == text
