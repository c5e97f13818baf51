"""Does a domain look like one of a customer's own?

Pure. Names are compared by their skeletons: what a reader takes for the same letter is the same.
The table has the letters that are drawn alike in usual fonts, not all of Unicode's; accents are
taken off. A customer's domains are indexed once, so that a thousand of them cost as much as one.

Source: Unicode Technical Standard 39 section 4 (skeletons), RFC 5891 section 4.4 (A-labels).
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import idna

DOMAINS_MAX = 1_000  # of one customer
LABELS_MAX = 8  # of a domain that is looked at, from the right
NAME_LENGTH_MAX = 253
WORDS_MAX = 8  # between hyphens of a label
SHORT_LENGTH = 5  # characters before the last dot: below, one letter more makes another word
WORD_LENGTH_MIN = 6  # of a name inside another one: shorter ones are in words of their own

# Letters that are drawn alike, by the Latin one.
_DRAWN_ALIKE = {
    "a": "а\u0251α",
    "b": "ЬвϦ",
    "c": "сϲ\u1d04ⅽ",
    "d": "ԁⅾ",
    "e": "е\u0435ҽ℮",
    "f": "ƒ",
    "g": "ɡցǥ",
    "h": "һհ",
    "j": "јϳ",
    "k": "кκ\u1d0b",
    "l": "i1|!\u0131іӏιͺⅼ\u05c0ɩɪ",
    "m": "мⅿ",
    "n": "ոп\u0578",
    "o": "0оοσօ\u0585\u0e50ⲟ",
    "p": "рρ⍴",
    "q": "ԛգ",
    "r": "гᴦ",
    "s": "5ѕ$ꜱ",
    "t": "тτ",
    "u": "υս\u028b\u1d1c",
    "v": "ѵνⅴ",
    "w": "ԝшω\u0561\u1d21",
    "x": "х×ⅹ",
    "y": "уүγʏ",
    "z": "ᴢ",
}
_LETTERS = str.maketrans({sign: letter for letter, signs in _DRAWN_ALIKE.items() for sign in signs})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
# Letters that no decomposition takes apart.
_BARRED = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ß": "ss", "æ": "ae", "œ": "oe", "ħ": "h"})


class Likeness(StrEnum):
    """How a domain looks like another one."""

    CONFUSABLE = "confusable"  # a reader sees no difference
    COUSIN = "cousin"  # one letter more, less or other; or a name of ours with something added
    EMBEDDED = "embedded"  # ours stands in front of somebody else's


class Resemblance(NamedTuple):
    """Whom a domain looks like, and how."""

    likeness: Likeness
    own: str


@functools.lru_cache(maxsize=4_096)
def skeleton(text: str) -> str:
    """Return what stands for all texts that look like this one."""
    lowered = text.casefold().translate(_LETTERS).translate(_BARRED)
    plain = "".join(c for c in unicodedata.normalize("NFKD", lowered) if not _is_mark(c))
    made = plain.casefold().translate(_LETTERS)
    for pair, letter in _PAIRS:
        made = made.replace(pair, letter)
    return made


def _is_mark(sign: str) -> bool:
    return unicodedata.category(sign) in ("Mn", "Me", "Cf")


def shown_domain(domain: str) -> str:
    """Return a domain as a reader may be shown it: U-labels where there are such."""
    if "xn--" not in domain:
        return domain
    return ".".join(map(_shown_label, domain.split(".")))


def _shown_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        return label


class OwnDomains:
    """The domains of one customer.

    Args:
        domains: A-labels; of very many the first ones count.
    """

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = dict.fromkeys(list(domains)[:DOMAINS_MAX])
        self._skeletons: dict[str, str] = {}
        self._long: set[str] = set()  # skeletons of which one letter may be wrong
        self._neighbours: dict[str, str] = {}  # those with one letter less, and whose they are
        self._words: dict[str, str] = {}
        for domain in self._domains:
            self._add(domain)

    def _add(self, domain: str) -> None:
        look = skeleton(shown_domain(domain))
        self._skeletons.setdefault(look, domain)
        name = look.rpartition(".")[0]
        if len(name) >= SHORT_LENGTH:
            self._long.add(look)
            for near in _one_less(look):
                self._neighbours.setdefault(near, look)
        word = _registered_label(look)
        if len(word) >= WORD_LENGTH_MIN:
            self._words.setdefault(word, domain)

    def has(self, domain: str) -> bool:
        """Say whether a domain is the customer's own, or below such a one."""
        return domain in self._domains or any(each in self._domains for each in _parents(domain))

    def resemblance(self, domain: str) -> Resemblance | None:
        """Return which own domain another one looks like; None: none, or it is an own one.

        Args:
            domain: A-labels, lower case.
        """
        if not domain or len(domain) > NAME_LENGTH_MAX or self.has(domain):
            return None
        looks = [skeleton(shown_domain(each)) for each in (domain, *_parents(domain))]
        confused = next((self._skeletons[look] for look in looks if look in self._skeletons), None)
        if confused is not None:
            return Resemblance(Likeness.CONFUSABLE, confused)
        embedded = self._embedded(looks[0])
        if embedded is not None:
            return Resemblance(Likeness.EMBEDDED, embedded)
        cousin = next(filter(None, map(self._cousin, looks)), None)
        return Resemblance(Likeness.COUSIN, cousin) if cousin is not None else None

    def _embedded(self, look: str) -> str | None:
        labels = look.split(".")[-LABELS_MAX:]
        for first in range(len(labels)):
            for end in range(first + 2, len(labels)):
                found = self._skeletons.get(".".join(labels[first:end]))
                if found is not None:
                    return found
        return None

    def _cousin(self, look: str) -> str | None:
        for each in (look, *_one_less(look)):
            near = each if each in self._long else self._neighbours.get(each)
            if near is not None and _is_one_apart(look, near):
                return self._skeletons[near]
        words = _hyphenated(_registered_label(look))
        return next((self._words[word] for word in words if word in self._words), None)


def _parents(domain: str) -> Iterator[str]:
    """Yield the names above a domain that have two labels or more, the nearest first."""
    labels = domain.split(".")[-LABELS_MAX:]
    for start in range(1, len(labels) - 1):
        yield ".".join(labels[start:])


def _registered_label(domain: str) -> str:
    """Return the label that somebody has registered, as far as can be told without a list.

    ``acme`` of ``www.acme.example`` and of ``acme.co.uk``. What stands before it was given out by
    its holder: that a service has a name of ours there is usual.
    """
    labels = domain.split(".")
    is_deep = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return labels[-3 if is_deep else -2] if len(labels) > 1 else ""


def _hyphenated(label: str) -> Iterator[str]:
    """Yield the words of a label, and those of them that stand together."""
    parts = label.split("-")[:WORDS_MAX]
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            yield "-".join(parts[start:end])


def _is_one_apart(one: str, other: str) -> bool:
    """Say whether one letter more, less or other, or two in another order, make one the other."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    one, other = one[start:], other[start:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) <= 1 or (len(one) == 2 and one == other[::-1])


def _one_less(text: str) -> Iterator[str]:
    """Yield a text without each of its letters.

    Two texts that are one letter apart share one of these, or one of them is one of the other's.
    """
    for place, sign in enumerate(text):
        if sign != ".":
            yield text[:place] + text[place + 1 :]
