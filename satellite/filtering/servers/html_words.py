"""What does HTML say, its markup taken away as Python's own reader does?

Pure. In time linear in the text, whatever stands in it.

Source: ``html.parser`` of Python 3.11, for well-formed HTML.
"""

from __future__ import annotations

import html
import re

_ATTRIBUTE = re.compile(r"=\s*([\"'])|>")
_NAME = re.compile(r"[a-zA-Z][^\s/>\x00]*")
_SILENT = {name: re.compile(rf"(?ai)</{name}") for name in ("script", "style")}
# More than any sign has; Python refuses to read a number of thousands of digits.
_HUGE = re.compile(r"&#(?:[0-9]{9,}|[xX][0-9a-fA-F]{9,});?")


def html_words(text: str) -> str:
    """Return the text between the tags, without script and style; pieces have a blank between."""
    return " ".join(_Words(text).pieces())


class _Words:
    def __init__(self, text: str) -> None:
        self._text = text
        self._unclosed: set[str] = set()  # quotes of which there are no more

    def pieces(self) -> list[str]:
        found: list[str] = []
        text, at = self._text, 0
        while (start := text.find("<", at)) >= 0:
            found.append(text[at:start])
            end, is_markup = self._end(start)
            if end < 0:
                break
            if not is_markup:
                found.append("<")
            at = end
        else:
            found.append(text[at:])
        words = (html.unescape(_HUGE.sub("", piece)).strip() for piece in found)
        return [word for word in words if word]

    def _end(self, start: int) -> tuple[int, bool]:
        """Return where markup ends, -1 if it does not, and whether it is any."""
        text = self._text
        if text.startswith("<!--", start):
            return self._behind("-->", start + 4), True
        if text.startswith(("</", "<!", "<?"), start):
            return self._behind(">", start), True
        name = _NAME.match(text, start + 1)
        if name is None:
            return (start + 1, False) if start + 1 < len(text) else (-1, True)
        end = self._tag_end(name.end())
        closing = _SILENT.get(name[0].lower())
        if closing is None or end < 0 or text.startswith("/", end - 2):
            return end, True
        closed = closing.search(text, end)
        return (self._behind(">", closed.start()) if closed is not None else -1), True

    def _tag_end(self, at: int) -> int:
        first = -1
        while (found := _ATTRIBUTE.search(self._text, at)) is not None:
            quote = found[1]
            if not quote:
                return found.end()
            at = found.end()
            if quote not in self._unclosed:
                end = self._text.find(quote, at)
                if end < 0:
                    self._unclosed.add(quote)
                else:
                    at = end + 1
        return first

    def _behind(self, what: str, at: int) -> int:
        found = self._text.find(what, at)
        return found + len(what) if found >= 0 else -1
