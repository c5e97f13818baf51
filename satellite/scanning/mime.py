"""Which MIME parts does a message hold, read as two different mail programs would?

Pure. Programs disagree about malformed mail, and malware hides where they do; so the message is
read by the stdlib (``compat32``: ``policy.default`` is quadratic on hostile input) and by
fast-mail-parser, as it stands and, where that differs, with its fields as the standards read them.
Engines see the union. No reading is trusted to be the right one.

Source: RFC 2045 to 2049; draft-chen-email-mime-ambiguity-defense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesFeedParser
from email.policy import Policy, compat32
from typing import Any

import fast_mail_parser

from satellite.scanning import mime_fields
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.decoding import (
    from_base64,
    from_quoted_printable,
    is_pure_base64,
    is_read_alike,
)
from satellite.scanning.guarded import guarded
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.skeleton import Skeleton

CHUNK_BYTES = 8_192  # handed to the parser between two looks at the budget
ENCODED_WORDS_MAX = 1_000  # beginnings of them; fast-mail-parser takes their square

_MIME_FIELDS = frozenset(
    {"content-type", "content-disposition", "content-transfer-encoding", "content-id"}
)
_ENCODING = "content-transfer-encoding"
# What leaves the octets as they are, with the misspellings that honest programs are known for.
_IDENTITY = frozenset(
    {b"", b"7bit", b"8bit", b"binary", b"7-bit", b"8-bit", b"7bits", b"8bits", b"7", b"8"}
    | {b"none", b"ascii", b"us-ascii", b"utf-8", b"utf8", b"text", b"plain", b"text/plain"}
)
_UUENCODE = frozenset({b"x-uuencode", b"uuencode", b"uue", b"x-uue"})
_BEGIN = re.compile(rb"^begin[- \t]", re.M)
_PIECE = b"message/partial"
_READABLE = _IDENTITY | _UUENCODE | {b"base64", b"quoted-printable"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a part holds.

    Args:
        octets: decoded.
        is_verbatim: they stand in the message as they are, and were read with it.
        is_whole: they are the whole message in another form, and not one inside it.
    """

    octets: bytes
    is_verbatim: bool = False
    is_whole: bool = False


@dataclass(slots=True)
class Known:
    """What the readings of a message have come to.

    Args:
        from_base64, from_quoted_printable: numbers of the runs that were decoded so, and leave
            nothing to differ about.
        complaints: what could not be read, each once.
        locked: what needs a key.
    """

    from_base64: set[int] = field(default_factory=set)
    from_quoted_printable: set[int] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)

    def of_inner(self) -> Known:
        """Return what is known of something inside the message: nothing yet; it notes here."""
        return Known(complaints=self.complaints, locked=self.locked)

    def complain(self, what: str) -> None:
        """Note what could not be read."""
        if what not in self.complaints:
            self.complaints.append(what)


def contents(
    message: bytes,
    skeleton: Skeleton,
    known: Known,
    limits: UnfoldingLimits,
    budget: CpuBudget,
) -> Iterator[Decoded]:
    """Yield each decoded part of all readings; most come several times.

    A reading that is given up does not end the others: ``known`` says why it was.

    Args:
        message, skeleton: the octets, whole and without their runs.
        known: is told what was read and what was not.
        limits, budget: of the message.
    """
    readings = (
        by_standard_library(skeleton, skeleton.text, known, limits, budget),
        by_fast_mail_parser(message, skeleton, limits, budget),
        _with_usual_fields(skeleton, known, limits, budget),
    )
    for reading in readings:
        yield from guarded(reading, "MIME", budget, known.complain)


def _with_usual_fields(
    skeleton: Skeleton, known: Known, limits: UnfoldingLimits, budget: CpuBudget
) -> Iterator[Decoded]:
    """Yield what both readers find where the fields, as the standards read them, differ."""
    usual = mime_fields.usual(skeleton.text)
    if usual == skeleton.text:
        return
    readings = (
        by_standard_library(skeleton, usual, known, limits, budget),
        by_fast_mail_parser(skeleton.filled(usual), skeleton, limits, budget),
    )
    for reading in readings:
        yield from guarded(reading, "MIME", budget, known.complain)


class _Counts:
    """What one reading has come to so far."""

    def __init__(self, limits: UnfoldingLimits) -> None:
        self.limits = limits
        self.parts = 0
        self.header_bytes = 0


class _Part(Message):
    """A part that counts while the parser builds it, so that a bomb is noticed early."""

    def __init__(self, counts: _Counts, policy: Policy) -> None:
        super().__init__(policy)
        self.kinds: list[bytes] = []  # its Content-Type fields, in lower case
        self.encodings: list[bytes] = []  # its Content-Transfer-Encoding fields, likewise
        self._counts = counts
        self._depth = 0  # in multiparts
        self._messages_depth = 0
        counts.parts += 1
        if counts.parts > counts.limits.mime_parts_max:
            raise LimitExceeded("too many MIME parts")

    def attach(self, payload: Any) -> None:
        # A message that is attached to one costs no pattern: forwarded mail goes twenty deep.
        is_message = self.get_content_maintype() == "message"
        payload._depth = self._depth + (not is_message)
        payload._messages_depth = self._messages_depth + is_message
        limits = self._counts.limits
        if (
            payload._depth > limits.mime_depth_max
            or payload._messages_depth > limits.messages_depth_max
        ):
            raise LimitExceeded("MIME parts nested too deeply")
        super().attach(payload)

    @property
    def lines(self) -> bytes | None:
        """What the parser found in the part, None where that is other parts."""
        # As it stands: get_payload would decode a character set.
        text: object = self._payload
        return text.encode("ascii", "surrogateescape") if isinstance(text, str) else None

    def decoded(self, lines: bytes) -> bytes:
        """Return what the stdlib makes of the part, given the lines that the parser did not see."""
        self._payload = lines.decode("ascii", "surrogateescape")
        content = self.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""

    def set_raw(self, name: str, value: Any) -> None:
        limits = self._counts.limits
        self._counts.header_bytes += len(name) + len(value)
        if self._counts.header_bytes > limits.header_bytes_max:
            raise LimitExceeded("too many octets of header")
        field = name.lower()
        if field in _MIME_FIELDS:
            if len(value) > limits.mime_field_bytes_max:
                raise LimitExceeded("a MIME header field is too long")
            if field == "content-type":
                self.kinds.append(value.lower().encode("ascii", "replace"))
            elif field == _ENCODING:
                self.encodings.append(value.lower().encode("ascii", "replace"))
        super().set_raw(name, value)


def by_standard_library(
    skeleton: Skeleton, text: bytes, known: Known, limits: UnfoldingLimits, budget: CpuBudget
) -> Iterator[Decoded]:
    """Yield the decoded contents as the stdlib reads them.

    Args:
        skeleton: knows the runs whose places stand in the text.
        text: of the skeleton, or what was made of it.
        known: is told what was read and what was not.
        limits, budget: of the message.

    Raises:
        LimitExceeded: the reading was given up; what was yielded before remains true.
    """
    if len(text) > limits.lines_max and _lines(text) > limits.lines_max:
        raise LimitExceeded("too many lines")
    counts = _Counts(limits)

    def part(policy: Policy = compat32) -> _Part:
        return _Part(counts, policy)

    parser = BytesFeedParser(part, policy=compat32)
    counts.parts = 0  # the parser makes one to see whether the factory takes a policy
    for place in range(0, len(text), CHUNK_BYTES):
        budget.check()
        parser.feed(text[place : place + CHUNK_BYTES])
    for node in parser.close().walk():
        assert isinstance(node, _Part)
        budget.check()
        _complain_of_fields(node, known)
        lines = node.lines
        if lines:
            content = _content(node, lines, skeleton, known)
            if content.octets:
                yield content


def _content(node: _Part, lines: bytes, skeleton: Skeleton, known: Known) -> Decoded:
    whole = skeleton.filled(lines)
    match node.encodings[0] if node.encodings else b"":
        case b"base64" if is_pure_base64(skeleton.outside_runs(lines)):
            if is_read_alike(whole):
                known.from_base64.update(skeleton.numbers(lines))
            return Decoded(from_base64(whole))
        case b"quoted-printable":
            if b" \r\n" not in whole and b"\t\r\n" not in whole:  # programs differ about these
                known.from_quoted_printable.update(skeleton.numbers(lines))
            return Decoded(from_quoted_printable(whole))
        case b"base64" | b"x-uuencode" | b"uuencode" | b"uue" | b"x-uue" as encoding:
            if encoding != b"base64" and whole.strip() and not _BEGIN.search(whole):
                known.complain("a uuencoded file without its first line")
            return Decoded(node.decoded(whole))
        case _:
            return Decoded(whole, is_verbatim=True)


def _complain_of_fields(node: _Part, known: Known) -> None:
    """Note what no reading can make whole: a piece of a message, an encoding that nobody knows."""
    if any(b"partial" in kind and mime_fields.token_of(kind) == _PIECE for kind in node.kinds):
        known.complain("a piece of a message (message/partial)")
    if any(b"mac-binhex" in kind for kind in node.kinds):
        known.complain("a file in BinHex")
    for encoding in node.encodings:
        if encoding in _READABLE or mime_fields.token_of(encoding) in _READABLE:
            continue
        if not node.is_multipart() and not all(b"text/" in kind for kind in node.kinds):
            known.complain("an attachment in an unknown encoding")


def by_fast_mail_parser(
    message: bytes, skeleton: Skeleton, limits: UnfoldingLimits, budget: CpuBudget
) -> Iterator[Decoded]:
    """Yield the decoded contents as fast-mail-parser reads them.

    Args:
        message: its octets, or what was made of them.
        skeleton: of the message.
        limits, budget: of the message.

    Raises:
        LimitExceeded: the reading was given up; what was yielded before remains true.
    """
    for node, _ in nodes_by_fast_mail_parser(message, skeleton.readable, limits, budget):
        try:
            content = node.content
        except fast_mail_parser.DecodeError:
            continue  # the lenient reading decodes what there is
        if content:
            yield Decoded(content, is_verbatim=bool(node.children) and content in message)


def nodes_by_fast_mail_parser(
    message: bytes, readable: bytes, limits: UnfoldingLimits, budget: CpuBudget
) -> Iterator[tuple[fast_mail_parser.PyLazyMimePart, int]]:
    """Yield each part as fast-mail-parser reads them, in their order, with its depth in parts.

    Args:
        message: its octets, or what was made of them.
        readable: the same, runs of base64 may be left out.
        limits, budget: of the message.

    Raises:
        LimitExceeded: the reading was given up; what was yielded before remains true.
    """
    budget.check()
    if readable.count(b"?") > ENCODED_WORDS_MAX and readable.count(b"=?") > ENCODED_WORDS_MAX:
        # Nothing that we ask for is an encoded word, and a boundary is changed wherever it stands.
        message = message.replace(b"=?", b"=.")
    try:
        root = fast_mail_parser.parse_email_tree(message, mode="lazy")
    except fast_mail_parser.MimeStructureError:
        raise LimitExceeded("MIME parts nested too deeply") from None
    except fast_mail_parser.ParseError:
        return  # to this reader it is no message at all
    waiting = [(root, 0)]
    parts = 0
    while waiting:
        budget.check()
        node, depth = waiting.pop()
        parts += 1
        if parts > limits.mime_parts_max:
            raise LimitExceeded("too many MIME parts")
        if depth > limits.mime_depth_max + limits.messages_depth_max:
            raise LimitExceeded("MIME parts nested too deeply")
        yield node, depth
        waiting.extend((child, depth + 1) for child in reversed(node.children))


def _lines(message: bytes) -> int:
    return message.count(b"\n") + message.count(b"\r") - message.count(b"\r\n")
