"""What does a short plain text say, found out where we are?

Pure, linear in its input, and some 0.3 ms for 4 KiB, most of it the fuzzy digest. It says of such a
message what ``content_job`` would, and needs no helper: there is nothing in it to take apart.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from satellite.scanning.content_sheet import ContentBounds, ContentSheet, on_lines
from satellite.scanning.content_words import words_of
from satellite.scanning.plain import body_of_plain
from satellite.scanning.urls import urls_in

BODY_BYTES_MAX = 16_384  # a longer one is for the helper: it would hold up the others for 1 ms


def content_of_plain(message: bytes, bounds: ContentBounds) -> dict[str, Any] | None:
    """Return what a message says, see ``ContentSheet.answer``, or None: it is not for here.

    Args:
        message: the octets of DATA.
        bounds: of what is told.
    """
    body = body_of_plain(message)
    if body is None or len(body) > BODY_BYTES_MAX:
        return None
    if b"text/html" in message[: len(message) - len(body)].lower():
        return None  # a page is taken apart, by a parser that crafted pages hold up
    sheet = ContentSheet(bounds)
    text = on_lines(body.decode("ascii"))
    for url in urls_in(text):
        sheet.add_url(url)
    sheet.add_text(text)
    sheet.add_part(
        media_type="text/plain",
        kinds=words_of(body),
        name="",
        size=len(body),
        sha256=sha256(body).hexdigest(),
        fuzzy=sheet.fuzzy_of(text),
        depth=0,
    )
    return sheet.answer()
