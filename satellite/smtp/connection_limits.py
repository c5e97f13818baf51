"""What are the limits of connections, in all and of one network?

Pure. Connections are counted as a whole and for each network, since one customer of a hosting
company owns a /24 or a /64 more often than a single address. Only networks with an open connection
take memory.
"""

from __future__ import annotations

import functools
import ipaddress
from collections import Counter
from enum import StrEnum


class TooMany(StrEnum):
    """Why a client was turned away at the door."""

    FULL = "full"
    NETWORK_FULL = "network_full"


class ConnectionLimits:
    """Counts who is inside.

    Args:
        total_max: open connections at most.
        network_max: open connections at most from one /24 (IPv4) or /64 (IPv6).
    """

    __slots__ = ("_inside", "_network_max", "_networks", "_total_max")

    def __init__(self, *, total_max: int, network_max: int) -> None:
        self._total_max = total_max
        self._network_max = network_max
        self._inside = 0
        self._networks: Counter[tuple[int, int]] = Counter()

    def enter(self, address: str) -> TooMany | None:
        """Let a client in and return None, or say why not; only who came in may leave."""
        if self._inside >= self._total_max:
            return TooMany.FULL
        network = network_of(address)
        if self._networks[network] >= self._network_max:
            return TooMany.NETWORK_FULL
        self._inside += 1
        self._networks[network] += 1
        return None

    def leave(self, address: str) -> None:
        """Take a client out again."""
        network = network_of(address)
        self._inside -= 1
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]


@functools.lru_cache(maxsize=4096)  # a client comes again, and leaves by the network it came by
def network_of(address: str) -> tuple[int, int]:
    """Return the IP version and the /24 or /64 that an address in canonical text is in."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed) >> (8 if parsed.version == 4 else 64)
