"""What is told of a message's content, and how much of it within bounds?

Pure. An answer of the helper has a bound in octets, and mail may hold any number of anything: so
each thing is counted as it will be written, and what no longer fits is left out, and said to be.
"""

from __future__ import annotations

import json
import re
from typing import Any

from common.frozen import dataclass
from common.verdict import printable
from satellite.scanning.fuzzy_digest import fuzzy_of_text
from satellite.scanning.risky import type_of_name
from satellite.scanning.urls import host_of

NOTES_MAX = 8
TEXT_OCTETS_MAX = 32_000  # of all texts as they are written in the answer
URLS_OCTETS_MAX = 14_000
PARTS_OCTETS_MAX = 18_000  # frames.ANSWER_BYTES_MAX is above all of them together
NOTE_LENGTH_MAX = 100
MEDIA_TYPE_LENGTH_MAX = 100
URLS_SEEN_MAX = 2_000  # different ones that are chosen from

_as_written = json.JSONEncoder(ensure_ascii=False).encode  # ``dumps`` would make one each time
_PARAGRAPH = re.compile(r"\n[ \t\r\f\v\xa0]*+\n")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ud800-\udfff]+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentBounds:
    """How much of a message is told.

    Args:
        text_length_max: characters of all texts.
        urls_max, parts_max: how many of each.
        name_length_max: characters of a part's name.
    """

    text_length_max: int
    urls_max: int
    parts_max: int
    name_length_max: int


class ContentSheet:
    """What was found in one message so far.

    Args:
        bounds: of what is told.

    Attributes:
        is_whole: no bound was met.
        unread: why there may be parts that nobody could read; each reason once.
    """

    def __init__(self, bounds: ContentBounds) -> None:
        self.is_whole = True
        self.unread: dict[str, None] = {}
        self._bounds = bounds
        self._texts: list[str] = []
        self._text_left = bounds.text_length_max
        self._octets_left = TEXT_OCTETS_MAX
        self._urls: dict[str, None] = {}
        self._parts: list[dict[str, Any]] = []
        self._part_octets_left = PARTS_OCTETS_MAX
        self._last_digest = "", ""

    def add_text(self, text: str) -> None:
        """Note a text as ``on_lines`` writes it, or as much of it as fits."""
        if not text:
            return
        kept = _within(text[: self._text_left], self._octets_left)
        if len(kept) < len(text):
            self.is_whole = False
        if kept:
            self._texts.append(kept)
            self._text_left -= len(kept)
            self._octets_left -= _octets(kept)

    def add_url(self, url: str) -> None:
        """Note a URL; one that is known is no other."""
        if len(self._urls) < URLS_SEEN_MAX:
            self._urls[url] = None
        elif url not in self._urls:
            self.is_whole = False

    def has_room(self) -> bool:
        """Say whether another part may fit."""
        return len(self._parts) < self._bounds.parts_max and self._part_octets_left > 0

    def add_part(
        self,
        *,
        media_type: str,
        kinds: tuple[str, ...],
        name: str,
        size: int,
        sha256: str,
        fuzzy: str,
        depth: int,
    ) -> None:
        """Note a part, see ``satellite.filtering.inside.ContentPart``."""
        part = {
            "media_type": media_type[:MEDIA_TYPE_LENGTH_MAX],
            "kinds": list(kinds),
            # Its end counts: that is what opens the file.
            "name": " ".join(_UNSEEN.sub("", name).split())[-self._bounds.name_length_max :],
            "size": size,
            "sha256": sha256,
            "fuzzy": fuzzy,
            "named_type": type_of_name(name) or "",
            "depth": depth,
        }
        octets = _octets(part) + 2
        if not self.has_room() or octets > self._part_octets_left:
            self.note("more parts than are told")
            self._part_octets_left = 0
            return
        self._parts.append(part)
        self._part_octets_left -= octets

    def fuzzy_of(self, text: str) -> str:
        """Return the fuzzy digest of a text; most messages have one, and it is asked for twice."""
        if self._last_digest[0] != text:
            self._last_digest = text, fuzzy_of_text(text)
        return self._last_digest[1]

    def note(self, what: str) -> None:
        """Note why there may be parts that nobody knows."""
        if len(self.unread) < NOTES_MAX:
            self.unread[printable(what, length_max=NOTE_LENGTH_MAX)] = None

    def answer(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        urls = self._told_urls()
        return {
            "texts": self._texts,
            "urls": urls,
            "parts": self._parts,
            "fuzzy": self.fuzzy_of("\n".join(self._texts)),
            "is_whole": self.is_whole and not self.unread and len(urls) == len(self._urls),
            "unread": list(self.unread),
        }

    def _told_urls(self) -> list[str]:
        """Return what fits of the URLs, one of each host before a second one of any."""
        hosts: set[str] = set()
        first: list[str] = []
        others: list[str] = []
        for url in self._urls:
            host = host_of(url)
            (others if host in hosts else first).append(url)
            hosts.add(host)
        told: list[str] = []
        left = URLS_OCTETS_MAX
        for url in (*first, *others):
            octets = _octets(url) + 2
            if len(told) < self._bounds.urls_max and octets <= left:
                told.append(url)
                left -= octets
        return told


def on_lines(text: str) -> str:
    """Return a text with a line for each paragraph, and without what nobody sees."""
    if not text.isascii() or not text.isprintable():
        text = _UNSEEN.sub("", text)
    paragraphs = (" ".join(one.split()) for one in _PARAGRAPH.split(text))
    return "\n".join(filter(None, paragraphs))


def _octets(said: Any) -> int:
    return len(_as_written(said).encode("utf-8", "surrogatepass"))


def _within(text: str, octets_max: int) -> str:
    """Return as much of a text as takes no more octets than that."""
    while text and (octets := _octets(text)) > octets_max:
        # As if all signs were alike, and one less, so that it ends.
        text = text[: min(len(text) - 1, len(text) * octets_max // octets)]
    return text
