"""Which list entry decides for a recipient of one message?

Pure. The nearest scope that has an entry decides; inside it the most specific pattern does:
address, domain, ``.domain`` from the longest, network from the longest. White beats black on the
same pattern. What a scope says depends on the sender alone, so each is searched once for a message,
however many recipients stand in it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from common.address import domain_of, fold
from common.preferences.bodies import ListBody
from common.preferences.documents import ListColour
from common.preferences.scopes import Scope

# pattern → colour → body, of one scope
Entries = dict[str, dict[ListColour, ListBody]]


@dataclass(frozen=True, slots=True)
class ListHit:
    """The list entry that decided for a recipient."""

    colour: ListColour
    scope: str
    pattern: str
    reason: str

    def __str__(self) -> str:
        return f"{self.colour} {self.scope} {self.pattern}"


class ListSearch:
    """What the lists say of one sender, recipient by recipient.

    Args:
        lists: the entries of each scope.
        prefixes: of each scope, the IP versions and prefix lengths of the networks in it.
        scopes: gives those that a recipient stands in, the widest first.
        sender: of the message; empty: it has none.
        client_address: who brought it; empty: nobody.
        now_us: microseconds since the epoch, UTC: an entry may have ended.
    """

    def __init__(
        self,
        lists: Mapping[str, Entries],
        prefixes: Mapping[str, Collection[tuple[int, int]]],
        *,
        scopes: Callable[[str], list[Scope]],
        sender: str,
        client_address: str,
        now_us: int,
    ) -> None:
        self._lists = lists
        self._prefixes = prefixes
        self._scopes = scopes
        self._sender = sender
        self._client_address = client_address
        self._now_us = now_us
        self._found: dict[str, ListHit | None] = {}
        self._networks: dict[tuple[int, int], str] = {}

    def hit(self, recipient: str) -> ListHit | None:
        """Return the list entry that decides for a recipient, or None."""
        if not self._lists:
            return None
        for scope in map(str, reversed(self._scopes(recipient))):
            if scope not in self._lists:
                continue
            if scope not in self._found:
                self._found[scope] = self._search(scope, self._lists[scope])
            found = self._found[scope]
            if found is not None:
                return found
        return None

    def _search(self, scope: str, entries: Entries) -> ListHit | None:
        for pattern in self._patterns(scope):
            alive = _alive(entries.get(pattern), self._now_us)
            if alive is not None:
                return ListHit(alive[0], scope, pattern, alive[1].reason)
        return None

    def _patterns(self, scope: str) -> Iterator[str]:
        yield from self._of_sender
        if self._client_address:
            for version, length in sorted(self._prefixes.get(scope, ()), reverse=True):
                if version == self._client.version:
                    yield self._network(version, length)

    @cached_property
    def _of_sender(self) -> list[str]:
        if not self._sender:
            return []
        domain: str = domain_of(self._sender)
        found = [fold(self._sender), domain]
        while domain:
            found.append(f".{domain}")
            domain = domain.partition(".")[2]
        return found

    @cached_property
    def _client(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        return ipaddress.ip_address(self._client_address)

    def _network(self, version: int, length: int) -> str:
        known = self._networks.get((version, length))
        if known is None:
            network = ipaddress.ip_network((self._client_address, length), strict=False)
            known = self._networks[version, length] = str(network)
        return known


def _alive(
    colours: Mapping[ListColour, ListBody] | None, now_us: int
) -> tuple[ListColour, ListBody] | None:
    for colour in (ListColour.WHITE, ListColour.BLACK):
        body = (colours or {}).get(colour)
        if body is not None and body.stands_at(now_us):
            return colour, body
    return None
