"""What does DNS say of our records, at each server that answers for them?

Touches the network. Asked are all authoritative servers of a zone, found by a resolver, and the
resolvers that are given. A server that keeps silent is no answer, and never an exception.

Source: RFC 1034 section 4, RFC 2181 section 5.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver

from common.settings.values import split_endpoint
from inventory.mx.zone_update import value_text

ANSWER_S = 5.0
TRIES = 2
SILENCES_MAX = 3  # in a row; then a server is left alone, since each costs ten seconds
# In a row, of the resolver that finds a zone's servers: broken zones keep it silent, too. As many
# are looked for at once by ``verifying``, and one that is there has answered some of them.
FINDER_SILENCES_MAX = 30
SERVERS_MAX = 16  # of one zone
VALUES_MAX = 200  # of one answer; nobody publishes more


@dataclass(frozen=True, slots=True, order=True)
class DnsServer:
    """Who is asked.

    Attributes:
        name: for people.
    """

    name: str
    address: str
    port: int
    is_authoritative: bool

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one server says of one name and kind.

    Attributes:
        values: as in a zone file, texts without quotes, sorted; of the name itself.
        alias: what the name stands for, if it is a CNAME.
    """

    values: tuple[str, ...] = ()
    alias: str = ""


class LiveDns:
    """DNS as the world sees it.

    Args:
        resolvers: HOST:PORT of those that are asked beside the authoritative servers; the first one
            finds these. None given: the system's does, and is not asked otherwise.
        port: of authoritative servers.
    """

    def __init__(self, resolvers: list[str], *, port: int = 53) -> None:
        self._port = port
        self._resolvers = [
            DnsServer(f"resolver {endpoint}", *split_endpoint(endpoint), is_authoritative=False)
            for endpoint in resolvers
        ]
        self._stub = dns.asyncresolver.Resolver(configure=not resolvers)
        if resolvers:
            first = self._resolvers[0]
            self._stub.nameservers = [first.address]
            self._stub.port = first.port
        self._stub.lifetime = ANSWER_S * TRIES
        self._silences: dict[DnsServer, int] = {}
        self._finder_silences = 0
        self._zones: dict[str, asyncio.Task[list[DnsServer]]] = {}

    @property
    def finds_nobody(self) -> bool:
        """Whether the resolver that finds authoritative servers is silent, and asked no more."""
        return self._finder_silences >= FINDER_SILENCES_MAX

    async def servers_of(self, name: str) -> list[DnsServer]:
        """Return who answers for a name: its authoritative servers, then the given resolvers."""
        if self.finds_nobody:
            return list(self._resolvers)
        try:
            zone = await dns.asyncresolver.zone_for_name(name, resolver=self._stub)
        except (dns.exception.DNSException, OSError) as error:
            if isinstance(error, (dns.exception.Timeout, OSError)):
                self._finder_silences += 1
            return list(self._resolvers)
        self._finder_silences = 0
        text = zone.to_text()
        if text not in self._zones:
            self._zones[text] = asyncio.create_task(self._authorities(text))
        return [*await self._zones[text], *self._resolvers]

    async def _authorities(self, zone: str) -> list[DnsServer]:
        found = set()
        for host in await self._values(zone, "NS"):
            for kind in ("A", "AAAA"):
                for address in await self._values(host, kind):
                    label = f"{host.rstrip('.')} ({address})"
                    found.add(DnsServer(label, address, self._port, is_authoritative=True))
        return sorted(found)[:SERVERS_MAX]

    async def _values(self, name: str, kind: str) -> list[str]:
        try:
            answer = await self._stub.resolve(name, kind, raise_on_no_answer=False)
        except (dns.exception.DNSException, OSError):
            return []
        return [str(value) for value in answer.rrset or ()][:SERVERS_MAX]

    async def ask(self, server: DnsServer, name: str, kind: str) -> ServerAnswer | None:
        """Return what a server says of a name; None: it does not answer."""
        if self._silences.get(server, 0) >= SILENCES_MAX:
            return None
        query = dns.message.make_query(name, kind)
        if server.is_authoritative:
            query.flags &= ~dns.flags.RD
        for _ in range(TRIES):
            try:
                answer, _ = await dns.asyncquery.udp_with_fallback(
                    query, server.address, ANSWER_S, server.port
                )
            except (dns.exception.DNSException, OSError):
                continue
            if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                self._silences.pop(server, None)
                return _read(answer, dns.name.from_text(name), kind)
        self._silences[server] = self._silences.get(server, 0) + 1
        return None


def _read(answer: dns.message.Message, name: dns.name.Name, kind: str) -> ServerAnswer:
    values: list[str] = []
    alias = ""
    for rrset in answer.answer:
        if rrset.name == name and rrset.rdtype == dns.rdatatype.CNAME and kind != "CNAME":
            alias = str(rrset[0])
        if rrset.name == name and rrset.rdtype == dns.rdatatype.from_text(kind):
            values += [value_text(rdata) for rdata in rrset][:VALUES_MAX]
    return ServerAnswer(tuple(sorted(values)), alias)
