"""Which MIME parts does a message hold, read as two different mail programs would?

Pure. Programs disagree about malformed mail, and malware hides where they do; so the message is
read by the stdlib (``compat32``: ``policy.default`` is quadratic on hostile input) and by
fast-mail-parser, and engines see the union. Neither reading is trusted to be the right one.

Source: RFC 2045 to 2049; draft-chen-email-mime-ambiguity-defense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesFeedParser
from email.policy import Policy, compat32
from typing import Any

import fast_mail_parser

from satellite.scanning.limits import LimitExceeded, UnfoldingLimits

# Lines as an encoded file has them. None can be a header field, a fold or a boundary, whatever the
# message says; so the parser does with a run of them what it would do with one.
_RUN = re.compile(rb"^(?:[A-Za-z0-9+/=]{40,}+\r?\n){8,}+", re.M)
_PLACE = "PlaceOfARunOfLines"
_PLACED = re.compile(_PLACE + r"([0-9]+)")

_MIME_FIELDS = frozenset(
    {"content-type", "content-disposition", "content-transfer-encoding", "content-id"}
)


def contents(message: bytes, limits: UnfoldingLimits) -> Iterator[bytes]:
    """Yield each decoded part of both readings; many come twice.

    Raises:
        LimitExceeded: a reading was given up; what was yielded before remains true.
    """
    complaints: list[str] = []
    for reading in (by_standard_library, by_fast_mail_parser):
        try:
            yield from reading(message, limits)
        except LimitExceeded as error:
            complaints.append(error.what)  # the other reading may still find something
    if complaints:
        raise LimitExceeded("; ".join(dict.fromkeys(complaints)))


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
        self._counts = counts
        self._depth = 0
        counts.parts += 1
        if counts.parts > counts.limits.mime_parts_max:
            raise LimitExceeded("too many MIME parts")

    def attach(self, payload: Any) -> None:
        payload._depth = self._depth + 1
        if payload._depth > self._counts.limits.mime_depth_max:
            raise LimitExceeded("MIME parts nested too deeply")
        super().attach(payload)

    def put_back(self, runs: list[str]) -> None:
        """Hold the runs of lines again that the parser did not see."""
        # As it stands: get_payload would decode a character set.
        text: object = self._payload  # type: ignore[has-type]
        if isinstance(text, str) and _PLACE in text:
            self._payload = _PLACED.sub(lambda found: runs[int(found[1])], text)

    def set_raw(self, name: str, value: Any) -> None:
        limits = self._counts.limits
        self._counts.header_bytes += len(name) + len(value)
        if self._counts.header_bytes > limits.header_bytes_max:
            raise LimitExceeded("too many octets of header")
        if len(value) > limits.mime_field_bytes_max and name.lower() in _MIME_FIELDS:
            raise LimitExceeded("a MIME header field is too long")
        super().set_raw(name, value)


def by_standard_library(message: bytes, limits: UnfoldingLimits) -> Iterator[bytes]:
    """Yield the decoded contents as the stdlib reads them."""
    if len(message) > limits.lines_max and _lines(message) > limits.lines_max:
        raise LimitExceeded("too many lines")
    counts = _Counts(limits)

    def part(policy: Policy = compat32) -> _Part:
        return _Part(counts, policy)

    parser = BytesFeedParser(part, policy=compat32)
    counts.parts = 0  # the parser makes one to see whether the factory takes a policy
    runs: list[str] = []
    parser.feed(_without_runs(message, runs))
    root = parser.close()
    for node in root.walk():
        if runs and isinstance(node, _Part):
            node.put_back(runs)
        content = node.get_payload(decode=True)
        if isinstance(content, bytes) and content:
            yield content


def _without_runs(message: bytes, runs: list[str]) -> bytes:
    """Return the message with one line for each run of lines, which go to ``runs``.

    The stdlib takes a microsecond for each line, which is nearly all of the time for a message.
    """
    if _PLACE.encode() in message:
        return message  # somebody knows how this is done

    def place(found: re.Match[bytes]) -> bytes:
        start, stop = found.span()
        end = b"\r\n" if message.endswith(b"\r\n", start, stop) else b"\n"
        runs.append(message[start : stop - len(end)].decode("ascii"))
        return f"{_PLACE}{len(runs) - 1}".encode() + end

    return _RUN.sub(place, message)


def by_fast_mail_parser(message: bytes, limits: UnfoldingLimits) -> Iterator[bytes]:
    """Yield the decoded contents as fast-mail-parser reads them."""
    try:
        root = fast_mail_parser.parse_email_tree(message, mode="lazy")
    except fast_mail_parser.MimeStructureError:
        raise LimitExceeded("MIME parts nested too deeply") from None
    except fast_mail_parser.ParseError:
        return  # to this reader it is no message at all
    waiting = [(root, 0)]
    parts = 0
    while waiting:
        node, depth = waiting.pop()
        parts += 1
        if parts > limits.mime_parts_max:
            raise LimitExceeded("too many MIME parts")
        if depth > limits.mime_depth_max:
            raise LimitExceeded("MIME parts nested too deeply")
        waiting.extend((child, depth + 1) for child in node.children)
        try:
            content = node.content
        except fast_mail_parser.DecodeError:
            continue  # the lenient reading decodes what there is
        if content:
            yield content


def _lines(message: bytes) -> int:
    return message.count(b"\n") + message.count(b"\r") - message.count(b"\r\n")
