"""What is left of a message when each long run of lines is one line?

Pure. A reader of MIME takes a microsecond for each line, and nearly all lines are those of encoded
files and of text, in which nothing can be a header field, a fold or a boundary, whatever the
message says. So a reader is shown one line for each run, and does with it what it would do with all
of them. The run is put back where its octets count.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from satellite.scanning.material import has_encoded_lines

# Lines as an encoded file has them, with the break before them.
_ENCODED = re.compile(
    rb"\n((?:[A-Za-z0-9+/]{40,}+={0,2}\r?\n){8,}+(?:[A-Za-z0-9+/]{1,39}+={0,2}\r?\n)?"
    rb"|(?:[A-Za-z0-9+/]++={0,2}\r?\n){64,}+)"
)
# What a paragraph begins with that may be more than text to somebody.
_NO_TEXT = re.compile(rb"From |[!-9;-~]*:|[ \t\r\n]|--")
_TEXT_BYTES_MIN = 200  # of a paragraph; a shorter one costs no more than its place
# The place of encoded lines looks like one, that of text does not.
_MARK = b"PlaceOfARunOfLines"
_PLACE = re.compile(_MARK + rb"(?:E|\.)([0-9]+)")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A message with one line for each run.

    Args:
        text: the message.
        readable: the message without those runs that are of base64's signs alone.
        runs: the lines that are left out, each run without its last line break.
        encoded: the numbers of those that are of base64's signs alone.
    """

    text: bytes
    readable: bytes
    runs: tuple[bytes, ...] = ()
    encoded: frozenset[int] = frozenset()

    @classmethod
    def of(cls, message: bytes) -> Skeleton:
        """Return the skeleton of a message."""
        if _MARK in message:
            return cls(message, message)  # somebody knows how this is done
        runs: list[bytes] = []

        def place(found: re.Match[bytes]) -> bytes:
            lines = found[1]
            end = b"\r\n" if lines.endswith(b"\r\n") else b"\n"
            runs.append(lines[: -len(end)])
            return b"\n%sE%d%s" % (_MARK, len(runs) - 1, end)

        text = _ENCODED.sub(place, message)
        encoded = frozenset(range(len(runs)))
        text = _without_paragraphs(text, runs)
        readable = message if not encoded else _filled(text, runs, encoded)
        return cls(text, readable, tuple(runs), encoded)

    def numbers(self, piece: bytes) -> list[int]:
        """Return the numbers of the runs whose places are in a piece of the text."""
        if not self.runs or _MARK not in piece:
            return []
        return [int(found) for found in _PLACE.findall(piece)]

    def filled(self, piece: bytes, *, without: Container[int] = ()) -> bytes:
        """Return a piece of the text with its runs where they were.

        Args:
            piece: of ``text``, or what was made of it.
            without: the numbers of runs that are left out for good.
        """
        return _filled(piece, self.runs, without) if self.runs else piece

    def outside_runs(self, piece: bytes) -> bytes:
        """Return a piece of the text without the places of runs."""
        return _PLACE.sub(b"", piece) if self.runs else piece


def _filled(piece: bytes, runs: Sequence[bytes], without: Container[int]) -> bytes:
    if _MARK not in piece:
        return piece

    def run(found: re.Match[bytes]) -> bytes:
        number = int(found[1])
        return b"" if number in without else runs[number]

    return _PLACE.sub(run, piece)


def _without_paragraphs(text: bytes, runs: list[bytes]) -> bytes:
    """Return the text with one line for each paragraph, which go to ``runs``."""
    pieces: list[bytes] = []
    done = 0
    for start, stop in _paragraphs(text):
        paragraph = text[start:stop]
        if _NO_TEXT.match(paragraph) or has_encoded_lines(paragraph):
            continue  # or whoever looks for encoded lines would not find them
        if paragraph.count(b"\r") != paragraph.count(b"\r\n"):
            continue  # a line more to some readers
        pieces += (text[done:start], b"%s.%d\r\n" % (_MARK, len(runs)))
        runs.append(paragraph[:-2])
        done = stop
    return b"".join([*pieces, text[done:]]) if pieces else text


def _paragraphs(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield where long paragraphs begin and end: between empty lines, and before separators."""
    start, separator = text.find(b"\r\n\r\n") + 4, -1
    while start >= 4:
        blank = text.find(b"\r\n\r\n", start - 2)
        if separator < start:
            separator = text.find(b"\r\n--", start)
            separator = len(text) if separator < 0 else separator
        stop = min((blank if blank >= 0 else len(text)) + 2, separator + 2, len(text))
        if stop - start >= _TEXT_BYTES_MIN and text.startswith(b"\r\n", stop - 2):
            yield start, stop
        start = text.find(b"\r\n\r\n", max(start - 2, stop - 2)) + 4
