"""Which list entries are there for a recipient of one message, the one that decides first?

Pure. The nearest scope that has an entry decides; inside it the most specific pattern does:
address, domain, ``.domain`` from the longest, network from the longest, header pattern. White beats
black on the same pattern, and among header patterns. What a scope says depends on the message
alone, so each is searched once for it, however many recipients stand in it.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Iterable, Iterator

from common.address import domain_of, fold
from common.frozen import dataclass
from common.preferences.bodies import ListBody
from common.preferences.documents import Kind, parse_body
from common.preferences.list_entries import ListEntries
from common.preferences.list_keys import (
    ListColour,
    cut_list_key,
    is_network_pattern,
    split_header_pattern,
)
from common.preferences.packed_entries import KeptEntry

MatchesHeader = Callable[[str, str], bool]

_COLOURS = {str(colour): colour for colour in ListColour}


@dataclass(frozen=True, slots=True)
class ListHit:
    """A list entry that is about a recipient's message."""

    colour: ListColour
    scope: str
    pattern: str
    reason: str
    by: str = ""

    def __str__(self) -> str:
        return f"{self.colour} {self.scope} {self.pattern}"

    @property
    def needs_proof(self) -> bool:
        """Say whether it could help a forger: it is white, and about what anybody may write."""
        return self.colour is ListColour.WHITE and not is_network_pattern(self.pattern)


def never_matches(_name: str, _expression: str) -> bool:
    """Say that a header pattern does not match: no header is known."""
    return False


class ListSearch:
    """What the lists say of one message, recipient by recipient.

    Args:
        lists: all entries.
        scopes: gives those that a recipient stands in, as text, the nearest first.
        sender: of the message; empty: it has none.
        client_address: who brought it; empty: nobody.
        now_us: microseconds since the epoch, UTC: an entry may have ended.
        matches_header: says whether an expression matches a field, given by its name.
    """

    def __init__(
        self,
        lists: ListEntries,
        *,
        scopes: Callable[[str], Iterable[str]],
        sender: str,
        client_address: str,
        now_us: int,
        matches_header: MatchesHeader = never_matches,
    ) -> None:
        self._lists = lists
        self._scopes = scopes
        self._client_address = client_address
        self._now_us = now_us
        self._matches_header = matches_header
        self._found: dict[str, Iterable[ListHit]] = {}
        self._of_sender = _patterns_of(sender)

    def hit(self, recipient: str) -> ListHit | None:
        """Return the list entry that decides for a recipient, or None."""
        if not self._lists.has_any():
            return None
        for scope in self._scopes(recipient):
            for hit in self._of_scope(scope):
                return hit
        return None

    def hits(self, recipient: str) -> Iterator[ListHit]:
        """Return all entries for a recipient; each would decide if those before were not there."""
        if not self._lists.has_any():
            return
        for scope in self._scopes(recipient):
            yield from self._of_scope(scope)

    def _of_scope(self, scope: str) -> Iterable[ListHit]:
        """Return the entries of a scope that are about the message, searched once."""
        known = self._found.get(scope)
        if known is None:
            has_some = self._lists.has_scope(scope)
            known = self._found[scope] = _Remembered(self._search(scope)) if has_some else ()
        return known

    def _search(self, scope: str) -> Iterator[ListHit]:
        at = self._lists.at
        for pattern in self._of_sender:  # most are met by no entry: a generator less for each
            for entry in at(scope, pattern):
                hit = self._alive(entry)
                if hit is not None:
                    yield hit
        if self._client_address and self._lists.has_networks(scope):
            for pattern in self._networks_of_client():
                for entry in at(scope, pattern):
                    hit = self._alive(entry)
                    if hit is not None:
                        yield hit
        for key in self._lists.header_keys(scope):
            if self._matches_header(*split_header_pattern(cut_list_key(key)[2])):
                kept = self._lists.get(key)
                hit = None if kept is None else self._alive(kept)
                if hit is not None:
                    yield hit

    def white_network(self) -> ListHit | None:
        """Return a white entry, whosever it is, for a network that the client is in, or None."""
        entries = (
            entry
            for pattern in self._networks_of_client()
            for entry in self._lists.white_networks(pattern)
        )
        return next((hit for hit in map(self._alive, entries) if hit is not None), None)

    def _alive(self, entry: KeptEntry) -> ListHit | None:
        """Return what an entry says; None: it has ended."""
        body = parse_body(Kind.LIST, entry.body)
        assert isinstance(body, ListBody)
        if not body.stands_at(self._now_us):
            return None
        colour, scope, pattern = cut_list_key(entry.key)
        return ListHit(_COLOURS[colour], scope, pattern, body.reason, body.by)

    def _networks_of_client(self) -> Iterator[str]:
        """Return the networks that the client is in and an entry may name, from the longest."""
        client = _address(self._client_address)
        for version, length in self._lists.lengths:
            if version == client.version:
                yield _network(client, length)


class _Remembered:
    """What an iterator gives, asked no further than somebody wants it, and never twice."""

    __slots__ = ("_coming", "_known")

    def __init__(self, coming: Iterator[ListHit]) -> None:
        self._coming = coming
        self._known: list[ListHit] = []

    def __iter__(self) -> Iterator[ListHit]:
        place = 0
        while True:
            if place == len(self._known):
                hit = next(self._coming, None)
                if hit is None:
                    return
                self._known.append(hit)
            yield self._known[place]
            place += 1


def _patterns_of(sender: str) -> list[str]:
    """Return the patterns that are about a sender, the most specific one first."""
    if not sender:
        return []
    folded = fold(sender)
    domain: str = domain_of(folded)
    found = [folded, domain]
    while domain:
        found.append(f".{domain}")
        domain = domain.partition(".")[2]
    return found


_address = functools.lru_cache(maxsize=4096)(ipaddress.ip_address)


@functools.lru_cache(maxsize=4096)  # a client mostly brings more than one message
def _network(client: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> str:
    """Return the network of a length that a client is in."""
    left = client.max_prefixlen - length  # by its bits: a network of the library is dear to make
    return f"{type(client)(int(client) >> left << left)}/{length}"
