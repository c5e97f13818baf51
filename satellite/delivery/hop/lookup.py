"""Which MX and address records does DNS have for a mail domain?

Touches DNS through ``names``. Customers' servers and strangers' domains are looked up by two of
these, each with a memory of its own.

Source: RFC 5321 section 5.1, RFC 7505 (null MX).
"""

from __future__ import annotations

from typing import Protocol

from dns.rdtypes.ANY.MX import MX

from common.address import AddressError, parse_domain
from satellite.delivery.decisions.routing import Exchange
from satellite.names.answer import Lookup
from satellite.names.names import Names


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
        names: what names mean.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self.addresses = names.addresses

    async def exchanges(self, domain: str) -> Lookup[Exchange]:
        found = await self._names.records(domain, "MX")
        hosts = [
            (record.preference, _host_of(record))
            for record in found.records
            if isinstance(record, MX)
        ]
        named = tuple(Exchange(preference, host) for preference, host in hosts if host is not None)
        return Lookup(found.found, named, found.is_validated)


def _host_of(record: MX) -> str | None:
    """Return the host of a record, empty for the null MX of RFC 7505; None: it names no host.

    DNS holds any octets. What is no host name could stand in no log and in no TLS handshake.
    """
    text = record.exchange.to_text(omit_final_dot=True).strip(".")
    try:
        return parse_domain(text) if text else ""
    except AddressError:
        return None
