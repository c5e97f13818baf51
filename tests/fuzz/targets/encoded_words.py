"""Does every header value become text that can stand in a log line and on a screen?

Pure.
"""

from __future__ import annotations

import unicodedata

from satellite.headers.encoded_words import TEXT_LENGTH_MAX, decoded_text, harmless

WORDS = (
    b"=?utf-8?q?", b"=?utf-8?b?", b"=?iso-2022-jp?b?", b"=?gb18030?b?", b"=?x*en?Q?", b"?=",
    b"=C3=BC", b"w7w=", b"=E2=80=AE", b"=0D=0A", b"\r\n ", b"?= =?",
)  # fmt: skip
OVERRIDES = set(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x61C)))


def target(data: bytes) -> None:
    """Read a header field's value."""
    text = decoded_text(data)

    assert len(text) <= TEXT_LENGTH_MAX
    assert not OVERRIDES & set(text)
    assert {unicodedata.category(sign) for sign in text}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert text == text.strip()
    assert harmless(text) == text
    text.encode("utf-8")  # a record must be able to hold it
