"""Does an MX in DNS still lead to a node?

Touches the network: DNS is asked as any sender asks it, by the system's resolver or a given one. A
name that cannot be asked now is told apart from one that does not lead there.

Source: RFC 5321 section 5.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.resolver

from common.settings.values import split_endpoint
from inventory.load import Progress, no_progress

AT_ONCE = 32
ANSWER_S = 10.0
DOMAIN_S = 60.0  # for all hosts of one domain, which its owner names, silent ones among them


@dataclass(frozen=True, slots=True)
class MxLeads:
    """What DNS says of some domains and one node.

    Attributes:
        leading: the domains of which an MX leads to it.
        unknown: those that could not be asked.
    """

    leading: tuple[str, ...]
    unknown: tuple[str, ...]


async def mx_leads(
    domains: Sequence[str],
    addresses: Collection[str],
    *,
    resolver: str = "",
    progress: Progress = no_progress,
) -> MxLeads:
    """Return which domains' MX lead to the addresses of a node.

    Args:
        domains: without a final dot.
        addresses: the node's, in their shortest form.
        resolver: HOST:PORT; empty: the system's.
        progress: told how far it is.
    """
    stub = dns.asyncresolver.Resolver(configure=not resolver)
    if resolver:
        host, stub.port = split_endpoint(resolver)
        stub.nameservers = [host]
    stub.lifetime = ANSWER_S
    looks = _Looks(stub, frozenset(addresses))
    found: dict[str, bool | None] = {}
    places = asyncio.Semaphore(AT_ONCE)

    async def one(domain: str) -> None:
        async with places:
            progress("asking DNS who gets mail", len(found), len(domains))
            try:
                async with asyncio.timeout(DOMAIN_S):
                    found[domain] = await looks.leads(domain)
            except TimeoutError:
                found[domain] = None

    await asyncio.gather(*(one(domain) for domain in domains))
    return MxLeads(
        tuple(domain for domain in domains if found[domain]),
        tuple(domain for domain in domains if found[domain] is None),
    )


class _Looks:
    """Asks, each host once: very many domains have the same few."""

    def __init__(self, stub: dns.asyncresolver.Resolver, addresses: frozenset[str]) -> None:
        self._stub = stub
        self._addresses = addresses
        self._hosts: dict[str, asyncio.Task[bool | None]] = {}

    async def leads(self, domain: str) -> bool | None:
        """Say whether an MX of a domain leads there; None: that cannot be known now."""
        answer = await self._values(domain, "MX")
        if answer is None:
            return None
        # Without an MX a domain is its own.
        hosts = [value.split()[-1] for value in answer] or [domain]
        said = [await self._host(host) for host in hosts if host != "."]
        return True if True in said else None if None in said else False

    async def _host(self, host: str) -> bool | None:
        if host not in self._hosts:
            self._hosts[host] = asyncio.create_task(self._is_there(host), name=host)
        return await asyncio.shield(self._hosts[host])  # other domains wait for it too

    async def _is_there(self, host: str) -> bool | None:
        said = [await self._values(host, kind) for kind in ("A", "AAAA")]
        if any(value in self._addresses for values in said for value in values or ()):
            return True
        return None if None in said else False

    async def _values(self, name: str, kind: str) -> list[str] | None:
        try:
            answer = await self._stub.resolve(name, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError):
            return None
        return [str(value) for value in answer.rrset or ()]
