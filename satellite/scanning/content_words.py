"""By which words is it told what a content is, whatever it is called?

Pure. Kinds of archives and documents, then the risky types, then what people mail most.
"""

from __future__ import annotations

import re

from satellite.scanning.content_kind import kinds_of
from satellite.scanning.risky import types_of_content

PICTURE, PAGE = "picture", "page"

_PICTURE_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_WEBP = re.compile(rb"RIFF.{4}WEBP", re.S)
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<!--[^>]{0,500}+>|<\?xml[^>]{0,200}+>){0,20}+"
    rb"<(?:!doctype\s+(?:html|svg)|html|head|body|script|svg)\b",
    re.I,
)


def words_of(content: bytes) -> tuple[str, ...]:
    """Return the words for a content, each once, what it begins with first; a text has none."""
    kinds = kinds_of(content)
    found = [kind.value for kind in (kinds.beginning, *kinds.further_in) if kind is not None]
    found += [risky.value for risky in types_of_content(content, kinds)]
    if content.startswith(_PICTURE_MARKS) or _WEBP.match(content):
        found.append(PICTURE)
    if _PAGE.match(content):
        found.append(PAGE)
    return tuple(dict.fromkeys(found))
