"""What does a message say and hold, as the helper finds out?

Runs in the helper process, in its first thread. Its parts as one program reads them come first,
with their names; then whatever else all readings of it together bring to light. What cannot be
read is said to be so: nobody knows what is in it.

Source: RFC 2046; RFC 2045 section 5; HTML Living Standard.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import fast_mail_parser

from satellite.headers.encoded_words import codec_of
from satellite.scanning.content_sheet import ContentBounds, ContentSheet, on_lines
from satellite.scanning.content_words import PAGE, words_of
from satellite.scanning.cpu_alarm import ended_with
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.fuzzy_digest import fuzzy_of_file
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.mime import nodes_by_fast_mail_parser
from satellite.scanning.risky import type_of_name
from satellite.scanning.shown_text import shown
from satellite.scanning.told_names import told_names
from satellite.scanning.unpack import Unit, Unpacking
from satellite.scanning.urls import urls_in, usual

CPU_S = 3.0  # of one message: a filter has ten seconds in all
PAGES_OCTETS_MAX = 262_144  # of all pages of a message, decoded
TEXTS_OCTETS_MAX = 524_288  # of all texts that are looked at for links

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_CHARSET = re.compile(r"charset\*?\s*+=\s*+(?:[\w-]*'[^']*')?\"?([\w.:+\\%-]{1,40})", re.I)
_HALF_SIGNS = re.compile("[\ud800-\udfff]")
# What headers never have, and bodies now and then do.
_BODY_CODECS = {
    **{name: name for name in ("utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be")},
    **dict.fromkeys(("utf-7", "utf7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7"), "utf-7"),
}
_OFFICE_ENDINGS = (".xml", ".rels")  # the members of a document that say nothing to anybody
_Node = fast_mail_parser.PyLazyMimePart


def prepare(options: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    """Return what reads one message; the options are those of ``ContentBounds``."""
    bounds, limits = ContentBounds(**options), UnfoldingLimits(cpu_s=CPU_S)
    return lambda message: content_of(message, bounds, limits)


def content_of(message: bytes, bounds: ContentBounds, limits: UnfoldingLimits) -> dict[str, Any]:
    """Return what a message says and holds, as plain JSON; see ``ContentSheet.answer``.

    Args:
        message: the octets of DATA.
        bounds: of what is told.
        limits: beyond which nobody looks.
    """
    budget = CpuBudget(limits.cpu_s, cpu_s=time.process_time)
    unpacking = Unpacking(limits, budget)
    sheet = ContentSheet(bounds)
    try:
        with ended_with(budget):
            reading = _Reading(message, sheet, budget)
            for node, depth in _leaves(message, limits, budget):
                reading.leaf(node, depth)
            for unit in unpacking.units(message):
                budget.check()
                if unit.content is not message:
                    reading.unit(unit)
    except LimitExceeded as error:
        sheet.note(error.what)
    for what in unpacking.limits_met:
        sheet.note(what)
    for what in unpacking.encrypted:
        sheet.note(f"encrypted: {what}")
    for what in unpacking.unreadable:
        sheet.note(f"an archive that is not read: {what}")
    return sheet.answer()


def _leaves(
    message: bytes, limits: UnfoldingLimits, budget: CpuBudget
) -> Iterator[tuple[_Node, int]]:
    """Yield the parts that hold no others, each with the number of messages around it.

    Raises:
        LimitExceeded: there are too many.
    """
    most = limits.message_lines_max
    if len(message) > most and message.count(b"\n") > most:
        raise LimitExceeded("too many lines")
    around: list[bool] = []
    for node, depth in nodes_by_fast_mail_parser(message, message, limits, budget):
        del around[depth:]
        if not node.children:
            yield node, sum(around)
        around.append(node.is_message)


class _Reading:
    """One message while it is read.

    Args:
        message: its octets.
        sheet: is told what was found.
        budget: of the message.
    """

    def __init__(self, message: bytes, sheet: ContentSheet, budget: CpuBudget) -> None:
        self._message = message
        self._sheet = sheet
        self._budget = budget
        self._seen: set[bytes] = set()
        self._pages_left = PAGES_OCTETS_MAX
        self._texts_left = TEXTS_OCTETS_MAX

    def leaf(self, node: _Node, depth: int) -> None:
        """Take note of a part of the message."""
        self._budget.check()
        media_type = (node.content_type or "text/plain").lower()
        try:
            content = node.content
            if content is None:  # parts were promised, and there is none
                if self._seen or depth:
                    return
                content, media_type = self._message.partition(b"\r\n\r\n")[2], "text/plain"
        except fast_mail_parser.DecodeError:
            content = b""
            self._sheet.note("a part whose encoding is broken")
        name = _name_of(node)
        text = ""
        if media_type.startswith("text/"):
            text = self._read_text(content, media_type, _charset_of(node))
        digest = sha256(content)
        self._seen.add(digest.digest())
        self._sheet.add_part(
            media_type=media_type,
            kinds=words_of(content),
            name=name,
            size=len(content),
            sha256=digest.hexdigest(),
            fuzzy=self._sheet.fuzzy_of(text) if text else fuzzy_of_file(content),
            depth=depth,
        )

    def unit(self, unit: Unit) -> None:
        """Take note of what lies in an archive or document, or is seen by another reading alone."""
        kinds = words_of(unit.content)
        is_told = unit.in_archive and bool(unit.name)
        if not is_told and not any(kind != PAGE for kind in kinds):
            return  # a text, once more
        if is_told and not kinds and unit.name.endswith(_OFFICE_ENDINGS):
            return
        digest = sha256(unit.content)
        if not is_told and digest.digest() in self._seen:
            return
        self._seen.add(digest.digest())
        self._sheet.add_part(
            media_type="",
            kinds=kinds,
            name=unit.name,
            size=len(unit.content),
            sha256=digest.hexdigest(),
            fuzzy=fuzzy_of_file(unit.content) if self._sheet.has_room() else "",
            depth=unit.depth,
        )

    def _read_text(self, content: bytes, media_type: str, charset: str) -> str:
        """Take note of what a text says and links to; return it as it is told."""
        is_page = media_type in _PAGE_TYPES or (
            media_type != "text/plain" and PAGE in words_of(content)
        )
        left = self._pages_left if is_page else self._texts_left
        if len(content) > left:
            self._sheet.is_whole = False
            content = content[:left]
        text = decoded(content, charset)
        if is_page:
            self._pages_left -= len(content)
            return self._read_page(text)
        self._texts_left -= len(content)
        return self._read_lines(on_lines(text))

    def _read_page(self, page: str) -> str:
        seen = shown(page)
        if not seen.is_whole:
            self._sheet.is_whole = False
        self._budget.check()
        for address in seen.addresses:
            if (url := usual(address)) is not None:
                self._sheet.add_url(url)
        return self._read_lines(on_lines(seen.text))

    def _read_lines(self, text: str) -> str:
        for url in urls_in(text):
            self._sheet.add_url(url)
        self._sheet.add_text(text)
        return text


def decoded(content: bytes, charset: str) -> str:
    """Return a text as its character set says, or as most of its kind are written.

    Args:
        content: octets without a transfer encoding.
        charset: its name; empty, unknown or a lie: UTF-8, or Windows-1252 where it is none.
    """
    name = charset.lower()
    codec = _BODY_CODECS.get(name) or codec_of(name)
    if name == "utf-16":  # RFC 2781 section 4.3; the text begins with a letter of ours, or a mark
        codec = "utf-16-be" if content.startswith(b"\0") else "utf-16"
    if codec not in (None, "ascii", "utf-8"):
        # UTF-7 says halves of signs too, which are no text: nobody could read on behind one.
        return _HALF_SIGNS.sub("\ufffd", content.decode(codec, "replace"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("utf-8" if codec == "utf-8" else "cp1252", "replace")


def _fields_of(node: _Node, *names: str) -> Iterator[tuple[str, str]]:
    for name, values in node.headers.items():
        if name.lower() in names:
            for value in values:
                yield name, value


def _charset_of(node: _Node) -> str:
    for _, value in _fields_of(node, "content-type"):
        if found := _CHARSET.search(value[:1024]):
            return unquote(found[1].replace("\\", ""))
    return ""


def _name_of(node: _Node) -> str:
    """Return a part's name; of several the one that a system would do harm by."""
    names = [node.filename] if node.filename else []
    for field, value in _fields_of(node, "content-type", "content-disposition"):
        line = f"{field}: {value}".replace("\r", " ").replace("\n", " ")
        names += told_names(line.encode("utf-8", "replace"))
    risky = (name for name in names if type_of_name(name) is not None)
    return next(risky, names[0] if names else "")
