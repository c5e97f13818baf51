"""Which documents does the core have of some kinds, one after the other?

Touches the network, through the client. There may be a hundred thousand: they are read as they
come, all at one revision, and none of them is kept here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from cli.client import Client, CoreFailure
from common.preferences import Kind

PATH = "/api/v1/documents"
TEXT_MAX = 1 << 20  # characters of one document that are waited for; its body has at most 64 KiB

_BLANK = re.compile(r"[ \t\n\r]*")
_BEGINNING = re.compile(r'\{"revision": (\d{1,19}), "epoch": "([0-9a-f-]{1,36})", "documents": \[')


class CoreDocuments:
    """The documents of some kinds, while the core tells them.

    Args:
        client: asks the core.
        kinds: theirs.

    Attributes:
        revision, epoch: at which they are; known with the first document, or at the end.
    """

    def __init__(self, client: Client, kinds: Sequence[Kind]) -> None:
        self.revision = 0
        self.epoch = ""
        self._text = ""
        self._place = 0
        self._parts = client.read(PATH, {"kind": list(kinds)})
        self._decode = json.JSONDecoder().raw_decode

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the documents; to be gone through once.

        Raises:
            CoreFailure: the core does not tell them, or not to the end.
        """
        self._begin()
        while (mark := self._next()) != "]":
            if mark == ",":
                self._place += 1
                self._next()
            yield self._document()

    def _begin(self) -> None:
        while (found := _BEGINNING.match(self._text)) is None:
            if len(self._text) > TEXT_MAX or not self._more():
                raise _other_answer()
        self.revision, self.epoch = int(found[1]), found[2]
        self._place = found.end()

    def _next(self) -> str:
        """Return the next character that is not blank."""
        while True:
            blank = _BLANK.match(self._text, self._place)
            assert blank is not None  # it may be empty
            self._place = blank.end()
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more():
                raise _other_answer()

    def _document(self) -> dict[str, Any]:
        while True:
            try:
                found, self._place = self._decode(self._text, self._place)
            except ValueError:
                if len(self._text) - self._place > TEXT_MAX or not self._more():
                    raise _other_answer() from None
                continue
            if not isinstance(found, dict):
                raise _other_answer()
            return found

    def _more(self) -> bool:
        """Take more of the answer; False at its end."""
        part = next(self._parts, None)
        if part is None:
            return False
        self._text = self._text[self._place :] + part
        self._place = 0
        return True


def _other_answer() -> CoreFailure:
    return CoreFailure(
        "the core's documents cannot be read",
        hint="is it a core of this version, and did it stop meanwhile?",
    )
