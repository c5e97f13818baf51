"""Which addresses does DNS have for a name?

Touches the network, through dnspython's asynchronous resolver. Three answers are kept apart: some
addresses, none (the name does not exist, or has no address), and no answer at all, which must never
read as *none*. Source: RFC 1035, RFC 2308 (how long *none* may be believed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import dns.rdatatype
import dns.resolver

from common.errors import EnvironmentFailure
from common.settings.values import split_endpoint

NEGATIVE_TTL_S = 300.0  # when an answer of *none* does not say how long it may be believed


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """The addresses of a name, and how long they may be believed.

    Args:
        addresses: IPv4 in text; empty when there is none.
        ttl_s: seconds.
    """

    addresses: tuple[str, ...]
    ttl_s: float


class NoDnsAnswer(EnvironmentFailure):
    """DNS did not say whether the name exists: no server answered, or it failed (SERVFAIL)."""


class Resolver(Protocol):
    """DNS, as the filters see it."""

    async def addresses(self, name: str, *, timeout_s: float) -> DnsAnswer:
        """Return the IPv4 addresses of an absolute name.

        Raises:
            NoAnswer: within ``timeout_s`` seconds nothing was said that can be used.
        """
        ...


class DnsResolver:
    """DNS by one given server, or by the system's.

    Args:
        endpoint: ``HOST:PORT`` of a resolver; empty for those of the system.
    """

    def __init__(self, endpoint: str = "") -> None:
        self._endpoint = endpoint
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def addresses(self, name: str, *, timeout_s: float) -> DnsAnswer:
        try:
            answer = await self._connected().resolve(
                name + ".", "A", lifetime=timeout_s, search=False, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN as error:
            return DnsAnswer((), _negative_ttl(error))
        except (dns.exception.DNSException, OSError) as error:
            raise NoDnsAnswer(
                f"no answer for {name}: {type(error).__name__}", hint="check the node's resolver"
            ) from error
        found = () if answer.rrset is None else tuple(record.to_text() for record in answer.rrset)
        ttl_s = NEGATIVE_TTL_S if answer.rrset is None else float(answer.rrset.ttl)
        return DnsAnswer(found, ttl_s)

    def _connected(self) -> dns.asyncresolver.Resolver:
        """Return the resolver; made at first use, since a node may start before its network."""
        if self._resolver is None:
            if not self._endpoint:
                self._resolver = dns.asyncresolver.Resolver()
            else:
                host, port = split_endpoint(self._endpoint)
                self._resolver = dns.asyncresolver.Resolver(configure=False)
                self._resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port)]
        return self._resolver


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """Return how long a name may be taken as absent: the lesser of the SOA's TTL and minimum."""
    responses: dict[object, dns.message.Message] = error.kwargs.get("responses") or {}
    for response in responses.values():
        for rrset in response.authority:
            if rrset.rdtype == dns.rdatatype.SOA:
                return float(min(rrset.ttl, rrset[0].minimum))
    return NEGATIVE_TTL_S
