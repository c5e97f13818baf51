"""Which MX and address records does DNS have for a mail domain?

Touches the resolver. Every way in which a lookup can fail ends in one of four answers, so that
routing decides without knowing a library's exceptions.

Source: RFC 5321 section 5.1, RFC 2308 (no such name, no such record).
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

from satellite.delivery.decisions.routing import ADDRESSES_MAX, Exchange, Lookup, LookupResult

LOOKUP_S = 15.0  # for one question, all tries together
CACHE_NAMES_MAX = 10_000


class MxResolver(Protocol):
    """DNS, as delivery needs it. An answer is never an exception."""

    async def exchanges(self, domain: str) -> Lookup[Exchange]:
        """Return the MX records of a domain."""
        ...

    async def addresses(self, host: str) -> Lookup[str]:
        """Return the IP addresses of a host, IPv6 and IPv4."""
        ...


class DnsMxResolver:
    """DNS by dnspython.

    Args:
        host, port: the node's resolver; no host: the system's, whose hosts file then counts too.
    """

    def __init__(self, host: str = "", port: int = 53) -> None:
        self._is_systems = not host
        self._resolver: dns.asyncresolver.Resolver | None = None
        if host:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            self._resolver.nameservers = [host]
            self._resolver.port = port
            self._limit(self._resolver)

    async def exchanges(self, domain: str) -> Lookup[Exchange]:
        found = await self._ask(domain, "MX")
        records = [
            Exchange(record.preference, record.exchange.to_text(omit_final_dot=True).lower())
            for record in found.records
            if isinstance(record, MX)
        ]
        # The root is the null MX, RFC 7505; dnspython writes it as a dot even without its own.
        return Lookup(
            found.found, tuple(Exchange(r.preference, r.host.strip(".")) for r in records)
        )

    async def addresses(self, host: str) -> Lookup[str]:
        if _is_address(host):
            return Lookup(LookupResult.RECORDS, (host,))
        if self._is_systems or "." not in host:
            return await _system_addresses(host)
        wide, narrow = await asyncio.gather(self._ask(host, "AAAA"), self._ask(host, "A"))
        records = [str(record) for record in (*wide.records, *narrow.records)]
        if records:
            return Lookup(LookupResult.RECORDS, tuple(records[:ADDRESSES_MAX]))
        if LookupResult.FAILED in (wide.found, narrow.found):
            return Lookup(LookupResult.FAILED)
        return Lookup(narrow.found)

    async def _ask(self, name: str, kind: str) -> Lookup[object]:
        try:
            answer = await self._configured().resolve(
                name, kind, search=False, lifetime=LOOKUP_S, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return Lookup(LookupResult.NO_NAME)
        except (dns.exception.DNSException, OSError):
            return Lookup(
                LookupResult.FAILED
            )  # SERVFAIL, no answer in time, a loop of aliases, nonsense
        if answer.rrset is not None:
            return Lookup(LookupResult.RECORDS, tuple(answer))
        # What is cut off even over TCP says nothing about what is there.
        is_cut = bool(answer.response.flags & dns.flags.TC)
        return Lookup(LookupResult.FAILED if is_cut else LookupResult.NOTHING)

    def _configured(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver()  # may raise: there is no resolv.conf
            self._limit(self._resolver)
        return self._resolver

    def _limit(self, resolver: dns.asyncresolver.Resolver) -> None:
        resolver.cache = _Cache(CACHE_NAMES_MAX)


class _Cache(dns.resolver.LRUCache):
    """What was found. What was not is asked again: a name that is missing for a moment would
    otherwise still be missing when it is asked for the second time, and then it is believed."""

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        if value.rrset is not None:
            super().put(key, value)


async def _system_addresses(host: str) -> Lookup[str]:
    try:
        async with asyncio.timeout(LOOKUP_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        no_name = error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
        return Lookup(LookupResult.NO_NAME if no_name else LookupResult.FAILED)
    except (TimeoutError, OSError, UnicodeError):
        return Lookup(LookupResult.FAILED)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return Lookup(LookupResult.RECORDS, tuple(addresses)[:ADDRESSES_MAX])


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
