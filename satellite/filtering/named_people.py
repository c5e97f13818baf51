"""Does a display name pretend to be one of the people that a customer has named?

Pure. Names are compared word by word as a reader sees them (``look_alike``), in any order: who is
"Anna Meier" is "Meier, Anna" and "Anna Meier (CEO)" as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from common.frozen import dataclass
from satellite.filtering.look_alike import skeleton
from satellite.headers.mailboxes import mailboxes

PEOPLE_MAX = 2_000  # of one document, which has 64 KiB
WORDS_MAX = 12  # of a display name
WORD_LENGTH_MAX = 64  # signs of each that are compared: skeletons are remembered, by thousands

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """One of the people.

    Args:
        name: as it was written.
        addresses: from which that person writes besides those of the customer's domains.
    """

    name: str
    addresses: frozenset[str] = frozenset()


class NamedPeople:
    """The people of one document.

    Args:
        people: they.
    """

    def __init__(self, people: Iterable[NamedPerson]) -> None:
        self._by_word: dict[str, list[tuple[frozenset[str], NamedPerson]]] = {}
        for person in list(people)[:PEOPLE_MAX]:
            words = _words(person.name)
            if words:
                self._by_word.setdefault(min(words), []).append((words, person))

    def pretended(self, display_name: str, address: str) -> NamedPerson | None:
        """Return whom a mailbox pretends to be; None: nobody, or that person writes from there.

        Args:
            display_name: as a reader sees it.
            address: that it stands with.
        """
        words = _words(display_name)
        found = (
            person
            for word in words
            for named, person in self._by_word.get(word, ())
            # A name of one word stands in too many others.
            if (named <= words if len(named) > 1 else named == words)
        )
        person = next(found, None)
        if person is None or address.casefold() in person.addresses:
            return None
        return person


def _words(text: str) -> frozenset[str]:
    words = islice(_WORD.finditer(text), WORDS_MAX)
    return frozenset(skeleton(word[0][:WORD_LENGTH_MAX]) for word in words)


def parse_people(text: str) -> list[NamedPerson]:
    """Return the people of a list: ``NAME`` or ``NAME <ADDRESS>``, a line each or with semicolons.

    A name that stands there several times may have several addresses.
    """
    found: dict[str, set[str]] = {}
    for entry in re.split(r"[;\n]", text):
        name, _, rest = entry.partition("<")
        name = " ".join(name.replace('"', " ").split())
        if name:
            addresses = (each.address for each in mailboxes(b"<" + rest.encode()) if rest)
            found.setdefault(name, set()).update(address.casefold() for address in addresses)
    return [NamedPerson(name, frozenset(addresses)) for name, addresses in found.items()]
