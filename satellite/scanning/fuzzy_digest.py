"""What is the fuzzy digest of a text, or of a file?

Pure, and linear in its input. A text is its pairs of words that follow each other, without links,
numbers and signs, which differ in each copy of a mailing. A file is what stands between a few
octets that all files have: where something is put in, what is around it stays as it was.

Source: common.fuzzy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from rensa import RMinHash

from common.fuzzy import VALUES, fuzzy_digest

THINGS_MIN = 16  # different ones of a content; fewer are alike by chance
TEXT_LENGTH_MAX = 16_384  # characters that are looked at
FILE_BYTES_MAX = 262_144  # octets that are looked at; some 3 ms

_SEED = 1
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_WORD = re.compile(r"[^\W\d_]+")  # what has digits in it counts, orders or tells copies apart
_ASCII_WORD = re.compile(r"[a-z]+")  # twice as quick
_PIECE = re.compile(rb"[^\0\n\r ,;<>]{4,64}")


def fuzzy_of_text(text: str) -> str:
    """Return the digest of a text; empty when it is too short for one."""
    text = text[:TEXT_LENGTH_MAX].lower()
    if "://" in text or "www." in text:
        text = _LINK.sub(" ", text)
    words = (_ASCII_WORD if text.isascii() else _WORD).findall(text)
    return _digest({f"{one} {next_one}" for one, next_one in pairwise(words)})


def fuzzy_of_file(content: bytes) -> str:
    """Return the digest of octets that are no text; empty when there is too little in them."""
    pieces = _PIECE.findall(content[:FILE_BYTES_MAX])
    return _digest({piece.decode("latin-1") for piece in pieces})


def _digest(things: Iterable[str]) -> str:
    """Return the digest of different things, in any order."""
    tokens = list(things)
    if len(tokens) < THINGS_MIN:
        return ""
    found = RMinHash(num_perm=VALUES, seed=_SEED)
    found.update(tokens)
    return fuzzy_digest(bytes(value & 0xFF for value in found.digest()))
