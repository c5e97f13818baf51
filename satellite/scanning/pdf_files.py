"""Which files are attached to a PDF?

Pure, and linear in its input. Each stream of a PDF that says that files are attached to it may be
one: to unpack each page of each report would cost as much as all the rest. Where that is said may
be packed itself, with other objects.

Source: PDF 32000-1 sections 7.3.8 (streams), 7.4 (filters), 7.5.7 (object streams), 7.11.4 (files).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from satellite.scanning.limits import LimitExceeded

STREAMS_MAX = 1000  # of a PDF with attached files
_DICTIONARY_BYTES_MAX = 2048  # before a stream
_STREAM = re.compile(rb"(?<!end)stream[ \t]{0,9}(?:\r?\n|\r)")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")  # of a sign in a name
_DIGITS = re.compile(rb"/(?:ASCIIHexDecode|AHx)\b")
_LETTERS = re.compile(rb"/(?:ASCII85Decode|A85)\b")
_UNREAD = re.compile(rb"/(?:LZWDecode|LZW|RunLengthDecode|RL|Crypt)\b")
_SAYS_SO = re.compile(rb"/EmbeddedFile|/EF\b")
_MAY_SAY_SO = frozenset({"embedded_file", "embedded"})
_MAY_PACK_IT = "object_stream"


Unpack = Callable[[memoryview], bytes]


@dataclass(frozen=True, slots=True)
class PdfStream:
    """One stream.

    Args:
        head: its dictionary, and perhaps something before that.
        packed: its octets, without what makes letters of them.
    """

    head: bytes
    packed: memoryview

    @property
    def holds_objects(self) -> bool:
        return b"/ObjStm" in self.head

    @property
    def is_unread(self) -> bool:
        """Say whether it is a file in a form that we do not read."""
        return b"/EmbeddedFile" in self.head and _UNREAD.search(self.head) is not None


def says_so(octets: bytes) -> bool:
    """Say whether some objects speak of attached files."""
    return _SAYS_SO.search(octets) is not None


def has_files(document: bytes, marks: frozenset[str], unpack: Unpack) -> bool:
    """Say whether a PDF says that files are attached to it, in the open or packed.

    Args:
        document: its octets.
        marks: those of ``content_kind`` that are in it.
        unpack: gives what a stream of zlib's holds, as far as it is one.
    """
    if marks & _MAY_SAY_SO and says_so(document):
        return True
    return _MAY_PACK_IT in marks and any(
        stream.holds_objects and says_so(unpack(stream.packed)) for stream in streams(document)
    )


def streams(document: bytes) -> Iterator[PdfStream]:
    """Yield all streams.

    Raises:
        LimitExceeded: there are too many.
    """
    octets = memoryview(document)
    end = 0
    for count, found in enumerate(_STREAM.finditer(document)):
        if count >= STREAMS_MAX:
            raise LimitExceeded("too many streams in a PDF")
        if end < found.end():
            end = document.find(b"endstream", found.end())
            end = len(document) if end < 0 else end
        head = document[max(0, found.start() - _DICTIONARY_BYTES_MAX) : found.start()]
        head = _ESCAPE.sub(lambda sign: bytes([int(sign[1], 16)]), head[head.rfind(b" obj") + 1 :])
        yield PdfStream(head, _without_letters(head, octets[found.end() : end]))


def _without_letters(head: bytes, packed: memoryview) -> memoryview:
    try:
        if _LETTERS.search(head):
            signs = bytes(packed).partition(b"~>")[0].removeprefix(b"<~")
            return memoryview(base64.a85decode(signs, ignorechars=b" \t\r\n\f\v\0"))
        if _DIGITS.search(head):
            digits = bytes(packed).partition(b">")[0].translate(None, b" \t\r\n\f\0")
            return memoryview(bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii")))
    except ValueError:
        raise LimitExceeded("a damaged stream in a PDF") from None
    return packed
