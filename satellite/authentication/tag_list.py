"""What does a DKIM tag list say?

Pure. Source: RFC 6376 section 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from common.errors import PeerError

TAG_LIST_LENGTH_MAX = 16_384  # characters; a signature with a long ``h=`` has two thousand
TAGS_MAX = 64

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BLANKS = re.compile(r"[ \t\r\n]+")


class TagListWrong(PeerError):
    """A text is no tag list."""


def parse_tag_list(text: str) -> Mapping[str, str]:
    """Return the values by tag, without blanks around them.

    Raises:
        TagListWrong: it breaks the grammar, or a tag stands twice.
    """
    if len(text) > TAG_LIST_LENGTH_MAX:
        raise TagListWrong("the tag list is too long")
    parts = text.strip(" \t\r\n").split(";")
    if not parts[-1].strip(" \t\r\n"):
        parts.pop()
    if len(parts) > TAGS_MAX:
        raise TagListWrong("the tag list has too many tags")
    found: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.fullmatch(name):
            raise TagListWrong(f"{part.strip()[:40]!r} is no tag")
        if name in found:
            raise TagListWrong(f"the tag {name[:40]} stands twice")
        found[name] = value.strip(" \t\r\n")
    return found


def without_blanks(value: str) -> str:
    """Return a value without the blanks and folds that mean nothing in it."""
    return _BLANKS.sub("", value)
