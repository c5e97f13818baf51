"""Which DNS does a test have without a server?

Pure: a ``Resolver`` whose zones are a dict; checked against a real name server in
``tests/integration/test_dnsbl.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from satellite.filtering.listing import label_of_address
from satellite.filtering.resolver import DnsAnswer, NoDnsAnswer


class FakeResolver:
    """DNS that knows some names; the others do not exist.

    Args:
        names: addresses by name. None: the server fails.
    """

    def __init__(self, names: Mapping[str, tuple[str, ...] | None] | None = None) -> None:
        self.names = dict(names or {})
        self.asked: list[str] = []
        self.is_silent = False  # no answer ever comes
        self.silent_names: set[str] = set()  # likewise, for these alone
        self.otherwise: tuple[str, ...] = ()  # of a name that is not among ours
        self.ttl_s = 300.0

    async def addresses(self, name: str, *, timeout_s: float) -> DnsAnswer:
        self.asked.append(name)
        if self.is_silent or name in self.silent_names:
            await asyncio.get_running_loop().create_future()
        addresses = self.names.get(name, self.otherwise)
        if addresses is None:
            raise NoDnsAnswer(f"no answer for {name}: SERVFAIL")
        return DnsAnswer(addresses, self.ttl_s)

    def put(self, zone: str, address: str, *codes: str) -> None:
        """List an address in a zone."""
        self.names[f"{label_of_address(address)}.{zone}"] = codes

    def put_name(self, zone: str, name: str, *codes: str) -> None:
        """List a domain in a zone."""
        self.names[f"{name}.{zone}"] = codes


def with_test_entry(*zones: str) -> FakeResolver:
    """Return DNS whose lists pass their self-test."""
    resolver = FakeResolver()
    for zone in zones:
        resolver.put(zone, "127.0.0.2", "127.0.0.2")
        resolver.put_name(zone, "test", "127.0.0.2")
    return resolver
