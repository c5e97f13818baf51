"""Which header fields does a message have, and where does its header section end?

Pure, linear in its input, and never raises: a stranger may send no header, no blank line, or
anything at all. Octets are kept as they came.

Source: RFC 5322 sections 2.2 and 4.5 (obsolete syntax: white space before the colon).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from common.verdict import printable
from satellite.headers.encoded_words import decoded_text

HEADER_BYTES_MAX = 262_144  # of the whole section; no honest program comes near
MESSAGE_ID_LENGTH_MAX = 998  # one line

_BLANK = re.compile(rb"(?:\A|(?<=\n))\r?\n")
# A field ends where a line ends and the next one does not begin with white space. Its name is
# found on the way, when it is one to every reader, as it nearly always is.
_FIELD = re.compile(rb"(?:([!-9;-~]+):)?[^\n]*(?:\n[ \t][^\n]*)*\n?")
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
        oversized: no end was found within ``HEADER_BYTES_MAX``; what was found before is there.
        has_bare_cr: some reader may see more lines than we do.
        by_key: the same spans by their keys, in order.
    """

    spans: tuple[Span, ...]
    end: int
    oversized: bool
    has_bare_cr: bool
    by_key: Mapping[bytes, Sequence[Span]]

    @classmethod
    def parse(cls, data: bytes) -> HeaderBlock:
        """Return the header section at the beginning of ``data``.

        Args:
            data: the message, or its first ``HEADER_BYTES_MAX + 1`` octets or more.
        """
        blank = _BLANK.search(data, 0, HEADER_BYTES_MAX)
        section_end = blank.start() if blank else min(len(data), HEADER_BYTES_MAX)
        section = data[:section_end]
        spans = _spans(section)
        by_key: dict[bytes, list[Span]] = {}
        for span in spans:
            by_key.setdefault(span.key, []).append(span)
        return cls(
            spans=tuple(spans),
            end=blank.end() if blank else section_end,
            oversized=blank is None and len(data) > HEADER_BYTES_MAX,
            has_bare_cr=section.count(b"\r") != section.count(b"\r\n"),
            by_key=by_key,
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

    def get_all(self, name: str) -> list[str]:
        """Return the decoded texts of all fields of this name, in order; each bounded."""
        return [decoded_text(span.value) for span in self._fields(name)]

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


def _spans(section: bytes) -> list[Span]:
    spans: list[Span] = []
    for match in _FIELD.finditer(section):
        raw, name = match.group(0, 1)
        if raw:  # there is nothing behind the last one
            key = name.lower() if name is not None else visible_name(raw)
            spans.append(Span(match.start(), match.end(), raw, key))
    return spans


def visible_name(raw: bytes) -> bytes:
    """Return a field's name as the most forgiving reader would take it, in lower case."""
    clean = _CLEAN_NAME.match(raw)
    if clean is not None:  # nearly always
        return clean[1].lower()
    return raw.partition(b":")[0].translate(None, _INVISIBLE).lower()
