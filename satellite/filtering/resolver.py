"""Which addresses does DNS have for a name?

Touches the name servers. Three answers are kept apart: some
addresses, none (the name does not exist, or has no address), and no answer at all, which must never
read as *none*. Source: RFC 1035, RFC 2308 (how long *none* may be believed).
"""

from __future__ import annotations

from typing import Protocol

from dns.rdtypes.txtbase import TXTBase

from common.errors import EnvironmentFailure
from common.frozen import dataclass
from common.settings.values import split_endpoint
from common.verdict import printable
from satellite.names.answer import LookupResult
from satellite.names.name_servers import NameServers

TEXT_LENGTH_MAX = 200  # characters of what a list says in words
TEXTS_MAX = 3


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
        self._servers = NameServers(*split_endpoint(endpoint)) if endpoint else NameServers()

    async def addresses(self, name: str, *, timeout_s: float) -> DnsAnswer:
        said = await self._servers.ask(name, "A", within_s=timeout_s)
        if said.lookup.found is LookupResult.FAILED:
            raise NoDnsAnswer(f"no answer for {name}", hint="check the node's resolver")
        return DnsAnswer(tuple(map(str, said.lookup.records)), said.ttl_s)

    async def texts(self, name: str, *, timeout_s: float) -> tuple[str, ...]:
        """Return the first texts of an absolute name; nothing where there is no answer, too."""
        said = await self._servers.ask(name, "TXT", within_s=timeout_s)
        if said.lookup.found is not LookupResult.RECORDS:
            return ()
        records = [one for one in said.lookup.records if isinstance(one, TXTBase)]
        texts = [b"".join(one.strings) for one in records[:TEXTS_MAX]]
        return tuple(
            printable(text.decode("latin-1"), length_max=TEXT_LENGTH_MAX) for text in texts
        )
