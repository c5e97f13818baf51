"""Where in a JSON text is it none, and what is wrong there?

Pure. A file that was not written whole is the usual case: who wrote it was ended, or the disk was
full. Then its end is what is told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

WHAT_LENGTH_MAX = 200  # characters; a complaint is one line


@dataclass(frozen=True, slots=True)
class JsonFault:
    """What is wrong, and where: line and column from 1."""

    line: int
    column: int
    what: str


def json_fault(error: Exception, text: bytes) -> JsonFault:
    """Return what is wrong with a text that could not be read.

    Args:
        error: of whatever read it; said where the text is JSON by RFC 8259 all the same.
        text: all of it.
    """
    try:
        words = text.decode("utf-8-sig")
    except UnicodeDecodeError as found:
        before = text[: found.start].decode()
        return _at(before, "no text in UTF-8")
    if not words.strip():
        return JsonFault(1, 1, "the file is empty")
    try:
        json.loads(words)
    except json.JSONDecodeError as found:
        # A text that has no end is told at its beginning, and goes on to the end of the file.
        if found.msg.startswith("Unterminated") or not words[found.pos :].strip():
            return _at(words.rstrip(), "the file ends in the middle, it was not written whole")
        what = found.msg.removesuffix(" at")
        return JsonFault(found.lineno, found.colno, f"no JSON: {what[0].lower()}{what[1:]}")
    except (ValueError, RecursionError) as found:
        error = found
    return JsonFault(1, 1, f"no JSON: {error!s:.{WHAT_LENGTH_MAX}}")


def _at(before: str, what: str) -> JsonFault:
    return JsonFault(before.count("\n") + 1, len(before) - before.rfind("\n"), what)
