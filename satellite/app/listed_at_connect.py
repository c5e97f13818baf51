"""Is a client refused before the greeting, since DNS lists have it?

Touches DNS, through the filter that asks the lists of every message. It is the cluster's policy
that says so, since nobody has named a recipient yet, and only lists that are there for it. Whoever
is silent, broken or late refuses nobody. Nor is anybody asked about a client whose network is on a
white list, whosever that is, or while many clients wait for their greeting: lists are asked again
at RCPT. Postmaster cannot be reached by who is refused so: the reply says which list has it.

Source: RFC 5321 section 3.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from common.clock import Clock
from common.envelope import Envelope
from common.preferences import Preferences
from common.strangers import outcome_of, outcome_of_call
from common.verdict import Verdict, printable
from satellite.app.listed_clients import are_enough
from satellite.filtering.filter import Mail
from satellite.filtering.filters.dnsbl import KIND
from satellite.filtering.inside import GivenInside
from satellite.filtering.listing import label_of_address
from satellite.headers import HeaderBlock

CONNECT_S = 2.0  # for all lists; a sender waits five minutes for the greeting
WORDS_S = 1.0  # for the words of the list that refuses a client
_SPARE_S = 0.5  # for lists that do not end when they should
WAITING_MAX = 200  # clients that wait for their greeting while lists are asked about them
NAME_LENGTH_MAX = 60  # characters of a list's name
_NO_HEADER = HeaderBlock.parse(b"")


class AsksAtConnect(Protocol):
    """The filter that asks DNS lists, as far as it is asked here."""

    def examine_client_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None: ...

    async def examine_client(self, mail: Mail, *, budget_s: float) -> tuple[Verdict, ...]: ...


class AsksForWords(Protocol):
    """DNS, as far as it is asked for what a list says in words."""

    async def texts(self, name: str, *, timeout_s: float) -> tuple[str, ...]: ...


class ListedAtConnect:
    """What DNS lists say of clients that have said nothing yet.

    Args:
        lists: asks them.
        words: asks for what they say in words.
        preferences: gives those in force.
        clock: the time.
    """

    def __init__(
        self,
        lists: AsksAtConnect,
        words: AsksForWords,
        preferences: Callable[[], Preferences],
        clock: Clock,
    ) -> None:
        self._lists = lists
        self._words = words
        self._preferences = preferences
        self._clock = clock
        self._waiting = 0

    def lets_in(self, client_address: str) -> bool:
        """Say whether a client is let in without anybody being asked."""
        limit = self._preferences().cluster_policy().dnsbl_reject
        if limit is None or self._waiting >= WAITING_MAX or self._is_white(client_address):
            return True
        found = outcome_of_call(self._lists.examine_client_at_once, self._mail(client_address))
        return found is not None and not are_enough(found, limit)

    async def refusal(self, client_address: str) -> str | None:
        """Ask the lists; return why a client is refused, in words for it, or None."""
        limit = self._preferences().cluster_policy().dnsbl_reject
        if limit is None:
            return None
        self._waiting += 1
        try:
            found = await self._found(client_address)
            if found is None or not are_enough(found, limit):
                return None
            return await self._why(found, client_address)
        finally:
            self._waiting -= 1

    async def _found(self, client_address: str) -> tuple[Verdict, ...] | Exception | None:
        try:
            async with asyncio.timeout(CONNECT_S + _SPARE_S):
                mail = self._mail(client_address)
                return await outcome_of(self._lists.examine_client(mail, budget_s=CONNECT_S))
        except TimeoutError:
            return None

    async def _why(self, found: tuple[Verdict, ...] | Exception, client_address: str) -> str:
        """Return which list has a client, and its words.

        The list goes by the name that its document has: a zone may hold the key of a licence.
        """
        assert not isinstance(found, Exception)
        points = {one.by: sum(test.score for test in one.tests) for one in found}
        name = max(points, key=points.__getitem__)
        said = (
            f"{client_address} is on the block list {printable(name, length_max=NAME_LENGTH_MAX)}"
        )
        words = await self._words_of(name, client_address)
        return f"{said}: {words}" if words else said

    async def _words_of(self, name: str, client_address: str) -> str:
        body = self._preferences().filters(KIND).get(name)
        if body is None:  # taken away meanwhile
            return ""
        query = f"{label_of_address(client_address)}.{body.zone}"
        try:
            async with asyncio.timeout(WORDS_S):
                texts = await outcome_of(self._words.texts(query, timeout_s=WORDS_S))
        except TimeoutError:
            return ""
        return "" if isinstance(texts, Exception) or not texts else texts[0].strip()

    def _is_white(self, client_address: str) -> bool:
        search = self._preferences().list_search(
            sender="", client_address=client_address, now_us=self._clock.now_us()
        )
        return search.white_network() is not None

    def _mail(self, client_address: str) -> Mail:
        return Mail(
            envelope=Envelope(client_address=client_address, helo="", sender="", recipients=()),
            headers=_NO_HEADER,
            size=0,
            preferences=self._preferences(),
            now_us=self._clock.now_us(),
            inside=GivenInside(data=b""),
        )
