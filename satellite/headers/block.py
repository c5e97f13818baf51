"""Which header fields does a message have, and where does its header section end?

Pure, linear in its input, and never raises: a stranger may send no header, no blank line, or
anything at all. Octets are kept as they came. A first line ``From …`` is what a mailbox file puts
before each message (some programs send it along); it is no field, and ends no header.

Source: RFC 5322 sections 2.2 and 4.5 (obsolete syntax: white space before the colon); RFC 4155
appendix A (the separator line of a mailbox).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from common.frozen import dataclass
from common.message_bounds import HEADER_SECTION_BYTES_MAX
from common.verdict import printable
from satellite.headers.encoded_words import decoded_text

HEADER_BYTES_MAX = HEADER_SECTION_BYTES_MAX
LINES_MAX = 4_096  # likewise, lines that end in a bare CR included: each costs a microsecond
MESSAGE_ID_LENGTH_MAX = 998  # one line

# A field ends where a line ends and the next one does not begin with white space. Its name is
# found on the way, when it is one to every reader, as it nearly always is.
_FIELD = re.compile(rb"((?:([!-9;-~]+):)?[^\n]*(?:\n[ \t][^\n]*)*\n?)")
# Quoted or not, one or more as Postfix has it, with what continues them; ``From :`` is a field.
_MAILBOX_LINE = re.compile(rb"(?:>*From (?![ \t]*:)[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_NAME = re.compile(rb"[!-9;-~]+[ \t]*:")
_CLEAN_NAME = re.compile(rb"([!-9;-~]+):")
# What some reader may skip inside a name: everything but visible ASCII.
_INVISIBLE = bytes(c for c in range(256) if not 0x20 < c < 0x7F)


class Span(NamedTuple):
    """One field as it stands in the message, with its line break.

    Args:
        start, end: octet offsets from the beginning of the message.
        raw: the octets between them.
        key: the name in lower case without anything invisible; of a line without a colon, the
            whole line.
    """

    start: int
    end: int
    raw: bytes
    key: bytes

    @property
    def value(self) -> bytes:
        """What stands behind the first colon, with its folds and line breaks."""
        return self.raw.partition(b":")[2]

    @property
    def is_field(self) -> bool:
        """Whether it begins with a name and a colon; a continuation of nothing does not."""
        return _NAME.match(self.raw) is not None


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The header section of one message.

    Args:
        spans: every field and every line that is none, in order.
        end: octet offset of the first octet of the body: behind the blank line.
        oversized: no end was found within ``HEADER_BYTES_MAX`` and ``LINES_MAX``; what was found
            before is there.
        has_bare_cr: some reader may see more lines than we do.
        mailbox_line: the first line, or lines, if they are a mailbox file's separators, with line
            breaks; else empty. The spans begin behind it.
        by_key: the same spans by their keys, in order.
    """

    spans: tuple[Span, ...]
    end: int
    oversized: bool
    has_bare_cr: bool
    by_key: Mapping[bytes, Sequence[Span]]
    mailbox_line: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> HeaderBlock:
        """Return the header section at the beginning of ``data``.

        Args:
            data: the message, or its first ``HEADER_BYTES_MAX + 1`` octets or more.
        """
        section_end, end = _bounds(data)
        section = data[:section_end]
        bare_crs = section.count(b"\r") - section.count(b"\r\n")
        is_cut = section.count(b"\n") + bare_crs > LINES_MAX
        if is_cut:
            section_end = end = _end_of_lines(section)
            section = section[:section_end]
        first = _MAILBOX_LINE.match(section)
        spans = _spans(section, first.end() if first else 0)
        by_key: dict[bytes, list[Span]] = {}
        for span in spans:
            if span.key in by_key:
                by_key[span.key].append(span)
            else:
                by_key[span.key] = [span]
        return cls(
            spans=tuple(spans),
            end=end,
            oversized=is_cut or (end == section_end == HEADER_BYTES_MAX < len(data)),
            has_bare_cr=bare_crs > 0,
            by_key=by_key,
            mailbox_line=first[0] if first else b"",
        )

    @property
    def fields(self) -> tuple[tuple[str, bytes], ...]:
        """Name (as written) and raw value (with its folds, without its last line break)."""
        return tuple(
            (name.strip(b" \t").decode("latin-1"), value.rstrip(b"\r\n"))
            for name, colon, value in (span.raw.partition(b":") for span in self.spans)
            if colon
        )

    def _fields(self, name: str) -> list[Span]:
        """Return the spans of this name that are fields, in order."""
        found = self.by_key.get(name.lower().encode("latin-1", "replace"), ())
        return [span for span in found if b":" in span.raw]

    def get_all(self, name: str, *, limit: int | None = None) -> list[str]:
        """Return the decoded texts of the fields of this name, in order; each bounded.

        Args:
            name: of the fields.
            limit: the first so many; None: all.
        """
        return [decoded_text(span.value) for span in self._fields(name)[:limit]]

    def get(self, name: str) -> str | None:
        """Return the decoded text of the first field of this name, or None when there is none."""
        found = self._fields(name)
        return decoded_text(found[0].value) if found else None

    @property
    def subject(self) -> str:
        """The subject's text: bounded, no control characters; empty when there is none."""
        return self.get("subject") or ""

    @property
    def message_id(self) -> str:
        """The Message-ID with its angle brackets, printable ASCII; empty when there is none."""
        found = self._fields("message-id")
        if not found:
            return ""
        text = b"".join(found[0].value[: 2 * MESSAGE_ID_LENGTH_MAX].split())
        return printable(text.decode("latin-1"), length_max=MESSAGE_ID_LENGTH_MAX)


def _bounds(data: bytes) -> tuple[int, int]:
    """Return where the lines of the header section end, and where the body begins.

    Both are the same when there is no blank line within ``HEADER_BYTES_MAX``.
    """
    for blank in (b"\n", b"\r\n"):
        if data.startswith(blank):
            return 0, len(blank)
    place = data.find(b"\n\r\n", 0, HEADER_BYTES_MAX)
    # Only before it: most mail has no bare LF, and all of it would be looked through.
    bare = data.find(b"\n\n", 0, place + 1 if place >= 0 else HEADER_BYTES_MAX)
    if bare >= 0:
        return bare + 1, bare + 2
    if place >= 0:
        return place + 1, place + 3
    no_end = min(len(data), HEADER_BYTES_MAX)
    return no_end, no_end


def _end_of_lines(section: bytes) -> int:
    """Return the octet offset behind the last line that is looked at."""
    place = 0
    for match in islice(_LINE_END.finditer(section), LINES_MAX):
        place = match.end()
    return place


def _spans(section: bytes, start: int) -> list[Span]:
    spans: list[Span] = []
    for raw, name in _FIELD.findall(section, start):  # one behind the other
        if raw:  # there is nothing behind the last one
            end = start + len(raw)
            spans.append(Span(start, end, raw, name.lower() if name else visible_name(raw)))
            start = end
    return spans


def visible_name(raw: bytes) -> bytes:
    """Return a field's name as the most forgiving reader would take it, in lower case."""
    clean = _CLEAN_NAME.match(raw)
    if clean is not None:  # nearly always
        return clean[1].lower()
    return raw.partition(b":")[0].translate(None, _INVISIBLE).lower()
