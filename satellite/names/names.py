"""Which records and addresses does a name have, asked once however many want to know?

Touches the name servers and the hosts file. Each user has names of its own: what is remembered for
customers is not pushed out by what strangers make us ask.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address

import dns.rdata

from common.clock import Clock, SystemClock
from common.settings.values import split_endpoint
from satellite.names.answer import Lookup, LookupResult
from satellite.names.hosts_file import HostsFile
from satellite.names.memory import LookupMemory
from satellite.names.name_servers import NameServers

LOOKUP_S = 15.0  # for one question, all tries together
# With something to fall back on a question is not waited for so long: RFC 8767 section 5.
LOOKUP_WITH_LAST_GOOD_S = 2.0
NAMES_MAX = 10_000
ADDRESSES_MAX = 8  # of one host


class AnswerKind(StrEnum):
    """How a question ended, for those who count."""

    FOUND = "found"
    NONE = "none"
    FAILED = "failed"
    LAST_GOOD = "last_good"  # it failed, and what was found last is used


class _Question:
    """One that has been asked and not been answered."""

    def __init__(self) -> None:
        self.is_over = asyncio.Event()
        self.answer: Lookup[dns.rdata.Rdata] | None = None  # None: whoever asked has gone


class Names:
    """What names mean, with a memory of its own.

    Args:
        servers: who is asked.
        clock: for the age of what is remembered.
        hosts: the hosts file; left out: the system's.
        most: questions that are remembered.
        on_answer: called with how each question ended that was asked: what was found, that it
            failed, or that it did and the last good answer is used.
    """

    def __init__(
        self,
        servers: NameServers,
        clock: Clock,
        *,
        hosts: HostsFile | None = None,
        most: int = NAMES_MAX,
        on_answer: Callable[[AnswerKind], None] | None = None,
    ) -> None:
        self._servers = servers
        self._clock = clock
        self._hosts = hosts or HostsFile()
        self._memory: LookupMemory[dns.rdata.Rdata] = LookupMemory(most)
        self._on_answer = on_answer
        self._asked: dict[tuple[str, str], _Question] = {}

    async def records(self, name: str, kind: str) -> Lookup[dns.rdata.Rdata]:
        """Return the records of a kind that a name has; never an exception."""
        key = (name.lower().removesuffix("."), kind)
        while True:
            known = self._memory.known(*key, now_s=self._clock.monotonic_s())
            if known is not None:
                return known
            question = self._asked.get(key)
            if question is None:
                return await self._ask(key)
            await question.is_over.wait()
            if question.answer is not None:
                return question.answer

    async def addresses(self, host: str) -> Lookup[str]:
        """Return the IP addresses of a host, IPv6 first; an address is its own."""
        if is_address(host):
            return Lookup(LookupResult.RECORDS, (host,))
        if self._servers.is_systems or "." not in host:
            listed = self._hosts.addresses(host)
            if listed:
                return Lookup(LookupResult.RECORDS, listed[:ADDRESSES_MAX])
        wide, narrow = await asyncio.gather(self.records(host, "AAAA"), self.records(host, "A"))
        found = tuple(str(record) for record in (*wide.records, *narrow.records))
        if found:
            # Proved only if each kind that there is was.
            proofs = [kind.is_validated for kind in (wide, narrow) if kind.records]
            return Lookup(LookupResult.RECORDS, found[:ADDRESSES_MAX], all(proofs))
        if LookupResult.FAILED in (wide.found, narrow.found):
            return Lookup(LookupResult.FAILED)
        return Lookup(narrow.found)

    async def _ask(self, key: tuple[str, str]) -> Lookup[dns.rdata.Rdata]:
        question = self._asked[key] = _Question()
        try:
            has_last = self._memory.last_good(*key, now_s=self._clock.monotonic_s()) is not None
            within_s = LOOKUP_WITH_LAST_GOOD_S if has_last else LOOKUP_S
            said = await self._servers.ask(*key, within_s=within_s)
            question.answer = self._memory.learned(
                *key, said.lookup, ttl_s=said.ttl_s, now_s=self._clock.monotonic_s()
            )
            if self._on_answer is not None:
                self._on_answer(_kind_of(said.lookup, question.answer))
            return question.answer
        finally:
            del self._asked[key]
            question.is_over.set()


def _kind_of(said: Lookup[dns.rdata.Rdata], used: Lookup[dns.rdata.Rdata]) -> AnswerKind:
    match said.found:
        case LookupResult.RECORDS:
            return AnswerKind.FOUND
        case LookupResult.FAILED:
            is_failed = used.found is LookupResult.FAILED
            return AnswerKind.FAILED if is_failed else AnswerKind.LAST_GOOD
        case _:
            return AnswerKind.NONE


def names_of(resolver: str, clock: Clock, on_answer: Callable[[AnswerKind], None]) -> Names:
    """Return names with a memory of their own.

    Args:
        resolver: ADDRESS:PORT of the node's; empty: the system's.
        clock: for the age of what is remembered.
        on_answer: called with how each question ended.
    """
    place = split_endpoint(resolver) if resolver else ()
    return Names(NameServers(*place), clock, on_answer=on_answer)


@functools.cache
def system_names() -> Names:
    """Return the system's names of this process, for servers of our own such as an engine's."""
    return Names(NameServers(), SystemClock())


def is_address(host: str) -> bool:
    """Say whether a host is given by its IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
